/* SPDX-License-Identifier: Apache-2.0
 * chronik/abi.h - base types of the chronik plugin ABI: status codes, strings, errors, shared buffers, completions.
 *
 * C11, also valid C++17 and later. 64-bit little-endian Linux only. Words used in every header below:
 *   [control]   calls of one instance never overlap; may block for seconds; never on a shard thread
 *   [io]        hot path: must not block on I/O, nor on a lock that is held during I/O
 *   [any]       may be called from any thread at any time between create and destroy
 *   [main]      called once while loading, before any instance exists
 *   frozen      the struct never grows within a major version (it travels in arrays or by value)
 * A struct that starts with `struct_size` grows at its end only; its writer sets the size it was compiled with, and the
 * reader copies min(theirs, mine) bytes into a zeroed struct of its own, so that an unknown slot reads as NULL.
 * A struct that the caller allocates and the callee fills in: the callee writes no byte beyond the caller's
 * struct_size. */
#ifndef CHRONIK_ABI_H
#define CHRONIK_ABI_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
#define CHR_C_BEGIN extern "C" {
#define CHR_C_END }
#define CHR_NX noexcept /* part of the pointer type: a function that may throw does not compile into a slot */
#else
#define CHR_C_BEGIN
#define CHR_C_END
#define CHR_NX
#endif

#define CHR_EXPORT __attribute__((visibility("default")))

/* The loader protocol; also the suffix of the entry symbol. */
#define CHR_ABI_EPOCH 1u

/* Slots and fields of a later minor version n stand in `#if CHR_TARGET_MINOR >= n`. Only the checks of the ABI itself look
 * back (interfaces/frozen); everybody else compiles with the newest. */
#ifndef CHR_TARGET_MINOR
#define CHR_TARGET_MINOR 0
#endif

/* Is `field` present and non-null in the table `p` that the other side gave us? */
#define CHR_HAS(T, p, field) ((p)->struct_size >= offsetof(T, field) + sizeof((p)->field) && (p)->field)

CHR_C_BEGIN

/* 0 done, > 0 done with a nuance, < 0 failed. An unknown negative value reads as CHR_E_INTERNAL. */
typedef int32_t chr_status;
#define CHR_OK 0
#define CHR_PENDING 1    /* accepted: the completion is delivered exactly once, later, never from inside the call */
#define CHR_E_INVALID -1 /* the caller broke the contract; the message says how */
#define CHR_E_NOT_FOUND -2
#define CHR_E_EXISTS -3
#define CHR_E_BUSY -4    /* back-pressure: nothing was done, wait for on_writable */
#define CHR_E_RANGE -5   /* below the first index, or past the end */
#define CHR_E_CORRUPT -6 /* stored bytes fail their checksum; nothing was cut */
#define CHR_E_IO -7
#define CHR_E_NO_SPACE -8 /* the disk or quota is full; reads go on, and the call may succeed later */
#define CHR_E_TIMEOUT -9
#define CHR_E_CANCELLED -10 /* an earlier operation of the same group failed, or the instance stops */
#define CHR_E_UNSUPPORTED -11
#define CHR_E_CLOSED -12
#define CHR_E_DENIED -13
#define CHR_E_NO_MEMORY -14
#define CHR_E_CONFIG -15
#define CHR_E_INTERNAL -16 /* what the exception firewall reports */
#define CHR_E_FATAL -17    /* the instance is poisoned (a failed fsync): every later call returns this */

/* UTF-8, not NUL-terminated; borrowed for the scope of the call unless stated. frozen */
typedef struct chr_str {
  const char* data;
  size_t size;
} chr_str;

/* Allocated by the caller with struct_size set, filled in by the callee. */
typedef struct chr_error {
  uint32_t struct_size;
  chr_status code;
  int32_t os_errno;  /* 0 where there is none */
  uint32_t flags;    /* CHR_ERR_* */
  char message[232]; /* NUL-terminated, truncated, one line, says what to do */
} chr_error;
#define CHR_ERR_RETRYABLE 1u

/* The owner of reference-counted memory; whoever allocated it supplies both functions. [any] frozen */
typedef struct chr_owner chr_owner;
struct chr_owner {
  void (*retain)(chr_owner* self) CHR_NX;
  void (*release)(chr_owner* self) CHR_NX;
};

/* A borrowed view of bytes. owner == NULL: valid for the stated scope only, copy to keep. Otherwise whoever wants to
 * keep the bytes longer than the stated scope retains the owner and releases it later. frozen */
typedef struct chr_buf {
  const void* data;
  size_t size;
  chr_owner* owner;
} chr_buf;

/* A one-shot completion. `message` is valid during the call only. frozen */
typedef struct chr_done {
  void (*fn)(void* ctx, uint64_t tag, chr_status status, chr_str message) CHR_NX;
  void* ctx;
  uint64_t tag;
} chr_done;

CHR_C_END
#endif
