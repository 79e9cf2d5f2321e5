// SPDX-License-Identifier: Apache-2.0
#include "kernel/replica/in_sync.h"

#include <algorithm>
#include <utility>

namespace chronik::replica {

void InSyncReplicas::Begin(Instant now) {
  known_.clear();
  in_sync_.clear();
  began_ = now;
  looked_ = now;
  last_index_ = LogIndex{};
  fresh_ = true;
}

bool InSyncReplicas::Judge(Follower& follower, Instant now, LogIndex last_index, const raft::PeerStatus& status) const {
  // One that is silent may have everything that there is, and still be gone.
  const bool has_all = status.recently_active && status.match >= last_index;
  const bool had_all = has_all || (status.recently_active && last_index_ != LogIndex{} && status.match >= last_index_);
  if (had_all) follower.caught_up = has_all ? now : looked_;
  const uint64_t behind = status.match >= last_index ? 0 : last_index - status.match;
  if (follower.in_sync) return now - follower.caught_up <= limits_.lag_max && behind <= limits_.lag_max_entries;
  return had_all && behind <= limits_.lag_max_entries / 2;
}

bool InSyncReplicas::Look(Instant now, LogIndex last_index, const std::vector<raft::PeerStatus>& followers) {
  std::map<ReplicaId, Follower> known;
  std::vector<ReplicaId> in_sync;
  for (const raft::PeerStatus& status : followers) {
    if (status.learner) continue;
    const auto before = known_.find(status.peer);
    Follower follower = before != known_.end() ? before->second : Follower{began_};
    follower.in_sync = Judge(follower, now, last_index, status);
    if (follower.in_sync) in_sync.push_back(status.peer);
    known.emplace(status.peer, follower);
  }
  std::sort(in_sync.begin(), in_sync.end());
  known_ = std::move(known);
  looked_ = now;
  last_index_ = last_index;
  const bool changed = std::exchange(fresh_, false) || in_sync != in_sync_;
  in_sync_ = std::move(in_sync);
  return changed;
}

}  // namespace chronik::replica
