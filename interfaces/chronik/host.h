/* SPDX-License-Identifier: Apache-2.0
 * chronik/host.h - what the kernel lends a plugin: log, metrics, config, memory, tasks and timers, each fetched by id.
 * Every plugin instance gets a chr_host of its own, valid from create until destroy returned. */
#ifndef CHRONIK_HOST_H
#define CHRONIK_HOST_H

#include "abi.h"

CHR_C_BEGIN

typedef struct chr_host chr_host;
struct chr_host {
  uint32_t struct_size;
  uint32_t abi_epoch;
  void* ctx;        /* the host's own */
  const char* name; /* "chronik"; name and version are for messages, never for decisions */
  const char* version;
  /* NULL if this host does not offer the service. The table lives as long as the instance. [any] */
  const void* (*get_service)(const chr_host* host, const char* id)CHR_NX;
};

/* --- log: [any], never blocks, rate-limited by the host -------------------------------------------------------- */
#define CHR_HOST_LOG_1 "chronik.host.log/1"
#define CHR_LOG_DEBUG 0
#define CHR_LOG_INFO 1
#define CHR_LOG_WARN 2
#define CHR_LOG_ERROR 3
#define CHR_LOG_HOST_MISBEHAVED 4 /* the host broke a rule of these headers; the message names it */
typedef struct chr_host_log {
  uint32_t struct_size;
  uint32_t reserved;
  int32_t (*enabled)(const chr_host* host, int32_t level) CHR_NX;
  /* `file` is a string literal or NULL. */
  void (*write)(const chr_host* host, int32_t level, chr_str message, const char* file, int32_t line) CHR_NX;
  /* "My instance is poisoned": the host stops using it and, for a log store or transport, stops the process in order.
   */
  void (*fatal)(const chr_host* host, chr_status status, chr_str why) CHR_NX;
} chr_host_log;

/* --- metrics: define [control]; the rest [any] and wait-free ---------------------------------------------------- */
#define CHR_HOST_METRICS_1 "chronik.host.metrics/1"
#define CHR_METRIC_COUNTER 0
#define CHR_METRIC_GAUGE 1
#define CHR_METRIC_HISTOGRAM 2
typedef struct chr_host_metrics {
  uint32_t struct_size;
  uint32_t reserved;
  /* name: [a-z_][a-z0-9_]*, prefixed by the host with nothing, so choose "chronik_<plugin>_..." and end it with its
   * unit. labels: "key=value,key=value" or NULL. Defining the same name and labels again returns the same handle. */
  chr_status (*define)(const chr_host* host, int32_t kind, const char* name, const char* unit, const char* help,
                       const char* labels, uint64_t* handle) CHR_NX;
  void (*add)(const chr_host* host, uint64_t handle, double value) CHR_NX;     /* counter (value >= 0) or gauge */
  void (*set)(const chr_host* host, uint64_t handle, double value) CHR_NX;     /* gauge */
  void (*observe)(const chr_host* host, uint64_t handle, double value) CHR_NX; /* histogram; seconds or bytes */
} chr_host_metrics;

/* --- config: [any]; values were checked against chr_plugin.options before create -------------------------------- */
#define CHR_HOST_CONFIG_1 "chronik.host.config/1"
typedef struct chr_host_config {
  uint32_t struct_size;
  uint32_t reserved;
  /* CHR_E_NOT_FOUND: the plugin declared no such option. Strings live as long as the instance. */
  chr_status (*get_str)(const chr_host* host, const char* key, chr_str* out) CHR_NX; /* string, enum, path, secret */
  chr_status (*get_int)(const chr_host* host, const char* key,
                        int64_t* out) CHR_NX; /* int, bytes, duration (ns), bool */
  chr_status (*get_f64)(const chr_host* host, const char* key, double* out) CHR_NX; /* float */
  /* A directory of this instance's own under the broker's data directory; exists, mode 0700. */
  chr_str (*data_dir)(const chr_host* host) CHR_NX;
} chr_host_config;

/* --- memory: [any] ----------------------------------------------------------------------------------------------- */
#define CHR_HOST_MEM_1 "chronik.host.mem/1"
typedef struct chr_host_mem {
  uint32_t struct_size;
  uint32_t reserved;
  /* One reference is handed to the caller. align: a power of two, at most 4096. CHR_E_NO_MEMORY over the budget. */
  chr_status (*buf_alloc)(const chr_host* host, size_t size, size_t align, chr_buf* out, void** writable) CHR_NX;
  uint64_t (*budget_bytes)(
      const chr_host* host) CHR_NX; /* what this instance may hold, its retained buffers included */
} chr_host_mem;

/* --- tasks, timers and the only clock a plugin may read (simulated in tests): [any] ------------------------------ */
#define CHR_HOST_TASK_1 "chronik.host.task/1"
typedef struct chr_host_task {
  uint32_t struct_size;
  uint32_t reserved;
  uint64_t (*mono_ns)(const chr_host* host) CHR_NX;
  uint64_t (*wall_ns)(const chr_host* host) CHR_NX;                                         /* since 1970-01-01 UTC */
  chr_status (*post)(const chr_host* host, void (*fn)(void* arg) CHR_NX, void* arg) CHR_NX; /* short work */
  chr_status (*post_blocking)(const chr_host* host, void (*fn)(void* arg) CHR_NX, void* arg) CHR_NX; /* may do I/O */
  /* period_ns == 0: fires once. */
  chr_status (*timer)(const chr_host* host, uint64_t delay_ns, uint64_t period_ns, void (*fn)(void* arg) CHR_NX,
                      void* arg, uint64_t* id) CHR_NX;
  /* When it returns, fn neither runs nor will run - unless it is called from fn itself. */
  void (*timer_cancel)(const chr_host* host, uint64_t id) CHR_NX;
} chr_host_task;

CHR_C_END
#endif
