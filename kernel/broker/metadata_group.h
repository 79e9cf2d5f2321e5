// SPDX-License-Identifier: Apache-2.0
// The `__meta` group's replica: proposes metadata commands, applies committed ones, and hands out each new image.
// Lives on shard 0.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "kernel/base/clock.h"
#include "kernel/broker/broker.h"
#include "kernel/log/log_store.h"
#include "kernel/log/tail_cache.h"
#include "kernel/metadata/apply.h"
#include "kernel/metadata/command.h"
#include "kernel/metadata/image.h"
#include "kernel/replica/replica.h"
#include "kernel/replica/state_machine.h"

namespace chronik::broker {

class MetadataEvents {
 public:
  virtual ~MetadataEvents() = default;
  // Restored from a checkpoint, or a committed command had this effect.
  virtual void OnImage(const metadata::ImagePtr& image, const metadata::Effect* effect) = 0;
  // This node leads __meta and has applied everything: it can propose.
  virtual void OnMetadataReady() = 0;
  // A committed command cannot be understood: going on would make this node differ from the others.
  virtual void OnMetadataFatal(const Error& error) = 0;
};

class MetadataGroup final : public replica::StateMachine {
 public:
  // The log's beginning goes once it has grown by so much since, and a checkpoint holds what follows from it; half as
  // many entries stay, for nodes that were away for a moment.
  struct CutOffAfter {
    uint64_t bytes;
    uint64_t entries;
  };

  MetadataGroup(Executor& executor, log::LogStore& store, log::TailCache& cache, MetadataEvents& events,
                replica::Options options, log::OpenedGroup opened, CutOffAfter cut_off);

  Status Start() { return replica_.Start(); }
  // The leader sees to it that the voters that the metadata names vote, and every other broker learns.
  void AlignMembers();
  // Whether what this group is to decide may need that node: it votes, or is not known to do so no more.
  bool NeedsVoter(NodeId node) const;
  log::GroupHandle handle() const { return replica_.handle(); }
  bool is_ready() const { return replica_.is_ready(); }
  const metadata::ImagePtr& image() const { return image_; }
  const replica::Replica& replica() const { return replica_; }  // for reports

  raft::SoftState soft_state() const { return replica_.soft_state(); }
  void Receive(replica::PeerMessage message) { replica_.Receive(std::move(message)); }
  void PeerLost(NodeId peer) { replica_.PeerLost(peer); }
  bool HandOver() { return replica_.HandOver(); }
  void Campaign() { replica_.Campaign(); }

  // On the leader; kNotController elsewhere. Where the encoded command will stand, if nothing comes between; what came
  // of it is for Await.
  Result<raft::EntryId> Propose(Bytes command);
  // The effect of the entry once it is committed and applied here, or why it has none: kNotController if another entry
  // took its place, so that it surely has none; kTimedOut if it was applied too long ago to know. `done` may run inside
  // the call.
  void Await(raft::EntryId id, Callback<Result<metadata::Effect>> done);
  void Close(Task done);

  Status RestoreCheckpoint(ByteView checkpoint) override;
  Bytes EncodeCheckpoint() const override;
  void Apply(const log::Entry& entry) override;
  void OnHighWatermark(Offset) override {}
  void OnPendingLost() override {}
  void OnReadOnly() override {}
  void OnSoftState(const raft::SoftState&) override {}
  void OnReady() override { events_.OnMetadataReady(); }
  void OnTicked() override;

 private:
  MetadataEvents& events_;
  metadata::ImagePtr image_ = metadata::MetadataImage::Empty();
  const replica::TickSchedule& ticks_;
  uint64_t aligned_ = 0;  // when, in ticks
  void Answer(const log::Entry& entry, const Result<metadata::Effect>& effect);
  void CutOff(const log::Entry& applied);

  const CutOffAfter cut_off_;
  uint64_t bytes_since_cut_ = 0;

  std::map<raft::EntryId, Callback<Result<metadata::Effect>>> awaited_;
  std::deque<std::pair<raft::EntryId, Result<metadata::Effect>>> recent_;  // applied; for who asks late
  replica::Replica replica_;
};

}  // namespace chronik::broker
