// SPDX-License-Identifier: Apache-2.0
// Reads: a call on the hot path only looks up where the entries are; a task of the host's fetches and checks the bytes.
#include <stdlib.h>
#include <string.h>

#include "store.h"

/* Entries, views and bytes of one answer in one block, freed with the last reference. */
typedef struct block {
  chr_owner owner;
  atomic_size_t refs;
} block;

static void RetainBlock(chr_owner* self) { atomic_fetch_add(&((block*)self)->refs, 1); }
static void ReleaseBlock(chr_owner* self) {
  if (atomic_fetch_sub(&((block*)self)->refs, 1) == 1) free(self);
}

static block* MakeBlock(size_t size) {
  block* b = malloc(sizeof(*b) + size);
  if (b == NULL) return NULL;
  b->owner = (chr_owner){RetainBlock, ReleaseBlock};
  atomic_init(&b->refs, 1);
  return b;
}

typedef struct reading {
  store* s;
  file* f;
  uint32_t lane;
  uint64_t tag;
  uint64_t first; /* index of slots[0] */
  size_t count;
  uint64_t bytes;
  slot slots[];
} reading;

static chr_status Fetch(const reading* r, chr_log_slice* out) {
  block* b = MakeBlock(r->count * (sizeof(chr_log_entry) + sizeof(chr_buf)) + r->bytes);
  if (b == NULL) return CHR_E_NO_MEMORY;
  chr_log_entry* entries = (chr_log_entry*)(b + 1);
  chr_buf* bufs = (chr_buf*)(entries + r->count);
  unsigned char* bytes = (unsigned char*)(bufs + r->count);
  for (size_t i = 0; i < r->count; ++i) {
    const slot* e = &r->slots[i];
    const chr_status status = ReadSlot(r->f->fd, e, bytes);
    if (status != CHR_OK) {
      ReleaseBlock(&b->owner);
      return status;
    }
    bufs[i] = (chr_buf){bytes, e->size, &b->owner};
    entries[i] = (chr_log_entry){
        r->first + i, e->term, e->base_offset, e->max_timestamp, e->offset_count, e->kind, 1, 0, &bufs[i]};
    bytes += e->size;
  }
  *out = (chr_log_slice){entries, r->count, &b->owner};
  return CHR_OK;
}

static void FetchTask(void* arg) {
  reading* r = arg;
  store* s = r->s;
  chr_log_slice slice = {NULL, 0, NULL};
  const chr_status status = Fetch(r, &slice);
  const char* text = status == CHR_OK ? "" : "the journal's bytes could not be read, or fail their checksum";
  const chr_str why = {text, strlen(text)};
  s->sink.on_read(s->sink.ctx, r->lane, r->tag, status, slice, why);
  Lock(s);
  ReleaseFile(r->f);
  --s->reads;
  pthread_cond_signal(&s->quiet);
  Unlock(s);
  free(r);
}

/* What the answer holds, under the mutex. CHR_OK with *out == NULL: nothing matches. */
static chr_status Plan(store* s, const group* g, const chr_log_read* what, reading** out) {
  const log* l = &g->completed;
  uint64_t start = 0;
  const chr_status status = LogFind(l, what, &start);
  if (status < 0 || start >= what->end_index) return status;
  uint64_t bytes = 0;
  size_t count = 0;
  for (uint64_t index = start; index < what->end_index; ++index, ++count) {
    const uint64_t size = LogAt(l, index)->size;
    const bool full = bytes + size > what->max_bytes || (what->max_entries != 0 && count == what->max_entries);
    if (full && count > 0) break;
    bytes += size;
  }
  reading* r = malloc(sizeof(*r) + count * sizeof(slot));
  if (r == NULL) return CHR_E_NO_MEMORY;
  *r = (reading){s, s->journal_file, g->lane, what->tag, start, count, bytes};
  memcpy(r->slots, LogAt(l, start), count * sizeof(slot));
  ++s->journal_file->refs;
  ++s->reads;
  *out = r;
  return CHR_OK;
}

chr_status Read(void* self, chr_log_group* raw, const chr_log_read* theirs, chr_log_slice* out) {
  store* s = self;
  *out = (chr_log_slice){NULL, 0, NULL};
  if (atomic_load(&s->poisoned)) return CHR_E_FATAL;
  chr_log_read what = {0};
  memcpy(&what, theirs, theirs->struct_size < sizeof(what) ? theirs->struct_size : sizeof(what));
  reading* r = NULL;
  Lock(s);
  const chr_status status = Plan(s, (const group*)raw, &what, &r);
  Unlock(s);
  if (r == NULL) return status;
  if (s->task->post_blocking(s->host, FetchTask, r) == CHR_OK) return CHR_PENDING;
  Lock(s);
  ReleaseFile(r->f);
  --s->reads;
  Unlock(s);
  free(r);
  return CHR_E_INTERNAL;
}

chr_status Checkpoint(void* self, chr_log_group* raw, chr_buf* out, chr_error* err) {
  store* s = self;
  const group* g = (const group*)raw;
  if (atomic_load(&s->poisoned)) return Fail(err, CHR_E_FATAL, "the store is poisoned; its log says why");
  Lock(s);
  const bool there = g->has_checkpoint;
  const slot where = g->checkpoint;
  file* f = s->journal_file;
  ++f->refs;
  Unlock(s);
  block* b = there ? MakeBlock(where.size) : NULL;
  chr_status status = !there ? CHR_E_NOT_FOUND : b == NULL ? CHR_E_NO_MEMORY : ReadSlot(f->fd, &where, b + 1);
  Lock(s);
  ReleaseFile(f);
  Unlock(s);
  if (status == CHR_OK) {
    *out = (chr_buf){b + 1, where.size, &b->owner};
    return CHR_OK;
  }
  if (b != NULL) ReleaseBlock(&b->owner);
  return Fail(err, status, there ? "the checkpoint cannot be read" : "there is no checkpoint");
}
