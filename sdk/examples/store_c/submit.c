// SPDX-License-Identifier: Apache-2.0
// The hot path: an operation is checked against all that was accepted before, and queued. Nothing here waits for the
// disk.
#include <stdlib.h>
#include <string.h>

#include "store.h"

void Enqueue(store* s, pending* p) {
  *s->queue_end = p;
  s->queue_end = &p->next;
  pthread_cond_signal(&s->work);
}

static uint64_t PayloadBytes(const chr_log_entry* entry) {
  uint64_t bytes = 0;
  for (uint32_t i = 0; i < entry->buf_count; ++i) bytes += entry->bufs[i].size;
  return bytes;
}

/* Structure and sizes; whether the operation fits the log comes later. *bytes: what it holds in flight. */
static bool IsWellFormed(uint32_t lane_id, const chr_log_op* op, uint64_t* bytes) {
  const group* g = (const group*)op->group;
  *bytes = kOpBytes;
  if (op->flags != 0 || lane_id >= kMaxLanes) return false;
  if (op->opcode == CHR_LOG_BARRIER) return g == NULL;
  if (g == NULL || !g->open || g->lane != lane_id) return false;
  if (op->opcode != CHR_LOG_APPEND && (op->entry_count > 0 || op->hard_state != NULL)) return false;
  if (op->opcode == CHR_LOG_CHECKPOINT && op->blob.size > kMaxCheckpointBytes) return false;
  for (uint64_t i = 0; i < op->entry_count; ++i) {
    const uint64_t payload = PayloadBytes(&op->entries[i]);
    if (payload > kMaxEntryBytes || op->entries[i].reserved != 0) return false;
    *bytes += payload;
  }
  if (op->opcode == CHR_LOG_CHECKPOINT) *bytes += op->blob.size;
  return true;
}

static size_t BufCount(const chr_log_op* op) {
  if (op->opcode == CHR_LOG_CHECKPOINT) return 1;
  size_t count = 0;
  for (uint64_t i = 0; i < op->entry_count; ++i) count += op->entries[i].buf_count;
  return count;
}

/* The operation in memory of our own, in one block; NULL: out of memory. */
static pending* Copy(uint32_t lane_id, const chr_log_op* op, uint64_t bytes) {
  const size_t slot_count = op->opcode == CHR_LOG_CHECKPOINT ? 1 : op->entry_count;
  const size_t buf_count = BufCount(op);
  pending* p = malloc(sizeof(*p) + slot_count * sizeof(slot) + buf_count * sizeof(chr_buf));
  if (p == NULL) return NULL;
  *p = (pending){.g = (group*)op->group, .lane = lane_id, .tag = op->tag, .bytes = bytes};
  slot* slots = (slot*)(p + 1);
  chr_buf* bufs = (chr_buf*)(slots + slot_count);
  p->f = (frame){.opcode = op->opcode, .group = p->g == NULL ? 0 : p->g->id, .index = op->index, .term = op->term};
  p->f.offset = op->offset;
  p->f.slots = slots;
  p->f.slot_count = slot_count;
  p->f.bufs = bufs;
  p->f.buf_count = buf_count;
  if (op->hard_state != NULL) {
    p->f.has_state = true;
    p->f.state = *op->hard_state;
  }
  if (op->opcode == CHR_LOG_CHECKPOINT) {
    bufs[0] = op->blob;
    slots[0] = (slot){.size = (uint32_t)op->blob.size};
  }
  for (uint64_t i = 0; i < op->entry_count; ++i) {
    const chr_log_entry* e = &op->entries[i];
    slots[i] = (slot){e->term, e->base_offset, e->max_timestamp, 0, e->offset_count, e->kind, 0, 0};
    slots[i].size = (uint32_t)PayloadBytes(e);
    if (e->buf_count > 0) memcpy(bufs, e->bufs, e->buf_count * sizeof(chr_buf));
    bufs += e->buf_count;
  }
  if (op->opcode == CHR_LOG_APPEND && op->entry_count > 0) p->f.index = op->entries[0].index;
  return p;
}

/* False: out of memory. */
static bool ApplyToSubmitted(group* g, const pending* p) {
  if (!LogReserve(&g->submitted, p->f.slot_count)) return false;
  if (p->f.opcode == CHR_LOG_APPEND && p->f.slot_count > 0) {
    LogAppend(&g->submitted, p->f.index, p->f.slots, p->f.slot_count);
  } else if (p->f.opcode == CHR_LOG_TRUNCATE_PREFIX) {
    LogTruncatePrefix(&g->submitted, p->f.index);
  } else if (p->f.opcode == CHR_LOG_RESET) {
    LogReset(&g->submitted, p->f.index, p->f.term, p->f.offset);
  }
  return true;
}

/* Under the mutex. CHR_PENDING: it is queued. */
static chr_status SubmitOne(store* s, uint32_t lane_id, const chr_log_op* op) {
  uint64_t bytes = 0;
  if (!IsWellFormed(lane_id, op, &bytes)) return CHR_E_INVALID;
  group* g = (group*)op->group;
  /* A failed group cancels what arrives: the host built it on operations that are gone. */
  if (g != NULL && !g->failed && !LogAllows(&g->submitted, op)) return CHR_E_INVALID;
  lane* l = &s->lanes[lane_id];
  if (l->bytes > 0 && l->bytes + bytes > s->max_inflight_bytes) {
    l->wants_writable = true;
    return CHR_E_BUSY;
  }
  pending* p = Copy(lane_id, op, bytes);
  if (p == NULL) return CHR_E_NO_MEMORY;
  if (g != NULL && !g->failed && !ApplyToSubmitted(g, p)) {
    free(p);
    return CHR_E_NO_MEMORY;
  }
  if (g != NULL) ++g->in_flight;
  l->bytes += bytes;
  Enqueue(s, p);
  return CHR_PENDING;
}

chr_status Submit(void* self, uint32_t lane_id, const chr_log_op* ops, size_t count, size_t* accepted) {
  store* s = self;
  *accepted = 0;
  if (atomic_load(&s->poisoned)) return CHR_E_FATAL;
  chr_status status = CHR_PENDING;
  Lock(s);
  while (*accepted < count && status == CHR_PENDING) {
    status = SubmitOne(s, lane_id, &ops[*accepted]);
    *accepted += status == CHR_PENDING;
  }
  Unlock(s);
  if (status == CHR_E_NO_MEMORY) {
    Poison(s, "out of memory while taking an operation");
    return CHR_E_FATAL;
  }
  return status;
}
