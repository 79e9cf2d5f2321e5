/* SPDX-License-Identifier: Apache-2.0
 * chronik/metrics_exporter.h - publishes what the host's metrics registry holds (Prometheus, OTLP ...). Pull model:
 * the plugin visits the registry whenever it needs the figures.
 *
 * A pull exporter is asked by others: it declares the option "listen" (string, "host:port", port 0 = any free one), which
 * the host fills in from its own configuration unless the operator sets it under [plugins.metrics_exporter], and speaks
 * HTTP there. /metrics: the Prometheus text format 0.0.4. /livez, /readyz: 200 or 503 as `health` says at that moment, its
 * line as the body. Any other path: 404.
 * Plugin guarantees: a client that is slow, silent or sends nonsense delays no other and takes bounded memory; a visit that
 *   fails is answered with 500 or above; stop() waits for no client. */
#ifndef CHRONIK_METRICS_EXPORTER_H
#define CHRONIK_METRICS_EXPORTER_H

#include "plugin.h"

CHR_C_BEGIN

#define CHR_METRICS_EXPORTER_1 "chronik.metrics_exporter/1"

/* frozen */
typedef struct chr_label {
  chr_str name;
  chr_str value;
} chr_label;

/* One time series at one moment. Histogram: value is the sum; counts are cumulative, counts[bucket_count] is +Inf.
 * frozen */
typedef struct chr_sample {
  const chr_label* labels;
  uint64_t label_count;
  double value;
  const double* bounds;
  const uint64_t* counts;
  uint64_t bucket_count;
} chr_sample;

/* The plugin's side of one visit; called on the visiting thread, each family followed by its samples. */
typedef struct chr_metrics_visitor {
  uint32_t struct_size;
  uint32_t reserved;
  void* ctx;
  void (*family)(void* ctx, int32_t kind, chr_str name, chr_str unit, chr_str help) CHR_NX; /* CHR_METRIC_* */
  void (*sample)(void* ctx, const chr_sample* sample) CHR_NX;
} chr_metrics_visitor;

#define CHR_HEALTH_LIVE 0  /* the process works; a supervisor should restart it if not */
#define CHR_HEALTH_READY 1 /* it should be sent clients */

/* The host's side, passed to start() as the sink. [any] from start on, until stop completed; not from inside a call of the
 * host, but flush may visit. */
typedef struct chr_metrics_source {
  uint32_t struct_size;
  uint32_t reserved;
  void* ctx;
  chr_status (*visit)(void* ctx, const chr_metrics_visitor* visitor) CHR_NX; /* consistent per family */
  /* 1 healthy, 0 not. Writes a one-line JSON object, NUL-terminated, truncated to cap: {"status":"ok"} or with "why".
   */
  int32_t (*health)(void* ctx, int32_t which, char* json, size_t cap) CHR_NX;
} chr_metrics_source;

typedef struct chr_metrics_exporter {
  uint32_t struct_size;
  uint32_t reserved;
  /* Where it listens, NUL-terminated, "127.0.0.1:9644"; CHR_E_UNSUPPORTED for a push exporter. After start. [control]
   */
  chr_status (*bound_address)(void* self, char* out, size_t cap) CHR_NX;
  /* Sends what is pending; push exporters only, else NULL. CHR_OK or CHR_PENDING. [control] */
  chr_status (*flush)(void* self, chr_done done) CHR_NX;
  /* --- end of 1.0: append below, never reorder --- */
} chr_metrics_exporter;
#define CHR_METRICS_EXPORTER_1_0_SIZE (offsetof(chr_metrics_exporter, flush) + sizeof(void (*)(void)))

CHR_C_END
#endif
