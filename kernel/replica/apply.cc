// SPDX-License-Identifier: Apache-2.0
// What follows from commitment: entries are applied in order, those who wait are answered, and checkpoints bound what a
// restart has to apply again.
#include <algorithm>
#include <utility>

#include "kernel/base/log.h"
#include "kernel/base/mutation.h"
#include "kernel/replica/replica.h"

namespace chronik::replica {

using log::Entry;

void Replica::ApplyCommitted() {
  if (applying_ || reading_for_apply_) return;
  applying_ = true;
  const Offset before = high_watermark_;
  while (applied_.index < raft_->commit_index()) {
    const LogIndex next = applied_.index + 1;
    const Entry* cached = tail_.At(next);
    if (cached == nullptr) {
      ReadForApply(next);
      break;
    }
    ApplyOne(*cached);
  }
  applying_ = false;
  if (high_watermark_ != before) machine_.OnHighWatermark(high_watermark_);
  AfterApply();
}

void Replica::ApplyOne(const Entry& entry) {
  CHRONIK_CHECK(entry.meta.index == applied_.index + 1 && entry.meta.base_offset == high_watermark_)
      << "group " << options_.group << ": entry " << entry.meta.index << " at offset " << entry.meta.base_offset
      << " cannot follow entry " << applied_.index << " and offset " << high_watermark_;
  applied_ = entry.meta.id();
  high_watermark_ = entry.meta.next_offset();
  applied_bytes_ += entry.meta.bytes;
  machine_.Apply(entry);
}

// After a restart the entries since the last checkpoint are not in memory.
void Replica::ReadForApply(LogIndex next) {
  reading_for_apply_ = true;
  ++operations_;
  store_.Read(options_.shard, handle_,
              {.by = log::ReadBy::kIndex,
               .key = static_cast<int64_t>(next.value),
               .end_index = std::min(raft_->commit_index(), durable_) + 1,
               .max_bytes = 4 << 20},
              [this, next](Result<std::vector<Entry>> entries) {
                reading_for_apply_ = false;
                const bool overtaken = applied_.index >= next;  // by a snapshot
                if (!overtaken && (!entries.ok() || entries->empty())) {
                  Error why = entries.ok() ? Error{ErrorCode::kStorage, "the store returned nothing"} : entries.error();
                  why.message = "cannot read entry " + std::to_string(next.value) + " to apply it: " + why.message;
                  FailForGood(std::move(why));
                } else if (!closing_ && !failed_) {
                  const Offset before = high_watermark_;
                  for (size_t i = 0; entries.ok() && i < entries->size(); ++i) {
                    if ((*entries)[i].meta.index == applied_.index + 1) ApplyOne((*entries)[i]);
                  }
                  if (high_watermark_ != before) machine_.OnHighWatermark(high_watermark_);
                  ApplyCommitted();
                  CompleteWaiters();
                }
                OperationDone();
              });
}

void Replica::AfterApply() {
  tail_.Unpin(std::min(durable_, applied_.index));
  const bool confirmed = raft_->leader_is_confirmed() || CHRONIK_MUTANT(ready_before_own_entry);
  const bool ready = raft_->soft_state().role == raft::Role::kLeader && confirmed &&
                     applied_.index >= raft_->commit_index() && !refused_ && !failed_;
  if (ready && !ready_) {
    ready_ = true;
    if (std::exchange(disk_was_full_, false))
      CHRONIK_LOG(kInfo) << "group " << options_.group << ": there is room again";
    machine_.OnHighWatermark(high_watermark_);
    machine_.OnReady();
  }
  MaybeCheckpoint();
}

void Replica::CompleteWaiters() {
  Complete(durable_waiters_, durable_, *raft_);
  Complete(commit_waiters_, applied_.index, *raft_);
}

void Replica::Complete(Waiters& waiters, LogIndex reached, const raft::RaftGroup& raft) {
  while (!waiters.empty() && waiters.front().index <= reached) {
    Waiter waiter = std::move(waiters.front());
    waiters.pop_front();
    const std::optional<Term> term = raft.TermAt(waiter.index);
    if (term && *term != waiter.term) {
      waiter.done(Error{ErrorCode::kTimedOut, "leadership changed; the outcome is unknown"});
    } else {
      waiter.done({});
    }
  }
}

void Replica::FailWaiters(const Error& error) {
  for (Waiters* waiters : {&durable_waiters_, &commit_waiters_}) {
    Waiters failed = std::exchange(*waiters, {});
    for (Waiter& waiter : failed) waiter.done(error);
  }
}

// A barrier that passed may still have to wait for entries that are committed and not applied. With nobody to lead,
// none of them passes any more.
void Replica::AnswerBarriers(const std::vector<uint64_t>& passed, const std::vector<uint64_t>& failed) {
  const auto take = [this](uint64_t context) {
    auto found = barriers_.extract(context);
    return found.empty() ? log::DoneCallback([](Status) {}) : std::move(found.mapped());
  };
  for (const uint64_t context : passed) {
    const LogIndex commit = raft_->commit_index();
    commit_waiters_.push_front({commit, raft_->TermAt(commit).value_or(Term{}), take(context)});
  }
  if (!passed.empty()) CompleteWaiters();
  const Error lost{ErrorCode::kNotLeader, "this replica lost its leadership"};
  for (const uint64_t context : failed) take(context)(lost);
  if (!failed_ && !refused_ && !closing_) return;
  auto all = std::exchange(barriers_, {});
  for (auto& [context, done] : all) done(lost);
}

void Replica::MaybeCheckpoint() {
  if (applied_bytes_ >= options_.checkpoint_every_bytes) WriteCheckpoint();
}

Bytes Replica::EncodeState() const {
  Checkpoint checkpoint;
  checkpoint.applied = applied_;
  checkpoint.next_offset = high_watermark_;
  for (const raft::ConfigurationAt& row : raft_->configurations().rows()) {
    if (row.index <= applied_.index) checkpoint.configurations.push_back(row);
  }
  checkpoint.state = machine_.EncodeCheckpoint();
  return replica::EncodeCheckpoint(checkpoint);
}

// Not while the state is ahead of the log on disk: a checkpoint vouches for the log up to where it stands.
void Replica::WriteCheckpoint() {
  if (checkpoint_in_flight_ || refused_ || failed_ || !raft_ || applied_.index > durable_) return;
  if (raft_->TermAt(applied_.index) != applied_.term) return;
  checkpoint_in_flight_ = true;
  applied_bytes_ = 0;
  ++operations_;
  store_.Checkpoint(options_.shard, handle_, EncodeState(), [this, applied = applied_.index](Status status) {
    OnCheckpoint(applied, status);
    OperationDone();
  });
}

void Replica::OnCheckpoint(LogIndex applied, const Status& status) {
  checkpoint_in_flight_ = false;
  if (status.ok()) {
    checkpoint_index_ = applied;
  } else {
    CHRONIK_LOG(kWarn) << "group " << options_.group << ": checkpoint: " << status.error();
    OnOtherFailed(status.error());
  }
  if (to_install_) return InstallPulled();
  if (!status.ok()) return OnTruncated(status);
  TruncateNow();
}

void Replica::Close(Task done) {
  CHRONIK_CHECK(!closing_) << "a replica is closed twice";
  closing_ = true;
  closed_ = std::move(done);
  if (retry_timer_ != 0) executor_.Cancel(std::exchange(retry_timer_, 0));
  if (applied_bytes_ > 0) WriteCheckpoint();
  ++operations_;  // so that the callback never runs inside this call
  executor_.Post([this] { OperationDone(); });
}

}  // namespace chronik::replica
