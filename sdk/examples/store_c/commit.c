// SPDX-License-Identifier: Apache-2.0
// The committing thread: takes all that is queued, writes it, syncs once, and reports.
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "store.h"

void Poison(store* s, const char* why) {
  pthread_mutex_lock(&s->poisoning);
  if (!atomic_load(&s->poisoned)) {
    const chr_str text = {why, strlen(why)};
    s->log->fatal(s->host, CHR_E_IO, text);
    atomic_store(&s->poisoned, true); /* LS-21: no call answers CHR_E_FATAL before the host has heard */
  }
  pthread_mutex_unlock(&s->poisoning);
}

/* Room in the group's log, then the frame. */
static chr_status WriteOne(store* s, pending* p) {
  Lock(s);
  const bool room = LogReserve(&p->g->completed, p->g->promised + p->f.slot_count);
  Unlock(s);
  const int error = room ? JournalAppend(&s->j, &p->f) : ENOMEM;
  switch (error) {
    case 0:
      p->written = true;
      p->g->promised += p->f.slot_count;
      return CHR_OK;
    case ENOSPC:
    case EDQUOT: return CHR_E_NO_SPACE; /* the host tries again later; nothing of it is in the file */
    case ENOMEM: return CHR_E_NO_MEMORY;
    default: Poison(s, strerror(error)); return CHR_E_FATAL;
  }
}

static void WriteBatch(store* s, pending* batch, bool cancel) {
  for (pending* p = batch; p != NULL; p = p->next) {
    if (atomic_load(&s->poisoned)) {
      p->status = CHR_E_FATAL;
    } else if (cancel || (p->g != NULL && p->g->failed)) {
      p->status = CHR_E_CANCELLED;
    } else {
      p->status = p->g == NULL ? CHR_OK : WriteOne(s, p);
      if (p->status < 0) {
        Lock(s);
        p->g->failed = true;
        Unlock(s);
      }
    }
  }
}

/* One sync for everything that was written. After a failed one nobody knows what is on the disk, and trying again would
 * lie: the instance is over (Rebello et al., "Can Applications Recover from fsync Failures?", USENIX ATC 2020). */
static void Sync(store* s, pending* batch) {
  if (s->j.durable != s->j.tail && !atomic_load(&s->poisoned)) {
    const uint64_t begin = s->task->mono_ns(s->host);
    const int error = JournalSync(&s->j);
    const uint64_t took = s->task->mono_ns(s->host) - begin;
    Lock(s);
    ++s->stats.syncs;
    s->stats.sync_ns_total += took;
    if (took > s->stats.sync_ns_max) s->stats.sync_ns_max = took;
    Unlock(s);
    if (error != 0) Poison(s, "fdatasync failed; what it should have written is unknown");
  }
  if (!atomic_load(&s->poisoned)) return;
  for (pending* p = batch; p != NULL; p = p->next) p->status = CHR_E_FATAL;
}

/* Makes one operation visible; under the mutex. Returns its completion. */
static chr_log_cqe Finish(store* s, pending* p) {
  s->lanes[p->lane].bytes -= p->bytes;
  group* g = p->g;
  chr_log_cqe cqe = {p->tag, 0, p->status, 0};
  if (g == NULL) return cqe;
  const bool destroyed = p->f.opcode == FRAME_DESTROY;
  if (p->written) g->promised -= p->f.slot_count;
  if (p->status == CHR_OK && !destroyed) {
    ApplyToGroup(g, &p->f);
    cqe.last_index = LogEnd(&g->completed) - 1;
    s->stats.appends += p->f.opcode == CHR_LOG_APPEND;
  }
  if (--g->in_flight == 0 && g->failed) {
    g->failed = !LogCopy(&g->submitted, &g->completed);
  }
  if (destroyed && p->status == CHR_OK) {
    RemoveGroup(s, g);
  } else if (destroyed) {
    g->dying = false;
  }
  return cqe;
}

static const char* Why(chr_status status) {
  switch (status) {
    case CHR_OK: return "";
    case CHR_E_NO_SPACE: return "the disk is full";
    case CHR_E_NO_MEMORY: return "out of memory";
    case CHR_E_FATAL: return "the store is poisoned; its log says why";
    default: return "an earlier operation of the group failed, or the store stops";
  }
}

/* Reports in the order of submission, one call for each run of one lane and status. */
static void Report(store* s, pending* batch) {
  enum { kRun = 64 };
  chr_log_cqe cqes[kRun];
  while (batch != NULL) {
    const uint32_t lane_id = batch->lane;
    const chr_status status = batch->status;
    size_t count = 0;
    while (batch != NULL && count < kRun && batch->lane == lane_id && batch->status == status) {
      pending* p = batch;
      batch = p->next;
      const chr_done done = p->done;
      Lock(s);
      cqes[count] = Finish(s, p);
      Unlock(s);
      free(p);
      const chr_str why = {Why(status), strlen(Why(status))};
      if (done.fn != NULL) {
        done.fn(done.ctx, done.tag, status, why);
      } else {
        ++count;
      }
    }
    const chr_str why = {Why(status), strlen(Why(status))};
    if (count > 0) s->sink.on_complete(s->sink.ctx, lane_id, cqes, count, why);
  }
  for (uint32_t id = 0; id < kMaxLanes; ++id) {
    Lock(s);
    lane* l = &s->lanes[id];
    const bool writable = l->wants_writable && l->bytes <= s->max_inflight_bytes / 2;
    if (writable) l->wants_writable = false;
    Unlock(s);
    if (writable) s->sink.on_writable(s->sink.ctx, id);
  }
}

void* Committer(void* self) {
  store* s = self;
  Lock(s);
  for (;;) {
    while (s->queue == NULL && !s->stopping) pthread_cond_wait(&s->work, &s->mutex);
    if (s->queue == NULL) break;
    pending* batch = s->queue;
    s->queue = NULL;
    s->queue_end = &s->queue;
    const bool cancel = s->stopping && s->task->mono_ns(s->host) >= s->stop_deadline_ns;
    Unlock(s);
    WriteBatch(s, batch, cancel);
    Sync(s, batch);
    Report(s, batch);
    if (!atomic_load(&s->poisoned)) CompactIfWorth(s);
    Lock(s);
  }
  Unlock(s);
  /* The mark proves to recovery that all in front of it was on the disk. */
  frame mark = {.opcode = FRAME_MARK};
  if (!atomic_load(&s->poisoned) && JournalAppend(&s->j, &mark) == 0) JournalSync(&s->j);
  return NULL;
}
