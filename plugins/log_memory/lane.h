// SPDX-License-Identifier: Apache-2.0
// What a lane holds: its queue, and the groups that are open on it.
#pragma once

#include <deque>
#include <mutex>
#include <optional>
#include <vector>

#include "plugins/log_memory/memory_store.h"

namespace chronik_log_memory {

inline constexpr uint32_t kMaxLanes = 64;
inline constexpr uint64_t kMaxCheckpointBytes = 16 << 20;
// What an entry costs besides its payload: its header in both outlines, and the reference to its bytes.
inline constexpr uint64_t kEntryOverheadBytes = 2 * sizeof(chr_log_entry) + sizeof(sdk::Buffer);
inline constexpr uint64_t kOpOverheadBytes = 256;  // an operation in the queue

struct MemoryStore::Group {
  uint64_t id = 0;
  Lane* lane = nullptr;              // NULL: closed
  sdk::LogOutline submitted;         // what new operations are checked against
  sdk::LogOutline applied;           // what readers see
  std::deque<sdk::Buffer> payloads;  // of `applied`
  chr_hard_state hard_state{};
  std::optional<sdk::Buffer> checkpoint;
  uint64_t payload_bytes = 0;
  size_t in_flight = 0;
  bool failed = false;  // until nothing is in flight, whatever arrives is cancelled

  uint64_t StoredBytes() const;
  // Carries out a checked operation. Returns the bytes that it freed; what they held goes to `dropped`.
  uint64_t Change(const PendingOp& op, std::vector<sdk::Buffer> bytes, std::vector<sdk::Buffer>& dropped);
};

// A chr_log_op whose arrays are gone; the bytes stay valid until its completion.
struct MemoryStore::PendingOp {
  uint32_t opcode;
  Group* group;
  uint64_t tag;
  std::vector<chr_log_entry> entries;
  std::vector<chr_buf> bufs;  // of all entries, one after the other; or the checkpoint
  std::optional<chr_hard_state> hard_state;
  uint64_t index;
  uint64_t term;
  int64_t offset;
  uint64_t stored_bytes;  // what it adds to used_bytes_
  uint64_t cost_bytes;    // what it adds to inflight_bytes
};

struct MemoryStore::Lane {
  explicit Lane(uint32_t number) : id(number) {}
  const uint32_t id;
  std::mutex mutex;
  std::deque<PendingOp> queue;
  uint64_t inflight_bytes = 0;
  bool draining = false;
  bool wants_writable = false;
};

}  // namespace chronik_log_memory
