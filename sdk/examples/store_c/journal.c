// SPDX-License-Identifier: Apache-2.0
#include "journal.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "crc32c.h"

#define MAGIC 0x314A5343u /* "CSJ1" */
#define ALIGN 8u
#define IOV_STEP 64

/* As on disk; little-endian, like every machine that chronik runs on. */
typedef struct disk_frame {
  uint32_t magic;
  uint32_t crc;     /* of all that follows but the payloads */
  uint64_t at;      /* where this frame begins: bytes in another place are no frame */
  uint64_t durable; /* journal.durable when it was written */
  uint64_t size;    /* of the frame, with payloads and padding */
  uint64_t group;
  uint32_t opcode;
  uint32_t slot_count;
  uint64_t has_state;
  chr_hard_state state;
  uint64_t index;
  uint64_t term;
  int64_t offset;
} disk_frame;

typedef struct disk_slot {
  uint64_t term;
  int64_t base_offset;
  int64_t max_timestamp;
  uint32_t offset_count;
  uint32_t kind;
  uint32_t size;
  uint32_t crc;
} disk_slot;

_Static_assert(sizeof(disk_frame) == 104 && sizeof(disk_slot) == 40, "these are on disk");

static bool Scratch(journal* j, size_t size) {
  if (size <= j->scratch_size) return true;
  unsigned char* bytes = realloc(j->scratch, size);
  if (bytes == NULL) return false;
  j->scratch = bytes;
  j->scratch_size = size;
  return true;
}

static uint32_t HeadCrc(const void* head, size_t size) {
  return Crc32c(0, (const char*)head + offsetof(disk_frame, at), size - offsetof(disk_frame, at));
}

/* --- writing ----------------------------------------------------------------------------------------------------- */

static int WriteAll(int fd, struct iovec* iov, int count, uint64_t* at) {
  while (count > 0) {
    ssize_t written = pwritev(fd, iov, count, (off_t)*at);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return errno;
    *at += (uint64_t)written;
    for (; count > 0 && (size_t)written >= iov->iov_len; ++iov, --count) written -= (ssize_t)iov->iov_len;
    if (count > 0) {
      iov->iov_base = (char*)iov->iov_base + written;
      iov->iov_len -= (size_t)written;
    }
  }
  return 0;
}

/* Writes the head in `scratch`, the payloads and the padding. */
static int WriteFrame(journal* j, const frame* f, size_t head_size, uint64_t end) {
  static const char padding[ALIGN] = {0};
  struct iovec iov[IOV_STEP];
  uint64_t at = j->tail;
  int count = 0;
  iov[count++] = (struct iovec){j->scratch, head_size};
  for (size_t i = 0; i < f->buf_count; ++i) {
    if (count == IOV_STEP) {
      const int error = WriteAll(j->fd, iov, count, &at);
      if (error != 0) return error;
      count = 0;
    }
    union {
      const void* from;
      void* to;
    } bytes = {f->bufs[i].data}; /* iovec is used for reading as well, so it takes no const */
    iov[count++] = (struct iovec){bytes.to, f->bufs[i].size};
  }
  int error = WriteAll(j->fd, iov, count, &at);
  if (error != 0 || at == end) return error;
  union {
    const void* from;
    void* to;
  } zeros = {padding};
  iov[0] = (struct iovec){zeros.to, end - at};
  return WriteAll(j->fd, iov, 1, &at);
}

int JournalAppend(journal* j, frame* f) {
  const size_t head_size = sizeof(disk_frame) + f->slot_count * sizeof(disk_slot);
  if (!Scratch(j, head_size)) return ENOMEM;
  uint64_t at = j->tail + head_size;
  size_t buf = 0;
  for (size_t i = 0; i < f->slot_count; ++i) {
    slot* s = &f->slots[i];
    s->at = at;
    s->crc = 0;
    for (uint64_t left = s->size; left > 0; left -= f->bufs[buf++].size) {
      s->crc = Crc32c(s->crc, f->bufs[buf].data, f->bufs[buf].size);
    }
    const disk_slot row = {s->term, s->base_offset, s->max_timestamp, s->offset_count, s->kind, s->size, s->crc};
    memcpy(j->scratch + sizeof(disk_frame) + i * sizeof(row), &row, sizeof(row));
    at += s->size;
  }
  const uint64_t end = (at + ALIGN - 1) / ALIGN * ALIGN;
  disk_frame head = {.magic = MAGIC, .at = j->tail, .durable = j->durable, .size = end - j->tail, .group = f->group};
  head.opcode = f->opcode;
  head.slot_count = (uint32_t)f->slot_count;
  head.has_state = f->has_state;
  head.state = f->state;
  head.index = f->index;
  head.term = f->term;
  head.offset = f->offset;
  memcpy(j->scratch, &head, sizeof(head));
  head.crc = HeadCrc(j->scratch, head_size);
  memcpy(j->scratch, &head, sizeof(head));
  const int error = WriteFrame(j, f, head_size, end);
  if (error != 0) return ftruncate(j->fd, (off_t)j->tail) == 0 ? error : EIO;
  j->tail = end;
  return 0;
}

int JournalSync(journal* j) {
  if (fdatasync(j->fd) != 0) return errno;
  j->durable = j->tail;
  return 0;
}

/* --- reading ------------------------------------------------------------------------------------------------------ */

/* 1: all of it; 0: the file ends before; -1: errno. */
static int ReadAll(int fd, void* to, size_t size, uint64_t at) {
  for (size_t done = 0; done < size;) {
    const ssize_t got = pread(fd, (char*)to + done, size - done, (off_t)(at + done));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return (int)got;
    done += (size_t)got;
  }
  return 1;
}

chr_status ReadSlot(int fd, const slot* s, void* to) {
  const int got = ReadAll(fd, to, s->size, s->at);
  if (got < 0) return CHR_E_IO;
  return got == 1 && Crc32c(0, to, s->size) == s->crc ? CHR_OK : CHR_E_CORRUPT;
}

/* Reads the head at `at` into `scratch`. 1: it is one; 0: it is not; < 0: a chr_status. */
static int ReadHead(journal* j, uint64_t at, uint64_t file_size) {
  disk_frame head;
  if (file_size - at < sizeof(head)) return 0;
  if (ReadAll(j->fd, &head, sizeof(head), at) < 0) return CHR_E_IO;
  const uint64_t size = sizeof(head) + head.slot_count * (uint64_t)sizeof(disk_slot);
  if (head.magic != MAGIC || head.at != at || size > file_size - at || head.size > file_size - at) return 0;
  if (!Scratch(j, size)) return CHR_E_NO_MEMORY;
  if (ReadAll(j->fd, j->scratch, size, at) < 0) return CHR_E_IO;
  return HeadCrc(j->scratch, size) == head.crc;
}

/* Turns `scratch` into a frame whose slots are `*slots`, and checks every payload. As ReadHead. */
static int ReadFrame(journal* j, uint64_t at, uint64_t file_size, frame* f, slot** slots) {
  const int is_head = ReadHead(j, at, file_size);
  if (is_head != 1) return is_head;
  disk_frame head;
  memcpy(&head, j->scratch, sizeof(head));
  *f =
      (frame){head.opcode, head.group, head.has_state != 0, head.state, head.index, head.term, head.offset, 0, 0, 0, 0};
  f->slot_count = head.slot_count;
  slot* grown = realloc(*slots, (head.slot_count + 1) * sizeof(slot));
  if (grown == NULL) return CHR_E_NO_MEMORY;
  f->slots = *slots = grown;
  uint64_t payload = at + sizeof(head) + head.slot_count * sizeof(disk_slot);
  for (size_t i = 0; i < f->slot_count; ++i) {
    disk_slot row;
    memcpy(&row, j->scratch + sizeof(head) + i * sizeof(row), sizeof(row));
    grown[i] =
        (slot){row.term, row.base_offset, row.max_timestamp, payload, row.offset_count, row.kind, row.size, row.crc};
    payload += row.size;
  }
  for (size_t i = 0; i < f->slot_count; ++i) {
    if (!Scratch(j, f->slots[i].size)) return CHR_E_NO_MEMORY;
    const chr_status status = ReadSlot(j->fd, &f->slots[i], j->scratch);
    if (status != CHR_OK) return status == CHR_E_CORRUPT ? 0 : status;
  }
  j->tail = at + head.size;
  return 1;
}

/* A bad frame at `bad` is a torn write unless a later frame says that it had been synced. The frames of one commit
 * reach the disk in any order, so that a later frame alone proves nothing. */
static int IsDamage(journal* j, uint64_t bad, uint64_t file_size) {
  unsigned char chunk[1 << 16];
  for (uint64_t at = bad + ALIGN; at + sizeof(disk_frame) <= file_size;) {
    const size_t size = file_size - at < sizeof(chunk) ? (size_t)(file_size - at) : sizeof(chunk);
    if (ReadAll(j->fd, chunk, size, at) < 0) return CHR_E_IO;
    for (size_t i = 0; i + sizeof(uint32_t) <= size; i += ALIGN, at += ALIGN) {
      uint32_t magic;
      memcpy(&magic, chunk + i, sizeof(magic));
      if (magic != MAGIC) continue;
      const int is_head = ReadHead(j, at, file_size);
      if (is_head < 0) return is_head;
      disk_frame head;
      if (is_head == 0) continue;
      memcpy(&head, j->scratch, sizeof(head));
      if (head.durable > bad) return 1;
    }
  }
  return 0;
}

chr_status JournalReplay(journal* j, chr_status (*apply)(void* ctx, const frame* f), void* ctx, uint64_t* at) {
  struct stat st;
  if (fstat(j->fd, &st) != 0) return CHR_E_IO;
  const uint64_t file_size = (uint64_t)st.st_size;
  slot* slots = NULL;
  chr_status status = CHR_OK;
  int got = 1;
  j->tail = 0;
  while (status == CHR_OK && j->tail < file_size && got == 1) {
    frame f;
    *at = j->tail;
    got = ReadFrame(j, j->tail, file_size, &f, &slots);
    if (got == 1) status = apply(ctx, &f);
  }
  free(slots);
  if (got == 0) {
    got = IsDamage(j, j->tail, file_size);
    if (got == 0 && ftruncate(j->fd, (off_t)j->tail) != 0) return CHR_E_IO;
    if (got == 1) return CHR_E_CORRUPT;
  }
  return got < 0 ? got : status;
}
