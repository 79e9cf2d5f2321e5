// SPDX-License-Identifier: Apache-2.0
#include "kernel/raft/snapshot_pull.h"

#include <algorithm>

namespace chronik::raft {

SnapshotPull::Action SnapshotPull::Offer(const Message& message) {
  const auto* offer = std::get_if<InstallSnapshot>(&message.body);
  if (offer == nullptr) return Action::kNothing;
  if (active()) {
    const bool same = message.from == from_ && offer->last == offer_.last;
    const bool older = message.term < term_ || (message.term == term_ && offer->last.index < offer_.last.index);
    if (same || older) return Action::kNothing;
  }
  Abandon();
  from_ = message.from;
  term_ = message.term;
  offer_ = *offer;
  return Action::kStartOver;
}

std::optional<FetchSnapshot> SnapshotPull::Next() {
  if (!active() || asked_) return std::nullopt;
  asked_ = true;
  waited_ = 0;
  return FetchSnapshot{from_, offer_.last, position_, max_chunk_bytes_};
}

SnapshotPull::Action SnapshotPull::OnChunk(ReplicaId from, const SnapshotChunk& chunk) {
  if (!active() || from != from_ || chunk.last != offer_.last) return Action::kNothing;
  const bool sound = !chunk.gone && chunk.bytes > 0 && chunk.bytes <= max_chunk_bytes_ &&
                     chunk.position <= chunk.total && chunk.bytes <= chunk.total - chunk.position &&
                     (position_ == 0 || chunk.total == total_);
  if (!sound) {
    Abandon();
    return Action::kNothing;
  }
  if (chunk.position != position_) return Action::kNothing;  // to a question that was asked twice
  position_ += chunk.bytes;
  total_ = chunk.total;
  asked_ = false;
  if (position_ < total_) return Action::kWrite;
  from_ = ReplicaId{};  // offer() stays for SnapshotReady
  return Action::kComplete;
}

void SnapshotPull::Tick(uint32_t count) {
  if (!asked_) return;
  waited_ += std::min(count, retry_ticks_);
  if (waited_ >= retry_ticks_) asked_ = false;
}

}  // namespace chronik::raft
