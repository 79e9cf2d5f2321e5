/* SPDX-License-Identifier: Apache-2.0
 * chronik/plugin.h - what a plugin exports: exactly one symbol, which returns its descriptor.
 *
 * Life of an instance:  validate? -> create -> start -> (calls of its interface) -> stop -> destroy
 * A plugin may be instantiated several times in one process; all its state hangs on `self`. It is loaded with
 * RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE and never unloaded. It must not install signal handlers, fork, call exit,
 * register atexit handlers, change the working directory, umask, locale or floating-point mode, nor let an exception
 * out. It leaves no symbol unresolved and links nothing of the broker's own (glog, gflags). */
#ifndef CHRONIK_PLUGIN_H
#define CHRONIK_PLUGIN_H

#include "host.h"

CHR_C_BEGIN

/* One key of [plugins.<kind>]. The host parses, checks, defaults, documents and redacts it. frozen */
typedef struct chr_option {
  const char* key;   /* "journal_file_size"; [a-z][a-z0-9_]*, not "plugin" or "sha256", which are the host's */
  const char* type;  /* "string" "int" "bytes" "duration" "bool" "float" "enum:a,b,c" "path" "secret" */
  const char* dflt;  /* as it would stand in the file: "64MiB", "10ms"; NULL: the key is required */
  const char* range; /* "1MiB..8GiB", inclusive, or NULL */
  const char* doc;   /* one or two sentences: what, unit, what a larger value costs */
  uint64_t flags;    /* CHR_OPT_* */
} chr_option;
#define CHR_OPT_DYNAMIC 1u /* reconfigure may change it while the instance runs */

/* id: "chronik.log_store/1" - the number is the interface's major version; its minor is the table's struct_size. frozen
 */
typedef struct chr_iface {
  const char* id;
  const void* table;
} chr_iface;

typedef struct chr_plugin {
  uint32_t struct_size;
  uint32_t abi_epoch; /* CHR_ABI_EPOCH */
  const char* id;     /* "org.example.faststore", or "chronik.log.wal" for ours */
  const char* version;
  const char* vendor;
  const char* license;
  const char* url;
  const char* built_with; /* information only */
  const chr_option* options;
  uint32_t option_count;
  uint32_t iface_count;
  const chr_iface* ifaces; /* may list "/2" and "/1" of one interface; the host takes the highest that it speaks */
  /* Checks across options, without any side effect. May be NULL. [control] */
  chr_status (*validate)(const chr_host* host, chr_error* err) CHR_NX;
  /* Makes one instance of one interface: no thread, no I/O yet; host services may be fetched. [control] */
  chr_status (*create)(const chr_host* host, const char* iface_id, void** self, chr_error* err) CHR_NX;
  /* Recovery happens here; it may take minutes and reports through the log. `sink` is the interface's sink table and
   * lives until destroy. CHR_OK, CHR_PENDING (then `done`), or an error. [control] */
  chr_status (*start)(void* self, const void* sink, chr_done done, chr_error* err) CHR_NX;
  /* Finishes or cancels everything accepted, delivers every completion, ends own threads; nothing is delivered after
   * `done`. `timeout_ns` is a duration, counted from the call: what is not finished by then is cancelled, 0 cancels at
   * once; the host gives up on the instance a little later. CHR_OK or CHR_PENDING. [control] */
  chr_status (*stop)(void* self, uint64_t timeout_ns, chr_done done) CHR_NX;
  /* After stop completed and the host released every buffer it got from this instance; or after a create that no start
   * followed, or a start that failed. [control] */
  void (*destroy)(void* self) CHR_NX;
  /* New values of these keys are in the config service. May be NULL. [control] */
  chr_status (*reconfigure)(void* self, const char* const* keys, size_t count, chr_error* err) CHR_NX;
  /* A vendor's or draft extension of the interface, by id. May be NULL. [any] */
  const void* (*get_extension)(void* self, const char* ext_id)CHR_NX;
} chr_plugin;

typedef const chr_plugin* (*chr_plugin_main_fn)(void)CHR_NX;

/* The one exported symbol: constant time, no side effect, the same pointer every time. [main] */
CHR_EXPORT const chr_plugin* chronik_plugin_main_v1(void) CHR_NX;
#define CHR_PLUGIN_MAIN_SYMBOL "chronik_plugin_main_v1"

CHR_C_END
#endif
