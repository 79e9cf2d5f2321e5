// SPDX-License-Identifier: Apache-2.0
// The disk's side of a replica: what the core wants durable goes to the store, and what the store answers goes back. A
// full disk is waited out: the group starts over from what is durable, as after a crash. Any other failure is final.
#include <algorithm>
#include <utility>

#include "kernel/base/log.h"
#include "kernel/records/assign.h"
#include "kernel/replica/replica.h"

namespace chronik::replica {

using log::Entry;
using raft::EntryKind;

void Replica::Persist(const raft::Persist& persist) {
  if (persist.reset) return PersistReset(persist);
  log::Append append;
  append.hard_state = persist.hard_state;
  append.entries.reserve(persist.entries.size());
  const raft::Configuration* configuration = persist.configurations.data();
  for (const raft::EntryMeta& meta : persist.entries) {
    append.entries.push_back(MakeEntry(meta, configuration));
    if (meta.kind == EntryKind::kConfiguration) ++configuration;
    tail_.Append(append.entries.back());
  }
  ++operations_;
  store_.Submit(options_.shard, handle_, std::move(append),
                [this, generation = generation_, sequence = persist.sequence](Status status) {
                  OnPersisted(generation, sequence, std::move(status));
                });
}

// The snapshot is durable and restored already (InstallPulled); the log goes on behind it.
void Replica::PersistReset(const raft::Persist& persist) {
  CHRONIK_CHECK(persist.entries.empty() && persist.hard_state && persist.reset->last.index <= applied_.index)
      << "group " << options_.group << ": the log cannot begin behind entry " << persist.reset->last.index
      << " while the state stands at " << applied_.index;
  tail_.Clear();
  log_begin_ = persist.reset->last;
  first_offset_ = persist.reset->next_offset;
  ++operations_;
  store_.Reset(options_.shard, handle_, persist.reset->last, persist.reset->next_offset, *persist.hard_state,
               [this, generation = generation_, sequence = persist.sequence](Status status) {
                 OnPersisted(generation, sequence, std::move(status));
               });
}

Entry Replica::MakeEntry(const raft::EntryMeta& meta, const raft::Configuration* configuration) {
  if (!incoming_.empty() && raft_->soft_state().role != raft::Role::kLeader) {
    const uint64_t position = meta.index - incoming_.front().meta.index;
    CHRONIK_CHECK(position < incoming_.size() && incoming_[position].meta == meta)
        << "entry " << meta.index << " is not the one that came";
    return std::move(incoming_[position]);
  }
  if (meta.kind == EntryKind::kNoop) return {meta, -1, Bytes()};
  if (meta.kind == EntryKind::kConfiguration) return {meta, -1, Bytes::Copy(EncodeConfiguration(*configuration))};
  return MakeProposed(meta);
}

Entry Replica::MakeProposed(const raft::EntryMeta& meta) {
  CHRONIK_CHECK(!proposals_.empty()) << "entry " << meta.index << " has no body";
  Proposal proposal = std::move(proposals_.front());
  proposals_.pop_front();
  CHRONIK_CHECK(proposal.kind == meta.kind && proposal.offset_count == meta.offset_count &&
                proposal.body.size() == meta.bytes)
      << "the body of entry " << meta.index << " is not the one proposed";
  int64_t max_timestamp = proposal.max_timestamp;
  if (meta.kind == EntryKind::kData) {
    records::AssignOffsets({proposal.body.unsafe_mutable_data(), proposal.body.size()}, meta.base_offset,
                           static_cast<int32_t>(meta.term.value), proposal.log_append_time);
    if (proposal.log_append_time) max_timestamp = proposal.log_append_time->time_since_epoch().count();
  }
  return {meta, max_timestamp, std::move(proposal.body)};
}

void Replica::OnPersisted(uint64_t generation, uint64_t sequence, Status status) {
  if (generation == generation_ && !failed_) {
    if (!status.ok()) {
      OnAppendFailed(status.error());
    } else if (!refused_) {
      Step(raft::StorageDone{sequence});
      SendDurable(sequence);
      tail_.Unpin(std::min(durable_, applied_.index));
    }
  }
  OperationDone();
}

void Replica::OnAppendFailed(const Error& error) {
  if (refused_) return FailWaiters(*refused_);  // of what was submitted behind it
  if (error.code != ErrorCode::kNoSpace) return FailForGood(Error{ErrorCode::kStorage, error.message});
  refused_ = error;
  if (!std::exchange(disk_was_full_, true)) {
    CHRONIK_LOG(kError) << "group " << options_.group << ": append failed: " << error
                        << "; produce is refused until there is room";
  }
  ready_ = false;
  after_.clear();
  FailWaiters(*refused_);
  AnswerBarriers({}, {});
  machine_.OnPendingLost();
  if (Alone()) {
    machine_.OnReadOnly();
  } else {
    machine_.OnSoftState(raft::SoftState{raft::Role::kFollower, ReplicaId(0), raft_->soft_state().term});
  }
}

// Of an operation that is no append: those in flight behind it are cancelled, so this is where a full disk is seen.
void Replica::OnOtherFailed(const Error& error) {
  if (error.code == ErrorCode::kNoSpace && raft_ && !failed_) OnAppendFailed(error);
}

void Replica::FailForGood(Error error) {
  if (failed_) return;
  CHRONIK_LOG(kError) << "group " << options_.group << ": " << error << "; this replica takes no more writes";
  refused_ = std::move(error);
  failed_ = true;
  ready_ = false;
  after_.clear();
  if (raft_) {
    out_.Clear();
    raft_->Step(raft::StorageFailed{}, out_);
  }
  FailWaiters(*refused_);
  AnswerBarriers({}, {});
  machine_.OnPendingLost();
  machine_.OnSoftState(raft::SoftState{raft::Role::kFollower, ReplicaId(0), soft_state().term});
}

void Replica::RestartWhenIdle() {
  if (!refused_ || failed_ || closing_ || operations_ != 0 || retry_timer_ != 0) return;
  retry_timer_ = executor_.Schedule(options_.no_space_retry, [this] {
    retry_timer_ = 0;
    ProbeForSpace();
  });
}

// Writes what is durable anyway, the hard state. Once that succeeds, the group starts over from what is durable.
void Replica::ProbeForSpace() {
  auto durable = store_.Reload(handle_);
  if (!durable.ok()) return FailForGood(durable.error());
  log::Append probe;
  probe.hard_state = durable->bounds.hard_state;
  ++operations_;
  store_.Submit(options_.shard, handle_, std::move(probe), [this, opened = *std::move(durable)](Status status) mutable {
    if (status.ok() && !closing_) {
      refused_.reset();
      OpenGroup(std::move(opened), raft_->configurations().rows());
    }
    OperationDone();
  });
}

void Replica::OperationDone() {
  CHRONIK_CHECK(operations_ > 0) << "an operation completed that was never submitted";
  --operations_;
  RestartWhenIdle();
  if (!closing_ || operations_ != 0 || !closed_) return;
  FailWaiters(Error{ErrorCode::kShuttingDown, "the broker is shutting down; the outcome is unknown"});
  AnswerBarriers({}, {});
  Task closed = std::exchange(closed_, Task());
  closed();  // may destroy this
}

}  // namespace chronik::replica
