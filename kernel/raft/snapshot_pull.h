// SPDX-License-Identifier: Apache-2.0
// Pulling a snapshot in chunks, so that flow control is the reader's (KIP-630): which bytes to ask whom for next, and
// what to do with those that come. Bookkeeping only, pure like the core; the driver has the file and the connection.
//
//   Output::pull_snapshot  -> Offer            (kStartOver: empty the file)
//   Next                   -> send FetchSnapshot to its `to`, if there is one
//   SnapshotChunk arrives  -> OnChunk          (kWrite: write its bytes at its position; kComplete: that, then check
//                                               and fsync the file, then SnapshotReady{offer()})
//   Tick                   -> Tick             (an answer that is overdue is asked for again)
#pragma once

#include <cstdint>
#include <optional>

#include "kernel/raft/message.h"

namespace chronik::raft {

struct FetchSnapshot {
  ReplicaId to;
  EntryId last;  // which snapshot
  uint64_t position = 0;
  uint32_t max_bytes = 0;
  friend bool operator==(const FetchSnapshot&, const FetchSnapshot&) = default;
};

// `bytes` of them at `position`; they travel beside it. gone: the sender does not have that snapshot any more.
struct SnapshotChunk {
  EntryId last;
  uint64_t position = 0;
  uint32_t bytes = 0;
  uint64_t total = 0;  // size of the snapshot
  bool gone = false;
};

class SnapshotPull {
 public:
  enum class Action : uint8_t { kNothing, kStartOver, kWrite, kComplete };

  SnapshotPull(uint32_t max_chunk_bytes, uint32_t retry_ticks)
      : max_chunk_bytes_(max_chunk_bytes), retry_ticks_(retry_ticks) {}

  // A repetition changes nothing. Another sender or another snapshot begins anew, unless it is an older one: two nodes
  // need not hold the same bytes for the same entry.
  Action Offer(const Message& message);
  // One question at a time.
  std::optional<FetchSnapshot> Next();
  // Only the answer to the open question counts. One that makes no sense, or `gone`, ends the pull; the leader's next
  // offer begins another.
  Action OnChunk(ReplicaId from, const SnapshotChunk& chunk);
  void Tick(uint32_t count);
  void Abandon() { *this = SnapshotPull(max_chunk_bytes_, retry_ticks_); }

  bool active() const { return from_ != ReplicaId{}; }
  uint64_t position() const { return position_; }
  const InstallSnapshot& offer() const { return offer_; }

 private:
  uint32_t max_chunk_bytes_;
  uint32_t retry_ticks_;
  ReplicaId from_;  // 0: nothing is pulled
  Term term_;       // of the offer
  InstallSnapshot offer_;
  uint64_t position_ = 0;
  uint64_t total_ = 0;  // as of the first chunk
  bool asked_ = false;
  uint32_t waited_ = 0;
};

}  // namespace chronik::raft
