// SPDX-License-Identifier: Apache-2.0
// What an instance holds, and who may touch it. All lanes share one journal and one committing thread.
//
// `mutex` guards everything that is not said to be the committer's; it is never held during I/O, nor while the host is
// called. The committer alone changes `completed` (under the mutex) and may read it without.
#ifndef STORE_C_STORE_H
#define STORE_C_STORE_H

#include <chronik/plugin.h>
#include <pthread.h>
#include <stdatomic.h>

#include "journal.h"

enum { kMaxLanes = 64, kMaxCheckpointBytes = 16 << 20, kMaxEntryBytes = 64 << 20, kOpBytes = 256 };

typedef struct group {
  uint64_t id;
  uint32_t lane;
  bool open;
  bool dying;  /* a destroy is in flight */
  bool failed; /* until nothing is in flight, whatever arrives is cancelled */
  size_t in_flight;
  log submitted;
  log completed;
  size_t promised; /* the committer's: entries that are written and not yet in `completed` */
  chr_hard_state state;
  bool has_checkpoint;
  slot checkpoint;
} group;

/* An accepted operation: frame.slots and frame.bufs are its own, the bytes are the host's until the completion. */
typedef struct pending {
  struct pending* next;
  group* g; /* NULL: a barrier */
  uint32_t lane;
  uint64_t tag;
  uint64_t bytes; /* of the lane's in-flight bytes */
  chr_done done;  /* of a destroy */
  chr_status status;
  bool written; /* its slots are among the promised */
  frame f;
} pending;

/* The journal's descriptor; a read that is under way keeps the file that compaction has replaced. */
typedef struct file {
  int fd;
  size_t refs;
} file;

typedef struct lane {
  uint64_t bytes;
  bool wants_writable;
} lane;

typedef struct store {
  const chr_host* host;
  const chr_host_task* task;
  const chr_host_log* log;
  chr_log_sink sink;
  char dir[4096];
  int dir_fd; /* also the lock on the directory */
  uint64_t max_inflight_bytes;
  uint64_t compact_bytes;
  atomic_bool poisoned;
  pthread_mutex_t poisoning; /* the one that is held while the host is called: its fatal() */

  pthread_t committer;
  bool running;
  journal j;          /* the committer's */
  uint64_t compacted; /* the committer's: size of the file when it was last rewritten, or could not be */

  pthread_mutex_t mutex;
  pthread_cond_t work;  /* the queue is not empty, or it stops */
  pthread_cond_t quiet; /* a read has ended */
  bool stopping;
  uint64_t stop_deadline_ns;
  pending* queue;
  pending** queue_end;
  lane lanes[kMaxLanes];
  file* journal_file;
  size_t reads;
  group** groups; /* ascending ids */
  size_t group_count, group_capacity;
  chr_log_stats stats;
} store;

static inline void Lock(store* s) { pthread_mutex_lock(&s->mutex); }
static inline void Unlock(store* s) { pthread_mutex_unlock(&s->mutex); }

chr_status Fail(chr_error* err, chr_status status, const char* text);
/* Fills in a struct of the caller, and never a byte beyond its struct_size. */
void CopyOut(void* theirs, const void* mine, size_t size);

/* groups.c; the mutex is held by the caller of the first three. */
group* FindGroup(store* s, uint64_t id);
group* AddGroup(store* s, uint64_t id); /* NULL: out of memory */
void RemoveGroup(store* s, group* g);
void FreeGroup(group* g);
chr_status ApplyToGroup(group* g, const frame* f); /* what has completed; room was reserved */
chr_status ListGroups(void* self, void (*each)(void* ctx, uint64_t id), void* ctx, chr_error* err);
chr_status OpenGroup(void* self, uint64_t id, uint32_t lane_id, int32_t create, chr_log_group** out,
                     chr_log_bounds* bounds, chr_error* err);
void CloseGroup(void* self, chr_log_group* raw);
chr_status DestroyGroup(void* self, uint64_t id, chr_done done);
chr_status Bounds(void* self, chr_log_group* raw, chr_log_bounds* out);
chr_status Terms(void* self, chr_log_group* raw, chr_log_term* out, size_t cap, size_t* count);

/* submit.c */
chr_status Submit(void* self, uint32_t lane_id, const chr_log_op* ops, size_t count, size_t* accepted);
void Enqueue(store* s, pending* p); /* under the mutex */

/* commit.c */
void* Committer(void* self);
void Poison(store* s, const char* why);

/* compact.c: rewrites the journal if little of it is alive. The committer's. */
void CompactIfWorth(store* s);
bool SyncDirectory(store* s);
void ReleaseFile(file* f); /* under the mutex */

/* read.c */
chr_status Read(void* self, chr_log_group* raw, const chr_log_read* what, chr_log_slice* out);
chr_status Checkpoint(void* self, chr_log_group* raw, chr_buf* out, chr_error* err);

#endif
