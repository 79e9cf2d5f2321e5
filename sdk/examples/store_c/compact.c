// SPDX-License-Identifier: Apache-2.0
// Compaction: what is alive goes to a new file, which then replaces the journal. Appends wait meanwhile; that is the
// price of an example that fits in an hour's reading.
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "store.h"

enum { kEntriesInFrame = 64 };

void ReleaseFile(file* f) {
  if (--f->refs > 0) return;
  close(f->fd);
  free(f);
}

bool SyncDirectory(store* s) { return fsync(s->dir_fd) == 0; }

static uint64_t LiveBytes(const store* s) {
  uint64_t bytes = 0;
  for (size_t i = 0; i < s->group_count; ++i) {
    const group* g = s->groups[i];
    bytes += 512 + g->completed.bytes + g->completed.count * 64 + (g->has_checkpoint ? g->checkpoint.size : 0);
  }
  return bytes;
}

/* Appends `f`, whose slots' bytes come from the old file. Returns 0 or an errno. */
static int Move(store* s, journal* to, frame* f) {
  uint64_t bytes = 0;
  for (size_t i = 0; i < f->slot_count; ++i) bytes += f->slots[i].size;
  unsigned char* payload = malloc(bytes + 1);
  if (payload == NULL) return ENOMEM;
  unsigned char* at = payload;
  int error = 0;
  for (size_t i = 0; i < f->slot_count && error == 0; ++i) {
    if (ReadSlot(s->j.fd, &f->slots[i], at) != CHR_OK) error = EIO;
    at += f->slots[i].size;
  }
  /* As many bufs as slots: none belongs to two. */
  chr_buf bufs[kEntriesInFrame] = {{0}};
  at = payload;
  for (size_t i = 0; i < f->slot_count; at += f->slots[i].size, ++i) bufs[i] = (chr_buf){at, f->slots[i].size, NULL};
  f->bufs = bufs;
  f->buf_count = f->slot_count;
  if (error == 0) error = JournalAppend(to, f);
  f->bufs = NULL;
  free(payload);
  return error;
}

/* Writes one group. The new place of each entry goes to *places, that of the checkpoint to *checkpoint. */
static int MoveGroup(store* s, journal* to, const group* g, slot* places, slot* checkpoint) {
  const log* l = &g->completed;
  frame reset = {.opcode = CHR_LOG_RESET, .group = g->id, .has_state = true, .state = g->state};
  reset.index = l->first;
  reset.term = l->prev_term;
  reset.offset = l->first_offset;
  int error = JournalAppend(to, &reset);
  for (size_t done = 0; done < l->count && error == 0;) {
    const size_t left = l->count - done;
    frame append = {.opcode = CHR_LOG_APPEND, .group = g->id, .index = l->first + done, .slots = places + done};
    append.slot_count = 0;
    for (uint64_t bytes = 0; append.slot_count < left && append.slot_count < kEntriesInFrame && bytes < 1 << 20;) {
      places[done + append.slot_count] = l->slots[l->head + done + append.slot_count];
      bytes += places[done + append.slot_count++].size;
    }
    error = Move(s, to, &append);
    done += append.slot_count;
  }
  if (error != 0 || !g->has_checkpoint) return error;
  *checkpoint = g->checkpoint;
  frame blob = {.opcode = CHR_LOG_CHECKPOINT, .group = g->id, .slots = checkpoint, .slot_count = 1};
  return Move(s, to, &blob);
}

/* Writes all groups; places[i] and checkpoints[i] are those of group i. */
static int WriteAllGroups(store* s, journal* to, group** groups, size_t count, slot** places, slot* checkpoints) {
  int error = 0;
  for (size_t i = 0; i < count && error == 0; ++i) {
    places[i] = malloc((groups[i]->completed.count + 1) * sizeof(slot));
    error = places[i] == NULL ? ENOMEM : MoveGroup(s, to, groups[i], places[i], &checkpoints[i]);
  }
  if (error != 0) return error;
  to->durable = to->tail; /* true as soon as the file has its name */
  frame mark = {.opcode = FRAME_MARK};
  error = JournalAppend(to, &mark);
  return error != 0 ? error : JournalSync(to);
}

/* The new file is synced: gives it the name, and readers the new places. */
static void Switch(store* s, journal* to, file* f, group** groups, size_t count, slot** places, slot* checkpoints) {
  if (renameat(s->dir_fd, "journal.new", s->dir_fd, "journal") != 0 || !SyncDirectory(s)) {
    Poison(s, "the compacted journal could not take the place of the old one");
    return;
  }
  Lock(s);
  for (size_t i = 0; i < count; ++i) {
    log* l = &groups[i]->completed;
    if (l->count > 0) memcpy(l->slots + l->head, places[i], l->count * sizeof(slot));
    if (groups[i]->has_checkpoint) groups[i]->checkpoint = checkpoints[i];
  }
  ReleaseFile(s->journal_file);
  s->journal_file = f;
  ++f->refs;
  Unlock(s);
  s->j.fd = to->fd;
  s->j.tail = to->tail;
  s->j.durable = to->durable;
}

static void Compact(store* s, group** groups, size_t count) {
  slot** places = calloc(count + 1, sizeof(*places));
  slot* checkpoints = calloc(count + 1, sizeof(*checkpoints));
  file* f = calloc(1, sizeof(*f));
  journal to = {.fd = -1};
  if (places != NULL && checkpoints != NULL && f != NULL) {
    to.fd = openat(s->dir_fd, "journal.new", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  }
  if (to.fd >= 0) {
    *f = (file){to.fd, 1};
    if (WriteAllGroups(s, &to, groups, count, places, checkpoints) == 0) {
      Switch(s, &to, f, groups, count, places, checkpoints);
    } else {
      unlinkat(s->dir_fd, "journal.new", 0); /* the old journal is as it was; try again when it has grown */
    }
    Lock(s);
    ReleaseFile(f);
    Unlock(s);
  } else {
    free(f);
  }
  for (size_t i = 0; places != NULL && i < count; ++i) free(places[i]);
  free(places);
  free(checkpoints);
  free(to.scratch);
}

void CompactIfWorth(store* s) {
  if (s->j.tail < s->compacted + s->compact_bytes) return;
  Lock(s); /* groups may be added meanwhile, but have nothing in the journal; only this thread removes them */
  const bool worth = s->j.tail > 2 * LiveBytes(s);
  const size_t count = s->group_count;
  group** groups = worth ? malloc((count + 1) * sizeof(*groups)) : NULL;
  if (groups != NULL) memcpy(groups, s->groups, count * sizeof(*groups));
  Unlock(s);
  if (groups != NULL) Compact(s, groups, count);
  free(groups);
  s->compacted = s->j.tail;
}
