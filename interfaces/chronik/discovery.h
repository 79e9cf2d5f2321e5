/* SPDX-License-Identifier: Apache-2.0
 * chronik/discovery.h - where the nodes of a cluster may be found. A hint, never a decision: who votes is decided by the
 * metadata group alone, so a wrong answer costs time and nothing else. */
#ifndef CHRONIK_DISCOVERY_H
#define CHRONIK_DISCOVERY_H

#include "plugin.h"

CHR_C_BEGIN

#define CHR_DISCOVERY_1 "chronik.discovery/1"

/* Every discovery declares this option, which the host fills in from [cluster.peers] unless the operator sets it under
 * [plugins.discovery]: "nodes" (string): "1@host:port,2@host:port", node id and transport address of each. A discovery
 * that asks somebody else falls back to it; it may be empty there. */

/* One node. frozen */
typedef struct chr_endpoint {
  uint64_t node_id;   /* 0 = unknown */
  chr_str address;    /* "host:port" of its transport */
  chr_str attributes; /* "key=value;key=value", or empty; unknown keys are ignored */
  uint32_t priority;  /* of an SRV record: lower is preferred; 0 where there is none */
  uint32_t weight;
  uint32_t ttl_s; /* how long the source vouches for it; 0 = for ever */
  uint32_t reserved;
} chr_endpoint;

#define CHR_DISCOVERY_FRESH 0u    /* what the source says now */
#define CHR_DISCOVERY_CACHED 1u   /* the source does not answer, or names nobody: its last good set */
#define CHR_DISCOVERY_FALLBACK 2u /* it has never named anybody: the "nodes" of the configuration */

/* The host's side, passed to start(). [any], non-blocking. */
typedef struct chr_discovery_sink {
  uint32_t struct_size;
  uint32_t reserved;
  void* ctx;
  /* Always the full set, never a delta, in ascending order of (node_id, address), without duplicates, never empty. First
   * within 10 s of start, then whenever the set or its origin changes, and as the answer to every refresh(). `message`
   * says why it is not fresh. Calls never overlap. */
  void (*on_endpoints)(void* ctx, const chr_endpoint* endpoints, size_t count, uint32_t origin, chr_str message) CHR_NX;
  /* There is nothing to report: the source does not answer, or says that there is nobody, and there is no fallback. In
   * place of on_endpoints. */
  void (*on_failure)(void* ctx, chr_status status, chr_str message) CHR_NX;
} chr_discovery_sink;

typedef struct chr_discovery {
  uint32_t struct_size;
  uint32_t reserved;
  /* Ask the source again soon; calls may be merged. The answer comes through the sink. [any] */
  chr_status (*refresh)(void* self) CHR_NX;
  /* Tells the source where this node is. NULL if nothing is ever told. CHR_OK or CHR_PENDING. [control] */
  chr_status (*announce)(void* self, const chr_endpoint* me, chr_done done) CHR_NX;
  /* --- end of 1.0: append below, never reorder --- */
} chr_discovery;
#define CHR_DISCOVERY_1_0_SIZE (offsetof(chr_discovery, announce) + sizeof(void (*)(void)))

CHR_C_END
#endif
