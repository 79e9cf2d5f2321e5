// SPDX-License-Identifier: Apache-2.0
// Handing over leadership (thesis 3.10): the target gets everything, then starts an election at once.
#include "kernel/raft/core.h"

namespace chronik::raft {

using Impl = RaftGroup::Impl;

void Impl::OnTransfer(ReplicaId target) {
  if (role_ == Role::kLeader && target == options_.self) return AbandonTransfer();
  Progress* peer = role_ == Role::kLeader ? FindPeer(target) : nullptr;
  if (peer == nullptr || peer->learner()) {
    out_->transfer_failed = target;
    return;
  }
  if (transfer_target_ != target) AbandonTransfer();
  transfer_target_ = target;
  transfer_elapsed_ = 0;
  Replicate(*peer);
  MaybeTransfer(*peer);
}

// Repeated at every sign of life of the target: its request or the target's vote request may be lost. A second one
// finds the target a candidate, or in a newer term.
void Impl::MaybeTransfer(const Progress& peer) {
  if (role_ == Role::kLeader && peer.peer() == transfer_target_ && peer.match() == log_.last_index()) {
    Send(peer.peer(), TimeoutNow{});
  }
}

// A target that does not make it within an election timeout must not keep the group from its work.
void Impl::TickTransfer() {
  if (transfer_target_ != ReplicaId{} && ++transfer_elapsed_ >= options_.election_ticks) AbandonTransfer();
}

void Impl::AbandonTransfer() {
  if (transfer_target_ == ReplicaId{}) return;
  out_->transfer_failed = transfer_target_;
  transfer_target_ = ReplicaId{};
}

// Somebody who has everything takes over at once, so that the group does not wait for a timeout.
void Impl::HandOver() {
  for (const Progress& peer : peers_) {
    if (peer.learner() || peer.match() != log_.last_index()) continue;
    Send(peer.peer(), TimeoutNow{});
    break;
  }
  BecomeFollower(hard_.term, ReplicaId{});
}

}  // namespace chronik::raft
