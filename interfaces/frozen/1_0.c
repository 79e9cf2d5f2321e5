/* SPDX-License-Identifier: Apache-2.0
 * What version 1.0 of the ABI promises, held against today's headers. Written by freeze.py and never edited; README.md. */
#include <chronik/all.h>

#define IS(condition) _Static_assert(condition, "frozen since 1.0; see interfaces/frozen/README.md")
#define AT(type, field, offset, size) IS(offsetof(type, field) == (offset) && sizeof(((type*)0)->field) == (size))
#define SLOT(type, field, offset, size, ...) \
  AT(type, field, offset, size);            \
  IS(_Generic(((type*)0)->field, __VA_ARGS__: 1, default: 0))

IS(CHR_ABI_EPOCH == 1);
IS(CHR_OK == 0);
IS(CHR_PENDING == 1);
IS(CHR_E_INVALID == -1);
IS(CHR_E_NOT_FOUND == -2);
IS(CHR_E_EXISTS == -3);
IS(CHR_E_BUSY == -4);
IS(CHR_E_RANGE == -5);
IS(CHR_E_CORRUPT == -6);
IS(CHR_E_IO == -7);
IS(CHR_E_NO_SPACE == -8);
IS(CHR_E_TIMEOUT == -9);
IS(CHR_E_CANCELLED == -10);
IS(CHR_E_UNSUPPORTED == -11);
IS(CHR_E_CLOSED == -12);
IS(CHR_E_DENIED == -13);
IS(CHR_E_NO_MEMORY == -14);
IS(CHR_E_CONFIG == -15);
IS(CHR_E_INTERNAL == -16);
IS(CHR_E_FATAL == -17);
IS(CHR_ERR_RETRYABLE == 1);
#define CHR_HOST_LOG_1 "chronik.host.log/1"
IS(CHR_LOG_DEBUG == 0);
IS(CHR_LOG_INFO == 1);
IS(CHR_LOG_WARN == 2);
IS(CHR_LOG_ERROR == 3);
IS(CHR_LOG_HOST_MISBEHAVED == 4);
#define CHR_HOST_METRICS_1 "chronik.host.metrics/1"
IS(CHR_METRIC_COUNTER == 0);
IS(CHR_METRIC_GAUGE == 1);
IS(CHR_METRIC_HISTOGRAM == 2);
#define CHR_HOST_CONFIG_1 "chronik.host.config/1"
#define CHR_HOST_MEM_1 "chronik.host.mem/1"
#define CHR_HOST_TASK_1 "chronik.host.task/1"
IS(CHR_OPT_DYNAMIC == 1);
#define CHR_PLUGIN_MAIN_SYMBOL "chronik_plugin_main_v1"
#define CHR_LOG_STORE_1 "chronik.log_store/1"
IS(CHR_LOG_APPEND == 1);
IS(CHR_LOG_TRUNCATE_PREFIX == 2);
IS(CHR_LOG_RESET == 3);
IS(CHR_LOG_BARRIER == 4);
IS(CHR_LOG_CHECKPOINT == 5);
IS(CHR_LOG_BY_INDEX == 0);
IS(CHR_LOG_BY_OFFSET == 1);
IS(CHR_LOG_BY_TIMESTAMP == 2);
IS(CHR_LOG_BY_MAX_TIMESTAMP == 3);
IS(CHR_LOG_CAP_DURABLE == 1);
IS(CHR_LOG_STORE_1_0_SIZE == 96);
#define CHR_TRANSPORT_1 "chronik.transport/1"
IS(CHR_LANE_CONTROL == 0);
IS(CHR_LANE_REPLICATION == 1);
IS(CHR_LANE_FORWARD == 2);
IS(CHR_LANE_COUNT == 3);
IS(CHR_TRANSPORT_CAP_ENCRYPTED == 1);
IS(CHR_TRANSPORT_1_0_SIZE == 88);
#define CHR_DISCOVERY_1 "chronik.discovery/1"
IS(CHR_DISCOVERY_FRESH == 0);
IS(CHR_DISCOVERY_CACHED == 1);
IS(CHR_DISCOVERY_FALLBACK == 2);
IS(CHR_DISCOVERY_1_0_SIZE == 24);
#define CHR_SNAPSHOT_SINK_1 "chronik.snapshot_sink/1"
IS(CHR_SNAPSHOT_SINK_1_0_SIZE == 88);
#define CHR_METRICS_EXPORTER_1 "chronik.metrics_exporter/1"
IS(CHR_HEALTH_LIVE == 0);
IS(CHR_HEALTH_READY == 1);
IS(CHR_METRICS_EXPORTER_1_0_SIZE == 24);

/* chr_str: frozen */
IS(sizeof(chr_str) == 16);
SLOT(chr_str, data, 0, 8, const char*);
SLOT(chr_str, size, 8, 8, size_t);

/* chr_error: may grow at its end */
IS(sizeof(chr_error) >= 248);
SLOT(chr_error, struct_size, 0, 4, uint32_t);
SLOT(chr_error, code, 4, 4, chr_status);
SLOT(chr_error, os_errno, 8, 4, int32_t);
SLOT(chr_error, flags, 12, 4, uint32_t);
AT(chr_error, message, 16, 232);

/* chr_owner: frozen */
IS(sizeof(chr_owner) == 16);
SLOT(chr_owner, retain, 0, 8, void (*)(chr_owner* self));
SLOT(chr_owner, release, 8, 8, void (*)(chr_owner* self));

/* chr_buf: frozen */
IS(sizeof(chr_buf) == 24);
SLOT(chr_buf, data, 0, 8, const void*);
SLOT(chr_buf, size, 8, 8, size_t);
SLOT(chr_buf, owner, 16, 8, chr_owner*);

/* chr_done: frozen */
IS(sizeof(chr_done) == 24);
SLOT(chr_done, fn, 0, 8, void (*)(void* ctx, uint64_t tag, chr_status status, chr_str message));
SLOT(chr_done, ctx, 8, 8, void*);
SLOT(chr_done, tag, 16, 8, uint64_t);

/* chr_host: may grow at its end */
IS(sizeof(chr_host) >= 40);
SLOT(chr_host, struct_size, 0, 4, uint32_t);
SLOT(chr_host, abi_epoch, 4, 4, uint32_t);
SLOT(chr_host, ctx, 8, 8, void*);
SLOT(chr_host, name, 16, 8, const char*);
SLOT(chr_host, version, 24, 8, const char*);
SLOT(chr_host, get_service, 32, 8, const void* (*)(const chr_host* host, const char* id));

/* chr_host_log: may grow at its end */
IS(sizeof(chr_host_log) >= 32);
SLOT(chr_host_log, struct_size, 0, 4, uint32_t);
SLOT(chr_host_log, reserved, 4, 4, uint32_t);
SLOT(chr_host_log, enabled, 8, 8, int32_t (*)(const chr_host* host, int32_t level));
SLOT(chr_host_log, write, 16, 8, void (*)(const chr_host* host, int32_t level, chr_str message, const char* file, int32_t line));
SLOT(chr_host_log, fatal, 24, 8, void (*)(const chr_host* host, chr_status status, chr_str why));

/* chr_host_metrics: may grow at its end */
IS(sizeof(chr_host_metrics) >= 40);
SLOT(chr_host_metrics, struct_size, 0, 4, uint32_t);
SLOT(chr_host_metrics, reserved, 4, 4, uint32_t);
SLOT(chr_host_metrics, define, 8, 8, chr_status (*)(const chr_host* host, int32_t kind, const char* name, const char* unit, const char* help, const char* labels, uint64_t* handle));
SLOT(chr_host_metrics, add, 16, 8, void (*)(const chr_host* host, uint64_t handle, double value));
SLOT(chr_host_metrics, set, 24, 8, void (*)(const chr_host* host, uint64_t handle, double value));
SLOT(chr_host_metrics, observe, 32, 8, void (*)(const chr_host* host, uint64_t handle, double value));

/* chr_host_config: may grow at its end */
IS(sizeof(chr_host_config) >= 40);
SLOT(chr_host_config, struct_size, 0, 4, uint32_t);
SLOT(chr_host_config, reserved, 4, 4, uint32_t);
SLOT(chr_host_config, get_str, 8, 8, chr_status (*)(const chr_host* host, const char* key, chr_str* out));
SLOT(chr_host_config, get_int, 16, 8, chr_status (*)(const chr_host* host, const char* key, int64_t* out));
SLOT(chr_host_config, get_f64, 24, 8, chr_status (*)(const chr_host* host, const char* key, double* out));
SLOT(chr_host_config, data_dir, 32, 8, chr_str (*)(const chr_host* host));

/* chr_host_mem: may grow at its end */
IS(sizeof(chr_host_mem) >= 24);
SLOT(chr_host_mem, struct_size, 0, 4, uint32_t);
SLOT(chr_host_mem, reserved, 4, 4, uint32_t);
SLOT(chr_host_mem, buf_alloc, 8, 8, chr_status (*)(const chr_host* host, size_t size, size_t align, chr_buf* out, void** writable));
SLOT(chr_host_mem, budget_bytes, 16, 8, uint64_t (*)( const chr_host* host));

/* chr_host_task: may grow at its end */
IS(sizeof(chr_host_task) >= 56);
SLOT(chr_host_task, struct_size, 0, 4, uint32_t);
SLOT(chr_host_task, reserved, 4, 4, uint32_t);
SLOT(chr_host_task, mono_ns, 8, 8, uint64_t (*)(const chr_host* host));
SLOT(chr_host_task, wall_ns, 16, 8, uint64_t (*)(const chr_host* host));
SLOT(chr_host_task, post, 24, 8, chr_status (*)(const chr_host* host, void (*fn)(void* arg) , void* arg));
SLOT(chr_host_task, post_blocking, 32, 8, chr_status (*)(const chr_host* host, void (*fn)(void* arg) , void* arg));
SLOT(chr_host_task, timer, 40, 8, chr_status (*)(const chr_host* host, uint64_t delay_ns, uint64_t period_ns, void (*fn)(void* arg) , void* arg, uint64_t* id));
SLOT(chr_host_task, timer_cancel, 48, 8, void (*)(const chr_host* host, uint64_t id));

/* chr_option: frozen */
IS(sizeof(chr_option) == 48);
SLOT(chr_option, key, 0, 8, const char*);
SLOT(chr_option, type, 8, 8, const char*);
SLOT(chr_option, dflt, 16, 8, const char*);
SLOT(chr_option, range, 24, 8, const char*);
SLOT(chr_option, doc, 32, 8, const char*);
SLOT(chr_option, flags, 40, 8, uint64_t);

/* chr_iface: frozen */
IS(sizeof(chr_iface) == 16);
SLOT(chr_iface, id, 0, 8, const char*);
SLOT(chr_iface, table, 8, 8, const void*);

/* chr_plugin: may grow at its end */
IS(sizeof(chr_plugin) >= 136);
SLOT(chr_plugin, struct_size, 0, 4, uint32_t);
SLOT(chr_plugin, abi_epoch, 4, 4, uint32_t);
SLOT(chr_plugin, id, 8, 8, const char*);
SLOT(chr_plugin, version, 16, 8, const char*);
SLOT(chr_plugin, vendor, 24, 8, const char*);
SLOT(chr_plugin, license, 32, 8, const char*);
SLOT(chr_plugin, url, 40, 8, const char*);
SLOT(chr_plugin, built_with, 48, 8, const char*);
SLOT(chr_plugin, options, 56, 8, const chr_option*);
SLOT(chr_plugin, option_count, 64, 4, uint32_t);
SLOT(chr_plugin, iface_count, 68, 4, uint32_t);
SLOT(chr_plugin, ifaces, 72, 8, const chr_iface*);
SLOT(chr_plugin, validate, 80, 8, chr_status (*)(const chr_host* host, chr_error* err));
SLOT(chr_plugin, create, 88, 8, chr_status (*)(const chr_host* host, const char* iface_id, void** self, chr_error* err));
SLOT(chr_plugin, start, 96, 8, chr_status (*)(void* self, const void* sink, chr_done done, chr_error* err));
SLOT(chr_plugin, stop, 104, 8, chr_status (*)(void* self, uint64_t timeout_ns, chr_done done));
SLOT(chr_plugin, destroy, 112, 8, void (*)(void* self));
SLOT(chr_plugin, reconfigure, 120, 8, chr_status (*)(void* self, const char* const* keys, size_t count, chr_error* err));
SLOT(chr_plugin, get_extension, 128, 8, const void* (*)(void* self, const char* ext_id));

/* chr_hard_state: frozen */
IS(sizeof(chr_hard_state) == 24);
SLOT(chr_hard_state, term, 0, 8, uint64_t);
SLOT(chr_hard_state, vote, 8, 8, uint64_t);
SLOT(chr_hard_state, commit, 16, 8, uint64_t);

/* chr_log_entry: frozen */
IS(sizeof(chr_log_entry) == 56);
SLOT(chr_log_entry, index, 0, 8, uint64_t);
SLOT(chr_log_entry, term, 8, 8, uint64_t);
SLOT(chr_log_entry, base_offset, 16, 8, int64_t);
SLOT(chr_log_entry, max_timestamp, 24, 8, int64_t);
SLOT(chr_log_entry, offset_count, 32, 4, uint32_t);
SLOT(chr_log_entry, kind, 36, 4, uint32_t);
SLOT(chr_log_entry, buf_count, 40, 4, uint32_t);
SLOT(chr_log_entry, reserved, 44, 4, uint32_t);
SLOT(chr_log_entry, bufs, 48, 8, const chr_buf*);

/* chr_log_op: frozen */
IS(sizeof(chr_log_op) == 96);
SLOT(chr_log_op, opcode, 0, 4, uint32_t);
SLOT(chr_log_op, flags, 4, 4, uint32_t);
SLOT(chr_log_op, group, 8, 8, chr_log_group*);
SLOT(chr_log_op, tag, 16, 8, uint64_t);
SLOT(chr_log_op, entries, 24, 8, const chr_log_entry*);
SLOT(chr_log_op, entry_count, 32, 8, uint64_t);
SLOT(chr_log_op, hard_state, 40, 8, const chr_hard_state*);
SLOT(chr_log_op, index, 48, 8, uint64_t);
SLOT(chr_log_op, term, 56, 8, uint64_t);
SLOT(chr_log_op, offset, 64, 8, int64_t);
SLOT(chr_log_op, blob, 72, 24, chr_buf);

/* chr_log_cqe: frozen */
IS(sizeof(chr_log_cqe) == 24);
SLOT(chr_log_cqe, tag, 0, 8, uint64_t);
SLOT(chr_log_cqe, last_index, 8, 8, uint64_t);
SLOT(chr_log_cqe, status, 16, 4, chr_status);
SLOT(chr_log_cqe, reserved, 20, 4, uint32_t);

/* chr_log_read: may grow at its end */
IS(sizeof(chr_log_read) >= 48);
SLOT(chr_log_read, struct_size, 0, 4, uint32_t);
SLOT(chr_log_read, by, 4, 4, uint32_t);
SLOT(chr_log_read, key, 8, 8, int64_t);
SLOT(chr_log_read, end_index, 16, 8, uint64_t);
SLOT(chr_log_read, max_bytes, 24, 8, uint64_t);
SLOT(chr_log_read, max_entries, 32, 4, uint32_t);
SLOT(chr_log_read, reserved, 36, 4, uint32_t);
SLOT(chr_log_read, tag, 40, 8, uint64_t);

/* chr_log_slice: frozen */
IS(sizeof(chr_log_slice) == 24);
SLOT(chr_log_slice, entries, 0, 8, const chr_log_entry*);
SLOT(chr_log_slice, count, 8, 8, size_t);
SLOT(chr_log_slice, owner, 16, 8, chr_owner*);

/* chr_log_sink: may grow at its end */
IS(sizeof(chr_log_sink) >= 40);
SLOT(chr_log_sink, struct_size, 0, 4, uint32_t);
SLOT(chr_log_sink, reserved, 4, 4, uint32_t);
SLOT(chr_log_sink, ctx, 8, 8, void*);
SLOT(chr_log_sink, on_complete, 16, 8, void (*)(void* ctx, uint32_t lane, const chr_log_cqe* cqes, size_t count, chr_str message));
SLOT(chr_log_sink, on_writable, 24, 8, void (*)(void* ctx, uint32_t lane));
SLOT(chr_log_sink, on_read, 32, 8, void (*)(void* ctx, uint32_t lane, uint64_t tag, chr_status status, chr_log_slice slice, chr_str message));

/* chr_log_bounds: may grow at its end */
IS(sizeof(chr_log_bounds) >= 104);
SLOT(chr_log_bounds, struct_size, 0, 4, uint32_t);
SLOT(chr_log_bounds, reserved, 4, 4, uint32_t);
SLOT(chr_log_bounds, first_index, 8, 8, uint64_t);
SLOT(chr_log_bounds, last_index, 16, 8, uint64_t);
SLOT(chr_log_bounds, prev_term, 24, 8, uint64_t);
SLOT(chr_log_bounds, last_term, 32, 8, uint64_t);
SLOT(chr_log_bounds, first_offset, 40, 8, int64_t);
SLOT(chr_log_bounds, next_offset, 48, 8, int64_t);
SLOT(chr_log_bounds, hard_state, 56, 24, chr_hard_state);
SLOT(chr_log_bounds, bytes, 80, 8, uint64_t);
SLOT(chr_log_bounds, fault_lo, 88, 8, uint64_t);
SLOT(chr_log_bounds, fault_hi, 96, 8, uint64_t);

/* chr_log_term: frozen */
IS(sizeof(chr_log_term) == 24);
SLOT(chr_log_term, term, 0, 8, uint64_t);
SLOT(chr_log_term, first_index, 8, 8, uint64_t);
SLOT(chr_log_term, first_offset, 16, 8, int64_t);

/* chr_log_caps: may grow at its end */
IS(sizeof(chr_log_caps) >= 48);
SLOT(chr_log_caps, struct_size, 0, 4, uint32_t);
SLOT(chr_log_caps, flags, 4, 4, uint32_t);
SLOT(chr_log_caps, max_entry_bytes, 8, 8, uint64_t);
SLOT(chr_log_caps, max_inflight_bytes, 16, 8, uint64_t);
SLOT(chr_log_caps, max_checkpoint_bytes, 24, 8, uint64_t);
SLOT(chr_log_caps, max_groups, 32, 8, uint64_t);
SLOT(chr_log_caps, max_lanes, 40, 4, uint32_t);
SLOT(chr_log_caps, reserved, 44, 4, uint32_t);

/* chr_log_stats: may grow at its end */
IS(sizeof(chr_log_stats) >= 72);
SLOT(chr_log_stats, struct_size, 0, 4, uint32_t);
SLOT(chr_log_stats, reserved, 4, 4, uint32_t);
SLOT(chr_log_stats, groups, 8, 8, uint64_t);
SLOT(chr_log_stats, bytes_used, 16, 8, uint64_t);
SLOT(chr_log_stats, bytes_free, 24, 8, uint64_t);
SLOT(chr_log_stats, inflight_bytes, 32, 8, uint64_t);
SLOT(chr_log_stats, appends, 40, 8, uint64_t);
SLOT(chr_log_stats, syncs, 48, 8, uint64_t);
SLOT(chr_log_stats, sync_ns_total, 56, 8, uint64_t);
SLOT(chr_log_stats, sync_ns_max, 64, 8, uint64_t);

/* chr_log_store: may grow at its end */
IS(sizeof(chr_log_store) >= 96);
SLOT(chr_log_store, struct_size, 0, 4, uint32_t);
SLOT(chr_log_store, reserved, 4, 4, uint32_t);
SLOT(chr_log_store, caps, 8, 8, chr_status (*)(void* self, chr_log_caps* out));
SLOT(chr_log_store, list_groups, 16, 8, chr_status (*)(void* self, void (*each)(void* ctx, uint64_t id) , void* ctx, chr_error* err));
SLOT(chr_log_store, open_group, 24, 8, chr_status (*)(void* self, uint64_t id, uint32_t lane, int32_t create, chr_log_group** group, chr_log_bounds* bounds, chr_error* err));
SLOT(chr_log_store, close_group, 32, 8, void (*)(void* self, chr_log_group* group));
SLOT(chr_log_store, destroy_group, 40, 8, chr_status (*)(void* self, uint64_t id, chr_done done));
SLOT(chr_log_store, submit, 48, 8, chr_status (*)(void* self, uint32_t lane, const chr_log_op* ops, size_t count, size_t* accepted));
SLOT(chr_log_store, bounds, 56, 8, chr_status (*)(void* self, chr_log_group* group, chr_log_bounds* out));
SLOT(chr_log_store, terms, 64, 8, chr_status (*)(void* self, chr_log_group* group, chr_log_term* out, size_t cap, size_t* count));
SLOT(chr_log_store, read, 72, 8, chr_status (*)(void* self, chr_log_group* group, const chr_log_read* what, chr_log_slice* out));
SLOT(chr_log_store, checkpoint, 80, 8, chr_status (*)(void* self, chr_log_group* group, chr_buf* out, chr_error* err));
SLOT(chr_log_store, stats, 88, 8, chr_status (*)(void* self, chr_log_stats* out));

/* chr_stream_events: may grow at its end */
IS(sizeof(chr_stream_events) >= 40);
SLOT(chr_stream_events, struct_size, 0, 4, uint32_t);
SLOT(chr_stream_events, reserved, 4, 4, uint32_t);
SLOT(chr_stream_events, ctx, 8, 8, void*);
SLOT(chr_stream_events, on_data, 16, 8, void (*)(void* ctx, const chr_buf* bufs, size_t count));
SLOT(chr_stream_events, on_writable, 24, 8, void (*)(void* ctx));
SLOT(chr_stream_events, on_end, 32, 8, void (*)(void* ctx, chr_status status, chr_str message));

/* chr_transport_sink: may grow at its end */
IS(sizeof(chr_transport_sink) >= 72);
SLOT(chr_transport_sink, struct_size, 0, 4, uint32_t);
SLOT(chr_transport_sink, reserved, 4, 4, uint32_t);
SLOT(chr_transport_sink, ctx, 8, 8, void*);
SLOT(chr_transport_sink, node_id, 16, 8, uint64_t);
SLOT(chr_transport_sink, hello, 24, 8, size_t (*)(void* ctx, void* out, size_t cap));
SLOT(chr_transport_sink, on_hello, 32, 8, chr_status (*)(void* ctx, uint64_t peer, chr_str identity, chr_str hello, chr_error* err));
SLOT(chr_transport_sink, on_peer, 40, 8, void (*)(void* ctx, uint64_t peer, int32_t up, chr_status status, chr_str why));
SLOT(chr_transport_sink, on_frame, 48, 8, chr_status (*)(void* ctx, uint64_t peer, uint32_t lane, const chr_buf* bufs, size_t count));
SLOT(chr_transport_sink, on_writable, 56, 8, void (*)(void* ctx, uint64_t peer, uint32_t lane));
SLOT(chr_transport_sink, on_stream, 64, 8, chr_status (*)(void* ctx, uint64_t peer, chr_str header, chr_stream* stream, const chr_stream_events** events));

/* chr_transport_caps: may grow at its end */
IS(sizeof(chr_transport_caps) >= 32);
SLOT(chr_transport_caps, struct_size, 0, 4, uint32_t);
SLOT(chr_transport_caps, flags, 4, 4, uint32_t);
SLOT(chr_transport_caps, max_frame_bytes, 8, 8, uint64_t);
SLOT(chr_transport_caps, max_queued_bytes, 16, 8, uint64_t);
SLOT(chr_transport_caps, max_header_bytes, 24, 8, uint64_t);

/* chr_transport: may grow at its end */
IS(sizeof(chr_transport) >= 88);
SLOT(chr_transport, struct_size, 0, 4, uint32_t);
SLOT(chr_transport, reserved, 4, 4, uint32_t);
SLOT(chr_transport, caps, 8, 8, chr_status (*)(void* self, chr_transport_caps* out));
SLOT(chr_transport, bound_address, 16, 8, chr_status (*)(void* self, char* out, size_t cap));
SLOT(chr_transport, set_peer, 24, 8, chr_status (*)(void* self, uint64_t peer, chr_str address, chr_error* err));
SLOT(chr_transport, remove_peer, 32, 8, chr_status (*)(void* self, uint64_t peer));
SLOT(chr_transport, send, 40, 8, chr_status (*)(void* self, uint64_t peer, uint32_t lane, const chr_buf* bufs, size_t count));
SLOT(chr_transport, resume, 48, 8, void (*)(void* self, uint64_t peer, uint32_t lane));
SLOT(chr_transport, stream_open, 56, 8, chr_status (*)(void* self, uint64_t peer, chr_str header, const chr_stream_events* events, chr_stream** out));
SLOT(chr_transport, stream_write, 64, 8, chr_status (*)(void* self, chr_stream* stream, const chr_buf* bufs, size_t count));
SLOT(chr_transport, stream_credit, 72, 8, void (*)(void* self, chr_stream* stream, uint64_t bytes));
SLOT(chr_transport, stream_close, 80, 8, void (*)(void* self, chr_stream* stream, chr_status status));

/* chr_endpoint: frozen */
IS(sizeof(chr_endpoint) == 56);
SLOT(chr_endpoint, node_id, 0, 8, uint64_t);
SLOT(chr_endpoint, address, 8, 16, chr_str);
SLOT(chr_endpoint, attributes, 24, 16, chr_str);
SLOT(chr_endpoint, priority, 40, 4, uint32_t);
SLOT(chr_endpoint, weight, 44, 4, uint32_t);
SLOT(chr_endpoint, ttl_s, 48, 4, uint32_t);
SLOT(chr_endpoint, reserved, 52, 4, uint32_t);

/* chr_discovery_sink: may grow at its end */
IS(sizeof(chr_discovery_sink) >= 32);
SLOT(chr_discovery_sink, struct_size, 0, 4, uint32_t);
SLOT(chr_discovery_sink, reserved, 4, 4, uint32_t);
SLOT(chr_discovery_sink, ctx, 8, 8, void*);
SLOT(chr_discovery_sink, on_endpoints, 16, 8, void (*)(void* ctx, const chr_endpoint* endpoints, size_t count, uint32_t origin, chr_str message));
SLOT(chr_discovery_sink, on_failure, 24, 8, void (*)(void* ctx, chr_status status, chr_str message));

/* chr_discovery: may grow at its end */
IS(sizeof(chr_discovery) >= 24);
SLOT(chr_discovery, struct_size, 0, 4, uint32_t);
SLOT(chr_discovery, reserved, 4, 4, uint32_t);
SLOT(chr_discovery, refresh, 8, 8, chr_status (*)(void* self));
SLOT(chr_discovery, announce, 16, 8, chr_status (*)(void* self, const chr_endpoint* me, chr_done done));

/* chr_object: frozen */
IS(sizeof(chr_object) == 32);
SLOT(chr_object, key, 0, 16, chr_str);
SLOT(chr_object, size, 16, 8, uint64_t);
SLOT(chr_object, created_ns, 24, 8, uint64_t);

/* chr_get_events: may grow at its end */
IS(sizeof(chr_get_events) >= 32);
SLOT(chr_get_events, struct_size, 0, 4, uint32_t);
SLOT(chr_get_events, reserved, 4, 4, uint32_t);
SLOT(chr_get_events, ctx, 8, 8, void*);
SLOT(chr_get_events, on_data, 16, 8, void (*)(void* ctx, const chr_buf* bufs, size_t count));
SLOT(chr_get_events, on_end, 24, 8, void (*)(void* ctx, chr_status status, chr_str message));

/* chr_snapshot_caps: may grow at its end */
IS(sizeof(chr_snapshot_caps) >= 16);
SLOT(chr_snapshot_caps, struct_size, 0, 4, uint32_t);
SLOT(chr_snapshot_caps, flags, 4, 4, uint32_t);
SLOT(chr_snapshot_caps, max_object_bytes, 8, 8, uint64_t);

/* chr_snapshot_sink: may grow at its end */
IS(sizeof(chr_snapshot_sink) >= 88);
SLOT(chr_snapshot_sink, struct_size, 0, 4, uint32_t);
SLOT(chr_snapshot_sink, reserved, 4, 4, uint32_t);
SLOT(chr_snapshot_sink, caps, 8, 8, chr_status (*)(void* self, chr_snapshot_caps* out));
SLOT(chr_snapshot_sink, put_begin, 16, 8, chr_status (*)(void* self, chr_str key, uint64_t size_hint, chr_put** put, chr_error* err));
SLOT(chr_snapshot_sink, put_write, 24, 8, chr_status (*)(void* self, chr_put* put, const chr_buf* bufs, size_t count, chr_done done));
SLOT(chr_snapshot_sink, put_commit, 32, 8, chr_status (*)(void* self, chr_put* put, uint64_t size, uint32_t crc32c, chr_done done));
SLOT(chr_snapshot_sink, put_abort, 40, 8, void (*)(void* self, chr_put* put));
SLOT(chr_snapshot_sink, get, 48, 8, chr_status (*)(void* self, chr_str key, uint64_t offset, uint64_t size, const chr_get_events* events, chr_get** get));
SLOT(chr_snapshot_sink, get_credit, 56, 8, void (*)(void* self, chr_get* get, uint64_t bytes));
SLOT(chr_snapshot_sink, get_close, 64, 8, void (*)(void* self, chr_get* get));
SLOT(chr_snapshot_sink, list, 72, 8, chr_status (*)(void* self, chr_str prefix, void (*each)(void* ctx, const chr_object* object) , void* ctx, chr_done done));
SLOT(chr_snapshot_sink, remove, 80, 8, chr_status (*)(void* self, chr_str key, chr_done done));

/* chr_label: frozen */
IS(sizeof(chr_label) == 32);
SLOT(chr_label, name, 0, 16, chr_str);
SLOT(chr_label, value, 16, 16, chr_str);

/* chr_sample: frozen */
IS(sizeof(chr_sample) == 48);
SLOT(chr_sample, labels, 0, 8, const chr_label*);
SLOT(chr_sample, label_count, 8, 8, uint64_t);
SLOT(chr_sample, value, 16, 8, double);
SLOT(chr_sample, bounds, 24, 8, const double*);
SLOT(chr_sample, counts, 32, 8, const uint64_t*);
SLOT(chr_sample, bucket_count, 40, 8, uint64_t);

/* chr_metrics_visitor: may grow at its end */
IS(sizeof(chr_metrics_visitor) >= 32);
SLOT(chr_metrics_visitor, struct_size, 0, 4, uint32_t);
SLOT(chr_metrics_visitor, reserved, 4, 4, uint32_t);
SLOT(chr_metrics_visitor, ctx, 8, 8, void*);
SLOT(chr_metrics_visitor, family, 16, 8, void (*)(void* ctx, int32_t kind, chr_str name, chr_str unit, chr_str help));
SLOT(chr_metrics_visitor, sample, 24, 8, void (*)(void* ctx, const chr_sample* sample));

/* chr_metrics_source: may grow at its end */
IS(sizeof(chr_metrics_source) >= 32);
SLOT(chr_metrics_source, struct_size, 0, 4, uint32_t);
SLOT(chr_metrics_source, reserved, 4, 4, uint32_t);
SLOT(chr_metrics_source, ctx, 8, 8, void*);
SLOT(chr_metrics_source, visit, 16, 8, chr_status (*)(void* ctx, const chr_metrics_visitor* visitor));
SLOT(chr_metrics_source, health, 24, 8, int32_t (*)(void* ctx, int32_t which, char* json, size_t cap));

/* chr_metrics_exporter: may grow at its end */
IS(sizeof(chr_metrics_exporter) >= 24);
SLOT(chr_metrics_exporter, struct_size, 0, 4, uint32_t);
SLOT(chr_metrics_exporter, reserved, 4, 4, uint32_t);
SLOT(chr_metrics_exporter, bound_address, 8, 8, chr_status (*)(void* self, char* out, size_t cap));
SLOT(chr_metrics_exporter, flush, 16, 8, chr_status (*)(void* self, chr_done done));
