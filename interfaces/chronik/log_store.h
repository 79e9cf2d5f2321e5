/* SPDX-License-Identifier: Apache-2.0
 * chronik/log_store.h - durable logs of many Raft groups behind one group commit per lane.
 *
 * A *group* is one log: entries with consecutive indexes, the hard state of its Raft replica, and one small checkpoint.
 * A *lane* is one submitting thread of the host (a shard). A group belongs to one lane from open_group to close_group;
 * it may be opened on another lane after a restart.
 *
 * Host guarantees: submit, read, bounds and terms of one lane come from one thread at a time; different lanes overlap.
 *   Entries of an append have consecutive indexes; their terms never decrease; base_offset of each equals the sum of
 *   base_offset and offset_count of its predecessor.
 * Plugin guarantees: no completion from inside a call of the host; completions of one group in submission order; after
 * an operation of a group failed, its later operations in flight fail with CHR_E_CANCELLED (once none is in flight the
 * group takes operations again, on what is there: the host may not know of the failure yet, so none of its operations
 * but for entries that follow others relies on one that has not completed); an operation is atomic:
 * after a crash either all or nothing of it is there. A completed append of a durable store survives power loss. A
 * failed fsync poisons the instance: it calls the host's fatal(), then every operation in flight and every later call
 *   returns CHR_E_FATAL, and nothing is retried (fsync after a failed fsync may lie: Rebello et al., USENIX ATC 2020). */
#ifndef CHRONIK_LOG_STORE_H
#define CHRONIK_LOG_STORE_H

#include "plugin.h"

CHR_C_BEGIN

#define CHR_LOG_STORE_1 "chronik.log_store/1"

typedef struct chr_log_group chr_log_group; /* the plugin's own, opaque */

/* Raft's persistent state. vote: node id of the candidate, 0 = none. commit: a hint that may lag. frozen */
typedef struct chr_hard_state {
  uint64_t term;
  uint64_t vote;
  uint64_t commit;
} chr_hard_state;

/* One Raft entry: one Kafka record batch or one internal record. payload = concatenation of bufs. frozen */
typedef struct chr_log_entry {
  uint64_t index; /* first of a log is 1 */
  uint64_t term;
  int64_t base_offset;   /* Kafka offset of the first record; for internal records the next offset to be given */
  int64_t max_timestamp; /* largest record timestamp, ms since 1970; -1 where there is none */
  uint32_t offset_count; /* 0 for internal records */
  uint32_t kind;         /* opaque to the store, kept and returned */
  uint32_t buf_count;
  uint32_t reserved; /* 0 */
  const chr_buf* bufs;
} chr_log_entry;

/* Opcodes of chr_log_op */
#define CHR_LOG_APPEND 1u /* entries and/or hard state as one unit; entries[0].index <= last drops the old suffix */
#define CHR_LOG_TRUNCATE_PREFIX 2u /* drop entries < index (lazily is fine); index <= last + 1 */
#define CHR_LOG_RESET                                                                                               \
  3u                          /* after a snapshot: drop all, continue at `index` with previous term `term` and next \
                                 Kafka offset `offset` */
#define CHR_LOG_BARRIER 4u    /* completes when everything submitted before it in this lane is durable */
#define CHR_LOG_CHECKPOINT 5u /* replaces the group's checkpoint by `blob` (<= caps.max_checkpoint_bytes) */

/* frozen: passed in arrays. The arrays (ops, entries, bufs, hard_state) are valid during submit only; the bytes that
 * bufs and blob point to stay valid and unchanged until the completion, and longer where the plugin retains their
 * owner. */
typedef struct chr_log_op {
  uint32_t opcode;
  uint32_t flags;       /* 0 */
  chr_log_group* group; /* NULL for a barrier */
  uint64_t tag;         /* returned in the completion */
  const chr_log_entry* entries;
  uint64_t entry_count;
  const chr_hard_state* hard_state; /* may be NULL */
  uint64_t index;                   /* TRUNCATE_PREFIX, RESET */
  uint64_t term;                    /* RESET */
  int64_t offset;                   /* RESET */
  chr_buf blob;                     /* CHECKPOINT */
} chr_log_op;

/* frozen: passed in arrays */
typedef struct chr_log_cqe {
  uint64_t tag;
  uint64_t last_index; /* last durable index of the group after this operation; 0 on failure and for a barrier */
  chr_status status;
  uint32_t reserved;
} chr_log_cqe;

/* What to read: entries from the first one that satisfies `by` and `key`, up to but not including index `end_index`. */
#define CHR_LOG_BY_INDEX 0u         /* entry.index == key */
#define CHR_LOG_BY_OFFSET 1u        /* first entry with base_offset + offset_count > key, offset_count > 0 */
#define CHR_LOG_BY_TIMESTAMP 2u     /* first entry with offset_count > 0 and max_timestamp >= key */
#define CHR_LOG_BY_MAX_TIMESTAMP 3u /* the first data entry that has the largest max_timestamp of [first, end_index) \
                                     */
typedef struct chr_log_read {
  uint32_t struct_size;
  uint32_t by;
  int64_t key;
  uint64_t end_index;   /* exclusive; at most last + 1 */
  uint64_t max_bytes;   /* of payload; at least one entry is returned even if it is larger */
  uint32_t max_entries; /* 0 = no limit of its own */
  uint32_t reserved;
  uint64_t tag; /* for on_read */
} chr_log_read;

/* What a read returned: the entries and their bytes live until owner->release(owner). frozen
 * A caller that keeps one payload longer retains that buf's own owner (never NULL here). */
typedef struct chr_log_slice {
  const chr_log_entry* entries;
  size_t count;
  chr_owner* owner; /* NULL if count == 0 */
} chr_log_slice;

/* The host's side, passed to start(). [any], non-blocking, callable from any thread of the plugin. */
typedef struct chr_log_sink {
  uint32_t struct_size;
  uint32_t reserved;
  void* ctx;
  /* All of one call belong to one lane. `message` explains the failures among them, or is empty. */
  void (*on_complete)(void* ctx, uint32_t lane, const chr_log_cqe* cqes, size_t count, chr_str message) CHR_NX;
  void (*on_writable)(void* ctx, uint32_t lane) CHR_NX; /* after CHR_E_BUSY from submit */
  /* The answer of a pending read; the receiver owns slice.owner's reference. Same errors as read. */
  void (*on_read)(void* ctx, uint32_t lane, uint64_t tag, chr_status status, chr_log_slice slice,
                  chr_str message) CHR_NX;
} chr_log_sink;

typedef struct chr_log_bounds {
  uint32_t struct_size;
  uint32_t reserved;
  uint64_t first_index; /* empty log: last_index == first_index - 1 */
  uint64_t last_index;
  uint64_t prev_term;   /* term of entry first_index - 1; 0 at the beginning */
  uint64_t last_term;   /* == prev_term if empty */
  int64_t first_offset; /* base_offset of first_index (or where it will be) */
  int64_t next_offset;  /* base_offset of the entry that follows last_index */
  chr_hard_state hard_state;
  uint64_t bytes;    /* payload bytes in [first, last], approximate */
  uint64_t fault_lo; /* a damaged range of indexes [lo, hi) that must be repaired from a peer; lo == 0: none */
  uint64_t fault_hi;
} chr_log_bounds;

/* One row of the term table: `term` begins at `first_index`, which has base offset `first_offset`. frozen */
typedef struct chr_log_term {
  uint64_t term;
  uint64_t first_index;
  int64_t first_offset;
} chr_log_term;

#define CHR_LOG_CAP_DURABLE 1u /* absent: the host demands that the operator allows a volatile store */
typedef struct chr_log_caps {
  uint32_t struct_size;
  uint32_t flags; /* CHR_LOG_CAP_* */
  uint64_t max_entry_bytes;
  uint64_t max_inflight_bytes; /* per lane; one oversize operation is always admitted when nothing is in flight */
  uint64_t max_checkpoint_bytes;
  uint64_t max_groups;
  uint32_t max_lanes;
  uint32_t reserved;
} chr_log_caps;

typedef struct chr_log_stats {
  uint32_t struct_size;
  uint32_t reserved;
  uint64_t groups;
  uint64_t bytes_used;
  uint64_t bytes_free;
  uint64_t inflight_bytes;
  uint64_t appends;
  uint64_t syncs;
  uint64_t sync_ns_total;
  uint64_t sync_ns_max;
} chr_log_stats;

typedef struct chr_log_store {
  uint32_t struct_size;
  uint32_t reserved;
  /* Valid after create. [control] */
  chr_status (*caps)(void* self, chr_log_caps* out) CHR_NX;
  /* Every group on disk, in ascending order of id. [control] */
  chr_status (*list_groups)(void* self, void (*each)(void* ctx, uint64_t id) CHR_NX, void* ctx, chr_error* err) CHR_NX;
  /* CHR_E_NOT_FOUND without `create`; CHR_E_EXISTS if it is open; CHR_E_CORRUPT if it cannot be opened safely. Must be
   * cheap for a group that is new: thousands may be created in a row. id > 0. [control] */
  chr_status (*open_group)(void* self, uint64_t id, uint32_t lane, int32_t create, chr_log_group** group,
                           chr_log_bounds* bounds, chr_error* err) CHR_NX;
  /* Nothing of the group is in flight. Groups that are open at stop() need not be closed: destroy() frees their handles.
   * [control] */
  void (*close_group)(void* self, chr_log_group* group) CHR_NX;
  /* Deletes a closed group and its data for good; a group that does not exist is fine. [control] OK, PENDING or error
   */
  chr_status (*destroy_group)(void* self, uint64_t id, chr_done done) CHR_NX;
  /* Takes a prefix of the operations, all of the same lane. *accepted < count only with CHR_E_BUSY (wait for
   * on_writable, submit the rest again), CHR_E_INVALID (ops[*accepted] breaks the contract) or CHR_E_FATAL. Otherwise
   * CHR_PENDING. See chr_log_op for what stays valid how long. [io] */
  chr_status (*submit)(void* self, uint32_t lane, const chr_log_op* ops, size_t count, size_t* accepted) CHR_NX;
  /* After the operations that have completed. [io] */
  chr_status (*bounds)(void* self, chr_log_group* group, chr_log_bounds* out) CHR_NX;
  /* The term table of [first, last], ascending; *count is how many rows there are, also if that is more than cap. [io]
   */
  chr_status (*terms)(void* self, chr_log_group* group, chr_log_term* out, size_t cap, size_t* count) CHR_NX;
  /* Completed entries only. CHR_OK: *out is filled in (count 0: nothing matches). CHR_PENDING: on_read will tell.
   * CHR_E_RANGE: an index key below first or above last + 1, an offset below first_offset. CHR_E_CORRUPT: bytes fail
   * their checksum, nothing is returned. [io] */
  chr_status (*read)(void* self, chr_log_group* group, const chr_log_read* what, chr_log_slice* out) CHR_NX;
  /* The newest completed checkpoint; CHR_E_NOT_FOUND if there is none. The caller owns out->owner's reference.
   * [control] */
  chr_status (*checkpoint)(void* self, chr_log_group* group, chr_buf* out, chr_error* err) CHR_NX;
  chr_status (*stats)(void* self, chr_log_stats* out) CHR_NX; /* [any] */
  /* --- end of 1.0: append below, never reorder --- */
} chr_log_store;
#define CHR_LOG_STORE_1_0_SIZE (offsetof(chr_log_store, stats) + sizeof(void (*)(void)))

CHR_C_END
#endif
