// SPDX-License-Identifier: Apache-2.0
// The file: frames one after the other, each with checksums, written by one thread. README.md has the format.
#ifndef STORE_C_JOURNAL_H
#define STORE_C_JOURNAL_H

#include "log.h"

#define FRAME_DESTROY 100u /* opcodes beside CHR_LOG_* */
#define FRAME_MARK 101u    /* says only how far the file is on disk */

/* What one frame says. Writing fills in `at` and `crc` of the slots; a checkpoint has one slot for its bytes. */
typedef struct frame {
  uint32_t opcode;
  uint64_t group;
  bool has_state;
  chr_hard_state state;
  uint64_t index; /* of the first entry; of TRUNCATE_PREFIX and RESET */
  uint64_t term;
  int64_t offset;
  slot* slots;
  size_t slot_count;
  const chr_buf* bufs; /* the payloads of all slots; no buf belongs to two */
  size_t buf_count;
} frame;

typedef struct journal {
  int fd;
  uint64_t tail;    /* where the next frame goes */
  uint64_t durable; /* what lies below has been synced */
  unsigned char* scratch;
  size_t scratch_size;
} journal;

/* All return 0 or an errno. */
int JournalAppend(journal* j, frame* f); /* after a failure the file is as before, or EIO: it is not to be used again */
int JournalSync(journal* j);

/* Reads everything from the beginning and calls `apply` for each frame. A torn write at the end is cut off.
 * CHR_E_CORRUPT: something in front of what had been synced does not fit its checksum. *at: where. */
chr_status JournalReplay(journal* j, chr_status (*apply)(void* ctx, const frame* f), void* ctx, uint64_t* at);

/* The bytes of a slot, checked. CHR_OK, CHR_E_IO, CHR_E_CORRUPT. */
chr_status ReadSlot(int fd, const slot* s, void* to);

#endif
