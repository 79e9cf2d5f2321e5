// SPDX-License-Identifier: Apache-2.0
// When a replica is due: as rarely as its core allows. What passed meanwhile is told to the core before anything else
// is, so that it sees every tick in its place.
#include "kernel/replica/replica.h"

namespace chronik::replica {

void Replica::Tick() { TickBy(1); }

void Replica::TickBy(uint32_t count) {
  if (!raft_ || failed_ || closing_) return;
  if (!refused_) {
    out_.Clear();
    raft_->Step(raft::Tick{count}, out_);
    CarryOut();
  }
  TickSnapshots(count);
}

void Replica::OnDue() {
  CatchUpWithTicks();
  machine_.OnTicked();
  Reschedule();
}

void Replica::CatchUpWithTicks() {
  if (!slot_) return;
  const uint64_t passed = options_.ticks->now() - std::exchange(ticked_, options_.ticks->now());
  if (passed > 0) TickBy(static_cast<uint32_t>(std::min<uint64_t>(passed, std::numeric_limits<uint32_t>::max())));
}

void Replica::SetAlwaysTicked(bool always) {
  always_ticked_ = always;
  Reschedule();
}

void Replica::Reschedule() {
  if (!slot_) return;
  if (closing_ || !(always_ticked_ || needs_ticks())) return options_.ticks->SetNever(*slot_);
  if (always_ticked_ || pull_.active() || !served_.empty() || !raft_) return options_.ticks->Set(*slot_, 1, 1);
  // Together with others only while idle. One that steps all the time would pass its beats on the way, be put off to
  // the next round at each, and never be due.
  const uint32_t beats = raft_->ticks_between_beats();
  const bool idle = raft_->soft_state().role == raft::Role::kLeader && beats > options_.raft.heartbeat_ticks;
  options_.ticks->Set(*slot_, raft_->ticks_until_due(), idle ? beats : 1);
}

// Only groups with other members, or without a leader, need ticks.
bool Replica::needs_ticks() const {
  if (!raft_ || failed_ || refused_) return false;
  return !Alone() || raft_->soft_state().role != raft::Role::kLeader;
}

// Asked after every step, hence without building the list of members.
bool Replica::Alone() const {
  const raft::Configuration& c = raft_->configuration();
  return c.phase == raft::ConfigurationPhase::kStable && c.voters.size() + c.learners.size() == 1;
}

}  // namespace chronik::replica
