/* SPDX-License-Identifier: Apache-2.0
 * chronik/snapshot_sink.h - objects that are written once, as a whole, and read in ranges: a directory, S3, a bucket.
 *
 * Keys match [A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)*, at most 512 bytes, each part at most 250 bytes and neither "." nor "..".
 * start() takes no sink table: NULL.
 * Host guarantees: one write of a put at a time; nothing in a callback blocks; no key is the folder of another ("a" and
 *   "a/b"), for many stores keep folders.
 * Plugin guarantees: no call blocks on I/O, except [control]; no callback from inside a call of the host; nothing of an
 *   object is visible before its commit completed, and then all of it is, durably; what a crash or an abort leaves behind
 *   is never listed or read, and is cleared away in time; an outage or throttling (503) is retried with growing, jittered
 *   pauses until `retry_timeout`, then fails with CHR_E_TIMEOUT or CHR_E_IO and poisons nothing. */
#ifndef CHRONIK_SNAPSHOT_SINK_H
#define CHRONIK_SNAPSHOT_SINK_H

#include "plugin.h"

CHR_C_BEGIN

#define CHR_SNAPSHOT_SINK_1 "chronik.snapshot_sink/1"

typedef struct chr_put chr_put; /* the plugin's own, opaque; valid until put_commit completed or put_abort */
typedef struct chr_get chr_get; /* the plugin's own, opaque; valid until on_end returned */

/* frozen */
typedef struct chr_object {
  chr_str key;
  uint64_t size;
  uint64_t created_ns; /* wall clock of whoever keeps it, since 1970; precision of a second is enough */
} chr_object;

/* Who reads an object. Calls of one get never overlap. [any], must not block */
typedef struct chr_get_events {
  uint32_t struct_size;
  uint32_t reserved;
  void* ctx;
  /* The next bytes, in order, never more than the credit that was granted. bufs live during the call unless retained. */
  void (*on_data)(void* ctx, const chr_buf* bufs, size_t count) CHR_NX;
  /* The last call, exactly once: ctx may be freed here. CHR_OK: everything asked for was delivered. CHR_E_CORRUPT: the
   * whole object was read and does not have the checksum of its commit. CHR_E_CANCELLED: after get_close, or the instance
   * stops. CHR_E_BUSY: the object was replaced meanwhile and its old bytes are gone; reading anew may succeed. */
  void (*on_end)(void* ctx, chr_status status, chr_str message) CHR_NX;
} chr_get_events;

typedef struct chr_snapshot_caps {
  uint32_t struct_size;
  uint32_t flags; /* 0 */
  uint64_t max_object_bytes;
} chr_snapshot_caps;

typedef struct chr_snapshot_sink {
  uint32_t struct_size;
  uint32_t reserved;
  /* Valid after create. [control] */
  chr_status (*caps)(void* self, chr_snapshot_caps* out) CHR_NX;
  /* Begins an object; `size_hint` 0 = unknown. CHR_E_INVALID: a bad key. CHR_E_BUSY: too many puts are open. [any] */
  chr_status (*put_begin)(void* self, chr_str key, uint64_t size_hint, chr_put** put, chr_error* err) CHR_NX;
  /* Appends; the next write waits for `done`. The bytes stay valid and unchanged until then. CHR_PENDING, or an error,
   * after which the put can only be aborted. [any] */
  chr_status (*put_write)(void* self, chr_put* put, const chr_buf* bufs, size_t count, chr_done done) CHR_NX;
  /* `size` and `crc32c` (Castagnoli) of all that was written; CHR_E_CORRUPT if they differ from what arrived. An object of
   * the same key is replaced at once: a reader sees the old one or the new one. The put is gone with the completion,
   * whatever its status. CHR_PENDING, or an error, after which the put can only be aborted. [any] */
  chr_status (*put_commit)(void* self, chr_put* put, uint64_t size, uint32_t crc32c, chr_done done) CHR_NX;
  /* Nothing of it remains. A write may be in flight: its completion comes, with CHR_E_CANCELLED or its own status. Not
   * while a commit is in flight. [any] */
  void (*put_abort)(void* self, chr_put* put) CHR_NX;
  /* Reads `size` bytes from `offset` (size 0: to the end), as far as the object goes; `events` lives until on_end, which
   * also reports CHR_E_NOT_FOUND and CHR_E_RANGE (offset beyond the end). No credit yet. CHR_OK: *get is open. [any] */
  chr_status (*get)(void* self, chr_str key, uint64_t offset, uint64_t size, const chr_get_events* events,
                    chr_get** get) CHR_NX;
  /* Up to this many more bytes may be delivered. A call that crosses with on_end does nothing; so with get_close. [any] */
  void (*get_credit)(void* self, chr_get* get, uint64_t bytes) CHR_NX;
  /* Only on_end follows, and at most one on_data that is already on its way. Not after on_end. [any] */
  void (*get_close)(void* self, chr_get* get) CHR_NX;
  /* Every object whose key starts with `prefix`, in ascending order of key (bytewise), then `done`. `each` is called from
   * one thread at a time. [any] */
  chr_status (*list)(void* self, chr_str prefix, void (*each)(void* ctx, const chr_object* object) CHR_NX, void* ctx,
                     chr_done done) CHR_NX;
  /* A key that does not exist is fine. [any] */
  chr_status (*remove)(void* self, chr_str key, chr_done done) CHR_NX;
  /* --- end of 1.0: append below, never reorder --- */
} chr_snapshot_sink;
#define CHR_SNAPSHOT_SINK_1_0_SIZE (offsetof(chr_snapshot_sink, remove) + sizeof(void (*)(void)))

CHR_C_END
#endif
