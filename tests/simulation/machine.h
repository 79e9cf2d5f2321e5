// SPDX-License-Identifier: Apache-2.0
// The state machine that simulated replicas drive: a digest of all that was applied, which no two different histories
// share. Tells the oracle what it sees.
#pragma once

#include "kernel/replica/replica.h"
#include "kernel/replica/state_machine.h"
#include "tests/simulation/oracle.h"

namespace chronik::sim {

class DigestMachine final : public replica::StateMachine {
 public:
  // Checkpoints are padded, so that they take several chunks.
  DigestMachine(Oracle& oracle, GroupId group, ReplicaId node) : oracle_(oracle), group_(group), node_(node) {}
  void SetReplica(const replica::Replica* replica) { replica_ = replica; }
  // The process is dead to the world: what still happens in it is not seen by anybody.
  void Mute() { muted_ = true; }

  LogIndex applied() const { return applied_; }
  Digest digest() const { return digest_; }

  Status RestoreCheckpoint(ByteView checkpoint) override;
  Bytes EncodeCheckpoint() const override;
  void Apply(const log::Entry& entry) override;
  void OnHighWatermark(Offset high_watermark) override;
  void OnPendingLost() override {}
  void OnReadOnly() override {}
  void OnSoftState(const raft::SoftState& state) override;
  void OnReady() override;

 private:
  Oracle& oracle_;
  const GroupId group_;
  const ReplicaId node_;
  const replica::Replica* replica_ = nullptr;
  bool muted_ = false;
  LogIndex applied_;
  Digest digest_ = 0;
  Offset high_watermark_{0};
};

}  // namespace chronik::sim
