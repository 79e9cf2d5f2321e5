// SPDX-License-Identifier: Apache-2.0
// Read barriers (ReadIndex, thesis 6.4): proof that this replica still leads, without an entry in the log.
#include <limits>

#include "kernel/base/mutation.h"
#include "kernel/raft/core.h"
#include "kernel/raft/quorum.h"

namespace chronik::raft {

using Impl = RaftGroup::Impl;

void Impl::OnReadBarrier(uint64_t context) {
  if (role_ != Role::kLeader) {
    out_->barriers_failed.push_back(context);
    return;
  }
  barriers_.push_back({context, read_round_ + 1});
  AdvanceBarriers();
}

// A barrier passes once a majority answered a heartbeat that left after the barrier was asked for (thesis 6.4), and
// not before an entry of this term is committed: until then the commit index may be behind what an earlier leader
// acknowledged.
void Impl::AdvanceBarriers() {
  if (barriers_.empty() || !Confirmed()) return;
  const uint64_t proven = QuorumReached<uint64_t>(configuration(), [this](ReplicaId voter) {
    if (voter == options_.self) return Alone() ? std::numeric_limits<uint64_t>::max() : read_round_;
    const Progress* peer = FindPeer(voter);
    return peer == nullptr ? 0 : peer->read_round;
  });
  while (!barriers_.empty() && (barriers_.front().round <= proven || CHRONIK_MUTANT(barrier_without_round))) {
    out_->barriers_passed.push_back(barriers_.front().context);
    barriers_.pop_front();
  }
  if (barriers_.empty()) {
    barriers_.ReleaseIfEmpty();
  } else if (proven >= read_round_) {
    // No round is under way: begin one for all that gathered.
    ++read_round_;
    for (Progress& peer : peers_) SendHeartbeat(peer);
  }
}

}  // namespace chronik::raft
