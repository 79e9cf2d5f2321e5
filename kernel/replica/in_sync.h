// SPDX-License-Identifier: Apache-2.0
// Which followers are in sync with a leader, computed from what they answered (never assumed): one is while it had, at
// some moment within the last `lag_max`, everything that the leader had then, is at most `lag_max_entries` behind, and
// answers. (KIP-16 in Kafka's words: replica.lag.time.max.ms; the bound in entries is ours.) A follower that left comes
// back once it has all that the leader had at the last look, and is within half the bound, so that the set does not
// flap.
//
// Bookkeeping only: the replica's driver looks at its clock and its core every so often.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "kernel/base/clock.h"
#include "kernel/base/ids.h"
#include "kernel/raft/raft.h"

namespace chronik::replica {

class InSyncReplicas {
 public:
  struct Limits {
    Duration lag_max{std::chrono::seconds(10)};
    uint64_t lag_max_entries = 1000;
  };

  explicit InSyncReplicas(Limits limits) : limits_(limits) {}

  // This replica begins to lead: the others count until they had `lag_max` to prove it.
  void Begin(Instant now);
  // A look at the core. Returns whether the set changed since the last one; after Begin it has.
  bool Look(Instant now, LogIndex last_index, const std::vector<raft::PeerStatus>& followers);
  // The followers in it, ascending; the leader itself always is one more.
  const std::vector<ReplicaId>& followers() const { return in_sync_; }
  // How long ago, as of the last look, the follower had everything.
  Duration LagOf(ReplicaId follower) const {
    const auto known = known_.find(follower);
    return known == known_.end() ? Duration(0) : looked_ - known->second.caught_up;
  }

 private:
  struct Follower {
    Instant caught_up;
    bool in_sync = true;
  };
  bool Judge(Follower& follower, Instant now, LogIndex last_index, const raft::PeerStatus& status) const;

  const Limits limits_;
  std::map<ReplicaId, Follower> known_;
  std::vector<ReplicaId> in_sync_;
  Instant began_{};
  Instant looked_{};  // the last look, and what the leader had then
  LogIndex last_index_;
  bool fresh_ = true;
};

}  // namespace chronik::replica
