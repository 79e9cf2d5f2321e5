// SPDX-License-Identifier: Apache-2.0
// The table of groups, and the calls that need nothing of the journal's bytes.
#include <stdlib.h>
#include <string.h>

#include "store.h"

static size_t Position(const store* s, uint64_t id) {
  size_t low = 0;
  for (size_t high = s->group_count; low < high;) {
    const size_t middle = low + (high - low) / 2;
    if (s->groups[middle]->id < id) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

group* FindGroup(store* s, uint64_t id) {
  const size_t at = Position(s, id);
  return at < s->group_count && s->groups[at]->id == id ? s->groups[at] : NULL;
}

group* AddGroup(store* s, uint64_t id) {
  if (s->group_count == s->group_capacity) {
    const size_t capacity = 2 * s->group_capacity + 16;
    group** groups = realloc(s->groups, capacity * sizeof(*groups));
    if (groups == NULL) return NULL;
    s->groups = groups;
    s->group_capacity = capacity;
  }
  group* g = calloc(1, sizeof(*g));
  if (g == NULL) return NULL;
  g->id = id;
  LogInit(&g->submitted);
  LogInit(&g->completed);
  const size_t at = Position(s, id);
  memmove(s->groups + at + 1, s->groups + at, (s->group_count - at) * sizeof(*s->groups));
  s->groups[at] = g;
  ++s->group_count;
  return g;
}

void FreeGroup(group* g) {
  LogFree(&g->submitted);
  LogFree(&g->completed);
  free(g);
}

void RemoveGroup(store* s, group* g) {
  const size_t at = Position(s, g->id);
  memmove(s->groups + at, s->groups + at + 1, (s->group_count - at - 1) * sizeof(*s->groups));
  --s->group_count;
  FreeGroup(g);
}

chr_status ApplyToGroup(group* g, const frame* f) {
  if (f->has_state) g->state = f->state;
  switch (f->opcode) {
    case CHR_LOG_APPEND:
      if (f->slot_count > 0) LogAppend(&g->completed, f->index, f->slots, f->slot_count);
      return CHR_OK;
    case CHR_LOG_TRUNCATE_PREFIX: LogTruncatePrefix(&g->completed, f->index); return CHR_OK;
    case CHR_LOG_RESET: LogReset(&g->completed, f->index, f->term, f->offset); return CHR_OK;
    case CHR_LOG_CHECKPOINT:
      g->has_checkpoint = true;
      g->checkpoint = f->slots[0];
      return CHR_OK;
    default: return CHR_E_CORRUPT; /* written by a later version of this store */
  }
}

chr_status ListGroups(void* self, void (*each)(void* ctx, uint64_t id), void* ctx, chr_error* err) {
  store* s = self;
  if (atomic_load(&s->poisoned)) return Fail(err, CHR_E_FATAL, "the store is poisoned; its log says why");
  for (size_t i = 0; i < s->group_count; ++i) each(ctx, s->groups[i]->id); /* changed by [control] calls only */
  return CHR_OK;
}

static chr_status Open(store* s, uint64_t id, uint32_t lane_id, bool create, group** out, chr_error* err) {
  group* g = FindGroup(s, id);
  if (g == NULL && !create) return Fail(err, CHR_E_NOT_FOUND, "there is no such group");
  if (g != NULL && (g->open || g->dying)) return Fail(err, CHR_E_EXISTS, "the group is open, or being destroyed");
  if (g == NULL) g = AddGroup(s, id); /* in memory only: its first operation brings it to the disk */
  if (g == NULL || !LogCopy(&g->submitted, &g->completed)) return Fail(err, CHR_E_NO_MEMORY, "out of memory");
  g->open = true;
  g->lane = lane_id;
  *out = g;
  return CHR_OK;
}

chr_status OpenGroup(void* self, uint64_t id, uint32_t lane_id, int32_t create, chr_log_group** out,
                     chr_log_bounds* bounds, chr_error* err) {
  store* s = self;
  if (atomic_load(&s->poisoned)) return Fail(err, CHR_E_FATAL, "the store is poisoned; its log says why");
  if (id == 0 || lane_id >= kMaxLanes) return Fail(err, CHR_E_INVALID, "ids begin at 1, lanes end at 63");
  group* g = NULL;
  Lock(s);
  const chr_status status = Open(s, id, lane_id, create != 0, &g, err);
  Unlock(s);
  if (status < 0) return status;
  *out = (chr_log_group*)g;
  return Bounds(self, *out, bounds);
}

void CloseGroup(void* self, chr_log_group* raw) {
  store* s = self;
  Lock(s);
  ((group*)raw)->open = false;
  Unlock(s);
}

chr_status DestroyGroup(void* self, uint64_t id, chr_done done) {
  store* s = self;
  if (atomic_load(&s->poisoned)) return CHR_E_FATAL;
  pending* p = calloc(1, sizeof(*p));
  if (p == NULL) return CHR_E_NO_MEMORY;
  Lock(s);
  group* g = FindGroup(s, id);
  chr_status status = g == NULL ? CHR_OK : g->open || g->dying ? CHR_E_INVALID : CHR_PENDING;
  if (status == CHR_PENDING) {
    g->dying = true;
    g->in_flight = 1;
    p->g = g;
    p->done = done;
    p->f.opcode = FRAME_DESTROY;
    p->f.group = id;
    Enqueue(s, p);
  }
  Unlock(s);
  if (status != CHR_PENDING) free(p);
  return status;
}

chr_status Bounds(void* self, chr_log_group* raw, chr_log_bounds* out) {
  store* s = self;
  const group* g = (const group*)raw;
  if (atomic_load(&s->poisoned)) return CHR_E_FATAL;
  chr_log_bounds bounds = {0};
  Lock(s);
  LogBounds(&g->completed, &bounds);
  bounds.hard_state = g->state;
  Unlock(s);
  CopyOut(out, &bounds, sizeof(bounds));
  return CHR_OK;
}

chr_status Terms(void* self, chr_log_group* raw, chr_log_term* out, size_t cap, size_t* count) {
  store* s = self;
  if (atomic_load(&s->poisoned)) return CHR_E_FATAL;
  Lock(s);
  *count = LogTerms(&((const group*)raw)->completed, out, cap);
  Unlock(s);
  return CHR_OK;
}
