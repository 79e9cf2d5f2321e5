// SPDX-License-Identifier: Apache-2.0
// Changes of the configuration: joint consensus (paper section 6), new voters as learners first (thesis 4.2.1).
#include <algorithm>
#include <utility>

#include "kernel/raft/core.h"
#include "kernel/raft/quorum.h"

namespace chronik::raft {

using Impl = RaftGroup::Impl;

void Impl::OnChangeConfiguration(const ChangeConfiguration& change) {
  const auto refuse = [this](ErrorCode code, const char* why) { out_->configuration_change = Error{code, why}; };
  if (role_ != Role::kLeader) return refuse(ErrorCode::kNotLeader, "this replica does not lead the group");
  if (transfer_target_ != ReplicaId{}) return refuse(ErrorCode::kNotLeader, "leadership is being handed over");
  Configuration wanted{change.voters, change.learners};
  std::sort(wanted.voters.begin(), wanted.voters.end());
  std::sort(wanted.learners.begin(), wanted.learners.end());
  if (!IsValid(wanted)) return refuse(ErrorCode::kInvalidArgument, "these voters and learners are no group");
  // An earlier leader's change may be committed without this one knowing: two changes from one configuration need not
  // share a voter (Ongaro, raft-dev 2015).
  if (!Confirmed()) return refuse(ErrorCode::kOverloaded, "this leader has not committed an entry of its term yet");
  const Configuration& now = configuration();
  if (now.joint() || configurations_.newest_index() > commit()) {
    return refuse(ErrorCode::kOverloaded, "another change is under way");
  }
  out_->configuration_change = configurations_.newest_index();
  if (now == wanted || (now.next_voters == wanted.voters && now.next_learners == wanted.learners)) return;
  AppendConfiguration(FirstStep(now, std::move(wanted.voters), std::move(wanted.learners)));
  out_->configuration_change = configurations_.newest_index();
}

void Impl::AppendConfiguration(Configuration configuration) {
  const auto bytes = static_cast<uint32_t>(EncodedSize(configuration));
  const LogIndex index = log_.last_index() + 1;
  AppendOwn({index, hard_.term, log_.next_offset(), 0, bytes, EntryKind::kConfiguration});
  out_->persist.back().configurations.push_back(configuration);
  uncommitted_bytes_ += bytes;
  configurations_.Append(index, std::move(configuration));
  catch_up_mark_ = index;
  SyncPeers();
  Broadcast();
}

// Runs after every input, whatever it was that made the step due.
void Impl::AdvanceConfiguration() {
  const Configuration& now = configuration();
  if (role_ != Role::kLeader || configurations_.newest_index() > commit()) return;
  if (now.phase == ConfigurationPhase::kStable) return StepDownIfRemoved();
  if (!Confirmed() || transfer_target_ != ReplicaId{}) return;
  if (now.phase == ConfigurationPhase::kCatchingUp && !NewVotersCaughtUp()) return;
  AppendConfiguration(NextStep(now));
}

// Have all of them what the log's end was less than an election timeout ago? Then they will not hold up commits for
// longer than an election would (thesis 4.2.1).
bool Impl::NewVotersCaughtUp() {
  const Configuration& now = configuration();
  return std::all_of(now.next_voters.begin(), now.next_voters.end(), [&](ReplicaId node) {
    if (IsVoter(now, node)) return true;
    const Progress* peer = FindPeer(node);
    return peer != nullptr && peer->recently_active && peer->match() >= catch_up_mark_;
  });
}

void Impl::SyncPeers() {
  const Configuration& now = configuration();
  std::vector<ReplicaId> members = Members(now);
  std::erase_if(peers_,
                [&](const Progress& peer) { return !std::binary_search(members.begin(), members.end(), peer.peer()); });
  peers_.reserve(members.size());
  for (const ReplicaId node : members) {
    if (node == options_.self) continue;
    Progress* peer = FindPeer(node);
    // From the log's end, which the first answer corrects.
    if (peer == nullptr) peer = &peers_.emplace_back(node, true, log_.last_index() + 1);
    peer->set_learner(!IsVoter(now, node));
  }
}

// The configuration without this leader is committed. It did not count itself while it led on until here (paper
// section 6).
void Impl::StepDownIfRemoved() {
  if (!IsVoter(configuration(), options_.self)) HandOver();
}

}  // namespace chronik::raft
