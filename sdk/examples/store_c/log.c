// SPDX-License-Identifier: Apache-2.0
#include "log.h"

#include <stdlib.h>
#include <string.h>

void LogInit(log* l) {
  memset(l, 0, sizeof(*l));
  l->first = 1;
}

void LogFree(log* l) { free(l->slots); }

uint64_t LogEnd(const log* l) { return l->first + l->count; }

slot* LogAt(const log* l, uint64_t index) { return &l->slots[l->head + (index - l->first)]; }

uint64_t LogTermBefore(const log* l, uint64_t index) {
  return index == l->first ? l->prev_term : LogAt(l, index - 1)->term;
}

int64_t LogOffsetAt(const log* l, uint64_t index) {
  if (index == l->first) return l->first_offset;
  const slot* before = LogAt(l, index - 1);
  return before->base_offset + before->offset_count;
}

static bool AllowsAppend(const log* l, const chr_log_op* op) {
  if (op->entry_count == 0) return op->hard_state != NULL;
  uint64_t index = op->entries[0].index;
  if (index < l->first || index > LogEnd(l)) return false;
  uint64_t term = LogTermBefore(l, index);
  int64_t offset = LogOffsetAt(l, index);
  for (uint64_t i = 0; i < op->entry_count; ++i) {
    const chr_log_entry* entry = &op->entries[i];
    if (entry->index != index + i || entry->term < term || entry->base_offset != offset) return false;
    term = entry->term;
    offset += entry->offset_count;
  }
  return true;
}

bool LogAllows(const log* l, const chr_log_op* op) {
  switch (op->opcode) {
    case CHR_LOG_APPEND: return AllowsAppend(l, op);
    case CHR_LOG_TRUNCATE_PREFIX: return op->index <= LogEnd(l);
    case CHR_LOG_RESET: return op->index > 0 && op->offset >= 0;
    case CHR_LOG_CHECKPOINT: return true;
    default: return false;
  }
}

bool LogReserve(log* l, size_t more) {
  if (l->head + l->count + more <= l->capacity) return true;
  if (l->head > l->count) { /* half of it is free in front */
    memmove(l->slots, l->slots + l->head, l->count * sizeof(slot));
    l->head = 0;
    if (l->count + more <= l->capacity) return true;
  }
  const size_t capacity = 2 * l->capacity + more + 16;
  slot* slots = realloc(l->slots, capacity * sizeof(slot));
  if (slots == NULL) return false;
  l->slots = slots;
  l->capacity = capacity;
  return true;
}

bool LogCopy(log* to, const log* from) {
  to->head = to->count = 0;
  if (!LogReserve(to, from->count)) return false;
  to->first = from->first;
  to->prev_term = from->prev_term;
  to->first_offset = from->first_offset;
  to->bytes = from->bytes;
  to->count = from->count;
  if (from->count > 0) memcpy(to->slots, from->slots + from->head, from->count * sizeof(slot));
  return true;
}

void LogAppend(log* l, uint64_t index, const slot* slots, size_t count) {
  for (; LogEnd(l) > index; --l->count) l->bytes -= LogAt(l, LogEnd(l) - 1)->size;
  for (size_t i = 0; i < count; ++i) {
    l->slots[l->head + l->count++] = slots[i];
    l->bytes += slots[i].size;
  }
}

void LogTruncatePrefix(log* l, uint64_t index) {
  if (index <= l->first) return;
  const uint64_t prev_term = LogTermBefore(l, index);
  const int64_t first_offset = LogOffsetAt(l, index);
  for (; l->first < index; ++l->first, ++l->head, --l->count) l->bytes -= l->slots[l->head].size;
  l->prev_term = prev_term;
  l->first_offset = first_offset;
}

void LogReset(log* l, uint64_t index, uint64_t prev_term, int64_t next_offset) {
  l->head = l->count = 0;
  l->bytes = 0;
  l->first = index;
  l->prev_term = prev_term;
  l->first_offset = next_offset;
}

/* Does a read that is not by index begin here? */
static bool Matches(const slot* entry, const chr_log_read* what) {
  if (entry->offset_count == 0) return false;
  if (what->by == CHR_LOG_BY_OFFSET) return entry->base_offset + entry->offset_count > what->key;
  return entry->max_timestamp >= what->key;
}

/* Scans: a store for large logs keeps an index of offsets and timestamps. */
chr_status LogFind(const log* l, const chr_log_read* what, uint64_t* start) {
  if (what->by > CHR_LOG_BY_MAX_TIMESTAMP || what->end_index > LogEnd(l)) return CHR_E_INVALID;
  if (what->by == CHR_LOG_BY_INDEX) {
    *start = (uint64_t)what->key;
    return *start < l->first || *start > LogEnd(l) ? CHR_E_RANGE : CHR_OK;
  }
  if (what->by == CHR_LOG_BY_OFFSET && what->key < l->first_offset) return CHR_E_RANGE;
  *start = UINT64_MAX;
  for (uint64_t index = l->first; index < what->end_index; ++index) {
    const slot* entry = LogAt(l, index);
    if (what->by == CHR_LOG_BY_MAX_TIMESTAMP) {
      const bool later = *start == UINT64_MAX || entry->max_timestamp > LogAt(l, *start)->max_timestamp;
      if (entry->offset_count > 0 && later) *start = index;
    } else if (Matches(entry, what)) {
      *start = index;
      break;
    }
  }
  return CHR_OK;
}

size_t LogTerms(const log* l, chr_log_term* out, size_t cap) {
  size_t count = 0;
  uint64_t term = 0;
  for (uint64_t index = l->first; index < LogEnd(l); ++index) {
    const slot* entry = LogAt(l, index);
    if (count > 0 && entry->term == term) continue;
    term = entry->term;
    if (count < cap) out[count] = (chr_log_term){term, index, entry->base_offset};
    ++count;
  }
  return count;
}

void LogBounds(const log* l, chr_log_bounds* out) {
  out->first_index = l->first;
  out->last_index = LogEnd(l) - 1;
  out->prev_term = l->prev_term;
  out->last_term = LogTermBefore(l, LogEnd(l));
  out->first_offset = l->first_offset;
  out->next_offset = LogOffsetAt(l, LogEnd(l));
  out->bytes = l->bytes;
}
