// SPDX-License-Identifier: Apache-2.0
// Snapshots: the leader serves its state to a follower whose entries are gone, the follower pulls it in chunks and goes
// on behind it; and the log's beginning is cut off once a checkpoint holds what follows from it.
//
// A snapshot is a checkpoint of what is applied at the leader when the pull begins: it may be ahead of the log's
// beginning, at which the follower's log will begin. So the follower gets state and all retained entries.
#include <algorithm>
#include <utility>

#include "kernel/base/log.h"
#include "kernel/base/mutation.h"
#include "kernel/replica/replica.h"

namespace chronik::replica {
namespace {

constexpr uint32_t kServeTicksMax = 100;  // a follower that asks for nothing any more is forgotten after so many

}  // namespace

void Replica::OnFetchSnapshot(ReplicaId from, const raft::FetchSnapshot& fetch) {
  SnapshotChunk answer{{.last = fetch.last, .position = fetch.position, .bytes = 0, .total = 0, .gone = false}, {}};
  // Also before it is ready: without the follower it may never commit what makes it so.
  // Only to members: what is kept for each must not grow with the ids that somebody makes up.
  const std::vector<ReplicaId> members = Members(raft_->configuration());
  const bool here = raft_->soft_state().role == raft::Role::kLeader && fetch.last == log_begin_ &&
                    std::find(members.begin(), members.end(), from) != members.end();
  if (here && fetch.position == 0) served_[from].bytes = EncodeState();
  const auto served = served_.find(from);
  if (!here || served == served_.end() || fetch.position >= served->second.bytes.size()) {
    answer.chunk.gone = true;
  } else {
    const Bytes& all = served->second.bytes;
    served->second.idle_ticks = 0;
    const uint64_t size = std::min<uint64_t>(
        {fetch.max_bytes, options_.snapshot_chunk_bytes, all.size() - static_cast<size_t>(fetch.position)});
    answer.chunk.total = all.size();
    answer.chunk.bytes = static_cast<uint32_t>(size);
    answer.bytes = all.Slice(fetch.position, size);
  }
  Send(from, std::move(answer));
}

void Replica::OnPullSnapshot(const raft::Message& offer) {
  if (to_install_) return;  // the last one is about to become durable
  if (pull_.Offer(offer) == raft::SnapshotPull::Action::kStartOver) pulled_.clear();
  PullNext();
}

void Replica::PullNext() {
  if (auto fetch = pull_.Next()) Send(fetch->to, *fetch);
}

void Replica::OnSnapshotChunk(ReplicaId from, const SnapshotChunk& chunk) {
  if (chunk.bytes.size() != chunk.chunk.bytes) return;
  if (chunk.chunk.total > options_.snapshot_max_bytes) {
    CHRONIK_LOG(kError) << "group " << options_.group << ": the snapshot of node " << from << " has "
                        << chunk.chunk.total << " bytes; this node takes " << options_.snapshot_max_bytes;
    return pull_.Abandon();
  }
  switch (pull_.OnChunk(from, chunk.chunk)) {
    case raft::SnapshotPull::Action::kWrite:
      pulled_.insert(pulled_.end(), chunk.bytes.data(), chunk.bytes.data() + chunk.bytes.size());
      return PullNext();
    case raft::SnapshotPull::Action::kComplete: {
      pulled_.insert(pulled_.end(), chunk.bytes.data(), chunk.bytes.data() + chunk.bytes.size());
      auto checkpoint = DecodeCheckpoint(Bytes::Copy(std::exchange(pulled_, {})));
      if (!checkpoint.ok() || checkpoint->applied.index < pull_.offer().last.index) {
        CHRONIK_LOG(kError) << "group " << options_.group << ": the snapshot of node " << from << " is no good";
        return pull_.Abandon();
      }
      to_install_ = *std::move(checkpoint);
      if (!checkpoint_in_flight_) InstallPulled();
      return;
    }
    default: return;
  }
}

// Makes it durable, then the state of this replica, then tells the core, which resets the log.
void Replica::InstallPulled() {
  if (refused_ || failed_ || closing_) return to_install_.reset();
  checkpoint_in_flight_ = true;
  installing_since_ = executor_.Now();
  to_install_->pulled = !CHRONIK_MUTANT(pulled_flag_lost);
  ++operations_;
  store_.Checkpoint(options_.shard, handle_, EncodeCheckpoint(*to_install_),
                    [this, generation = generation_](Status status) {
                      const bool stale = generation != generation_ || refused_ || failed_ || closing_;
                      checkpoint_in_flight_ = false;
                      if (!status.ok()) {
                        CHRONIK_LOG(kWarn) << "group " << options_.group << ": snapshot: " << status.error();
                        if (!stale) OnOtherFailed(status.error());
                      } else if (!stale) {
                        OnPulledIsDurable();
                      }
                      to_install_.reset();
                      OperationDone();
                    });
}

void Replica::OnPulledIsDurable() {
  checkpoint_index_ = to_install_->applied.index;
  if (to_install_->applied.index > applied_.index) {
    if (const Status restored = machine_.RestoreCheckpoint(to_install_->state); !restored.ok())
      return FailForGood(restored.error());
    applied_ = to_install_->applied;
    high_watermark_ = to_install_->next_offset;
    applied_bytes_ = 0;
    machine_.OnHighWatermark(high_watermark_);
    machine_.OnSnapshotInstalled(to_install_->state.size(), executor_.Now() - installing_since_);
  }
  const raft::InstallSnapshot& offer = pull_.offer();
  Step(raft::SnapshotReady{offer.last, offer.next_offset, offer.configuration});
}

void Replica::TickSnapshots(uint32_t count) {
  if (!pull_.active() && served_.empty()) return;
  pull_.Tick(count);
  if (!refused_) PullNext();
  for (auto& [node, served] : served_) served.idle_ticks += count;
  std::erase_if(served_, [](const auto& served) { return served.second.idle_ticks > kServeTicksMax; });
}

void Replica::TruncatePrefix(LogIndex first, log::DoneCallback done) {
  CHRONIK_CHECK(!truncated_) << "one truncation at a time";
  CHRONIK_CHECK(first <= applied_.index + 1) << first << " is not applied yet, only " << applied_.index;
  const bool ahead = !raft_ || first > std::min(raft_->commit_index(), durable_) + 1;
  if (refused_ || closing_ || ahead) {
    return done(refused_ ? *refused_ : Error{ErrorCode::kOverloaded, "the log has to catch up with its state first"});
  }
  if (first <= first_index()) return done({});
  truncate_to_ = first;
  truncated_ = std::move(done);
  TruncateNow();
}

void Replica::TruncateNow() {
  if (truncate_to_ == LogIndex{} || checkpoint_in_flight_) return;
  if (refused_ || failed_ || closing_)
    return OnTruncated(Error{ErrorCode::kShuttingDown, "this replica takes no writes"});
  if (checkpoint_index_ + 1 < truncate_to_) {
    WriteCheckpoint();
    if (!checkpoint_in_flight_) OnTruncated(Error{ErrorCode::kOverloaded, "no checkpoint can be written now"});
    return;
  }
  ++operations_;
  store_.TruncatePrefix(options_.shard, handle_, std::exchange(truncate_to_, LogIndex{}),
                        [this, generation = generation_](Status status) {
                          if (generation == generation_ && status.ok()) {
                            auto durable = store_.Reload(handle_);
                            if (durable.ok()) {
                              log_begin_ = durable->bounds.previous;
                              first_offset_ = durable->bounds.first_offset;
                              raft_->TruncatedPrefix(durable->bounds.first_index, first_offset_);
                              served_.clear();
                            } else {
                              status = durable.error();
                            }
                          }
                          if (generation == generation_ && !status.ok()) OnOtherFailed(status.error());
                          OnTruncated(status);
                          OperationDone();
                        });
}

void Replica::OnTruncated(const Status& status) {
  truncate_to_ = LogIndex{};
  if (truncated_) std::exchange(truncated_, {})(status);
}

}  // namespace chronik::replica
