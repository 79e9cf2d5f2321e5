// SPDX-License-Identifier: Apache-2.0
// One log without its bytes: where each entry's payload is, and the rules that an operation must keep. A group has two:
// of what was submitted, which new operations are checked against, and of what has completed, which is read.
#ifndef STORE_C_LOG_H
#define STORE_C_LOG_H

#include <chronik/log_store.h>
#include <stdbool.h>

/* An entry, or a checkpoint's bytes. `at`: where the payload begins in the journal. */
typedef struct slot {
  uint64_t term;
  int64_t base_offset;
  int64_t max_timestamp;
  uint64_t at;
  uint32_t offset_count;
  uint32_t kind;
  uint32_t size;
  uint32_t crc;
} slot;

typedef struct log {
  uint64_t first; /* index of the first entry */
  uint64_t prev_term;
  int64_t first_offset;
  uint64_t bytes; /* of all payloads */
  slot* slots;    /* slots[head] is entry `first` */
  size_t head, count, capacity;
} log;

void LogInit(log* l);
void LogFree(log* l);
uint64_t LogEnd(const log* l); /* last index + 1 */
slot* LogAt(const log* l, uint64_t index);
uint64_t LogTermBefore(const log* l, uint64_t index);
int64_t LogOffsetAt(const log* l, uint64_t index); /* where the entry begins, or would begin */

/* Whether the operation keeps the rules of chr_log_op. */
bool LogAllows(const log* l, const chr_log_op* op);

/* Room for `more` entries; false: out of memory, nothing changed. Nothing below can fail. */
bool LogReserve(log* l, size_t more);
bool LogCopy(log* to, const log* from);
void LogAppend(log* l, uint64_t index, const slot* slots, size_t count); /* drops the old suffix */
void LogTruncatePrefix(log* l, uint64_t index);
void LogReset(log* l, uint64_t index, uint64_t prev_term, int64_t next_offset);

/* Where a read begins; CHR_E_RANGE, CHR_E_INVALID. *start >= what->end_index: nothing matches. */
chr_status LogFind(const log* l, const chr_log_read* what, uint64_t* start);
size_t LogTerms(const log* l, chr_log_term* out, size_t cap);
void LogBounds(const log* l, chr_log_bounds* out);

#endif
