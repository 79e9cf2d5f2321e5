// SPDX-License-Identifier: Apache-2.0
#include "kernel/replica/replica.h"

#include <algorithm>
#include <utility>

#include "kernel/base/log.h"
#include "kernel/records/assign.h"
#include "kernel/replica/checkpoint.h"

namespace chronik::replica {

using log::Entry;
using raft::EntryKind;

Replica::Replica(Executor& executor, log::LogStore& store, log::TailCache& cache, StateMachine& machine,
                 Options options, log::OpenedGroup opened)
    : executor_(executor),
      store_(store),
      machine_(machine),
      options_(std::move(options)),
      handle_(opened.handle),
      opened_(std::move(opened)),
      tail_(cache) {}

Replica::~Replica() {
  CHRONIK_CHECK(operations_ == 0) << "a replica ends with " << operations_ << " operations in flight";
}

Status Replica::Start() {
  const log::Bounds& bounds = opened_.bounds;
  applied_ = bounds.previous;
  high_watermark_ = bounds.first_offset;
  first_offset_ = bounds.first_offset;
  if (!opened_.checkpoint.empty()) {
    auto checkpoint = DecodeCheckpoint(opened_.checkpoint);
    if (!checkpoint.ok()) return checkpoint.error();
    // A checkpoint beyond the log would mean that acked entries are gone.
    if (checkpoint->applied.index > bounds.last_index || checkpoint->applied.index + 1 < bounds.first_index) {
      return Error{ErrorCode::kCorrupt,
                   "group " + std::to_string(options_.group.value) + ": its checkpoint stands at entry " +
                       std::to_string(checkpoint->applied.index.value) + ", its log holds " +
                       std::to_string(bounds.first_index.value) + " to " + std::to_string(bounds.last_index.value)};
    }
    CHRONIK_RETURN_IF_ERROR(machine_.RestoreCheckpoint(checkpoint->state));
    applied_ = checkpoint->applied;
    high_watermark_ = checkpoint->next_offset;
  }
  opened_.checkpoint = Bytes();
  if (bounds.hard_state.commit > bounds.last_index) {
    return Error{ErrorCode::kCorrupt, "group " + std::to_string(options_.group.value) + ": its log ends at entry " +
                                          std::to_string(bounds.last_index.value) + ", but entry " +
                                          std::to_string(bounds.hard_state.commit.value) + " was committed"};
  }
  StartGroup(opened_);
  return {};
}

void Replica::StartGroup(const log::OpenedGroup& opened) {
  const log::Bounds& b = opened.bounds;
  ++generation_;
  durable_ = b.last_index;
  tail_.Unpin(std::min(durable_, applied_.index));
  raft_ = std::make_unique<raft::RaftGroup>(options_.raft, raft::InitialState{.hard_state = b.hard_state,
                                                                              .previous = b.previous,
                                                                              .previous_next_offset = b.first_offset,
                                                                              .terms = opened.terms,
                                                                              .last_index = b.last_index,
                                                                              .next_offset = b.next_offset,
                                                                              .configuration = {options_.voters, {}},
                                                                              .applied = applied_.index});
  if (options_.voters == std::vector<NodeId>{options_.raft.self}) Step(raft::CampaignNow{});
}

void Replica::Tick() {
  if (!failed_ && !closing_) Step(raft::Tick{});
}

bool Replica::needs_ticks() const {
  return !failed_ && !refused_ && (options_.voters.size() > 1 || raft_->soft_state().role != raft::Role::kLeader);
}

Status Replica::writable() const {
  if (refused_) return *refused_;
  if (closing_) return Error{ErrorCode::kShuttingDown, "this partition is closing"};
  if (!ready_) return Error{ErrorCode::kNotLeader, "this broker does not lead the partition"};
  return {};
}

Result<raft::Proposed> Replica::Propose(Proposal proposal, WaitFor wait, log::DoneCallback done) {
  CHRONIK_RETURN_IF_ERROR(writable());
  raft::Propose input;
  input.entries.push_back({proposal.kind, proposal.offset_count, static_cast<uint32_t>(proposal.body.size())});
  proposals_.push_back(std::move(proposal));
  out_.Clear();
  raft_->Step(std::move(input), out_);
  CHRONIK_CHECK(out_.proposed.has_value()) << "the Raft core did not answer a proposal";
  const Result<raft::Proposed> proposed = *std::move(out_.proposed);
  if (proposed.ok() && wait != WaitFor::kNothing)
    waiters_.push_back({proposed->first, proposed->term, wait, std::move(done)});
  CarryOut();
  proposals_.clear();
  return proposed;
}

void Replica::Step(raft::Input input) {
  out_.Clear();
  raft_->Step(std::move(input), out_);
  CarryOut();
}

// In the order that raft.h asks for. What calls out of this class comes last, as it may step again.
void Replica::CarryOut() {
  durable_ = raft_->durable_index();
  for (const raft::Persist& persist : out_.persist) Persist(persist);
  CHRONIK_CHECK(out_.messages.empty() && out_.messages_after.empty()) << "a group of one has nobody to send to";
  const std::optional<raft::SoftState> soft_state = out_.soft_state;
  const bool committed = out_.committed.has_value();
  if (soft_state) {
    ready_ = false;
    machine_.OnPendingLost();
    machine_.OnSoftState(*soft_state);
  }
  if (committed || soft_state) ApplyCommitted();
  CompleteWaiters();
}

void Replica::Persist(const raft::Persist& persist) {
  log::Append append;
  append.hard_state = persist.hard_state;
  append.entries.reserve(persist.entries.size());
  for (const raft::EntryMeta& meta : persist.entries) {
    append.entries.push_back(MakeEntry(meta));
    tail_.Append(append.entries.back());
  }
  ++operations_;
  store_.Submit(options_.shard, handle_, std::move(append),
                [this, generation = generation_, sequence = persist.sequence](Status status) {
                  OnPersisted(generation, sequence, std::move(status));
                });
}

Entry Replica::MakeEntry(const raft::EntryMeta& meta) {
  if (meta.kind == EntryKind::kNoop || meta.kind == EntryKind::kConfiguration) return {meta, -1, Bytes()};
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
      tail_.Unpin(std::min(durable_, applied_.index));
    }
  }
  OperationDone();
}

// A full disk is waited out: the group starts over from what is durable. Anything else is final.
void Replica::OnAppendFailed(const Error& error) {
  const bool first = !refused_;
  const bool full = error.code == ErrorCode::kNoSpace;
  if (first) {
    refused_ = Error{full ? ErrorCode::kNoSpace : ErrorCode::kStorage, error.message};
    if (!full || !disk_was_full_) {
      CHRONIK_LOG(kError) << "group " << options_.group << ": append failed: " << error
                          << (full ? "; produce is refused until there is room"
                                   : "; this replica takes no more writes");
    }
    disk_was_full_ = full;
  }
  if (!full && first) {
    failed_ = true;
    out_.Clear();
    raft_->Step(raft::StorageFailed{}, out_);
  }
  ready_ = false;
  FailWaiters(*refused_);
  if (!first) return;
  machine_.OnPendingLost();
  if (full && options_.voters.size() == 1) {
    machine_.OnReadOnly();
  } else {
    machine_.OnSoftState(raft::SoftState{raft::Role::kFollower, NodeId(0), raft_->soft_state().term});
  }
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
  if (!durable.ok()) {
    CHRONIK_LOG(kError) << "group " << options_.group << ": " << durable.error();
    failed_ = true;
    return;
  }
  log::Append probe;
  probe.hard_state = durable->bounds.hard_state;
  ++operations_;
  store_.Submit(options_.shard, handle_, std::move(probe), [this, opened = *std::move(durable)](Status status) {
    if (status.ok() && !closing_) {
      refused_.reset();
      StartGroup(opened);
    }
    OperationDone();
  });
}

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
                if (!entries.ok() || entries->empty()) {
                  const std::string why = entries.ok() ? "the store returned nothing" : entries.error().message;
                  CHRONIK_LOG(kError) << "group " << options_.group << ": cannot read entry " << next
                                      << " to apply it: " << why;
                  failed_ = true;
                  refused_ = Error{entries.ok() ? ErrorCode::kStorage : entries.error().code, why};
                  FailWaiters(*refused_);
                } else if (!closing_) {
                  for (const Entry& entry : *entries) {
                    if (entry.meta.index == applied_.index + 1) ApplyOne(entry);
                  }
                  ApplyCommitted();
                }
                OperationDone();
              });
}

void Replica::AfterApply() {
  tail_.Unpin(std::min(durable_, applied_.index));
  const bool ready = raft_->soft_state().role == raft::Role::kLeader && raft_->leader_is_confirmed() &&
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
  while (!waiters_.empty()) {
    Waiter& front = waiters_.front();
    const LogIndex reached = front.wait == WaitFor::kDurable ? durable_ : applied_.index;
    if (front.index > reached) return;
    Waiter waiter = std::move(front);
    waiters_.pop_front();
    const std::optional<Term> term = raft_->TermAt(waiter.index);
    if (term && *term != waiter.term) {
      waiter.done(Error{ErrorCode::kTimedOut, "leadership changed; the outcome is unknown"});
    } else {
      waiter.done({});
    }
  }
}

void Replica::FailWaiters(const Error& error) {
  std::deque<Waiter> failed = std::exchange(waiters_, {});
  for (Waiter& waiter : failed) waiter.done(error);
}

std::optional<DataRead> Replica::ReadCached(Offset from, DataLimit limit) const {
  DataRead out{{}, from};
  if (from >= high_watermark_) return out;
  const Entry* entry = tail_.Find(from);
  if (entry == nullptr) return std::nullopt;
  for (; entry != nullptr && entry->meta.index <= applied_.index; entry = tail_.At(entry->meta.index + 1)) {
    if (entry->meta.kind != EntryKind::kData) continue;
    const bool first = limit.at_least_one && out.batches.empty();
    if (!first && out.bytes() + entry->body.size() > limit.max_bytes) break;
    out.batches.Append(entry->body);
    out.next = entry->meta.next_offset();
  }
  return out;
}

void Replica::ReadCold(Offset from, DataLimit limit, UniqueFunction<void(Result<DataRead>)> done) {
  CHRONIK_CHECK(!closing_) << "group " << options_.group << " is closing and must not be read";
  ++operations_;
  store_.Read(options_.shard, handle_,
              {.by = log::ReadBy::kOffset,
               .key = from.value,
               .end_index = std::min(applied_.index, durable_) + 1,
               .max_bytes = limit.max_bytes},
              [this, from, limit, done = std::move(done)](Result<std::vector<Entry>> entries) mutable {
                if (!entries.ok()) {
                  done(entries.error());
                } else {
                  DataRead out{{}, from};
                  for (Entry& entry : *entries) {
                    if (entry.meta.kind != EntryKind::kData) continue;
                    // A store always gives one entry, however large.
                    if (!limit.at_least_one && out.bytes() + entry.body.size() > limit.max_bytes) break;
                    out.next = entry.meta.next_offset();
                    out.batches.Append(std::move(entry.body));
                  }
                  done(std::move(out));
                }
                OperationDone();
              });
}

void Replica::FindEntry(log::ReadBy by, int64_t key, UniqueFunction<void(Result<std::optional<Entry>>)> done) {
  CHRONIK_CHECK(!closing_) << "group " << options_.group << " is closing and must not be read";
  ++operations_;
  store_.Read(
      options_.shard, handle_,
      {.by = by, .key = key, .end_index = std::min(applied_.index, durable_) + 1, .max_bytes = 1, .max_entries = 1},
      [this, done = std::move(done)](Result<std::vector<Entry>> entries) mutable {
        if (!entries.ok()) {
          done(entries.error());
        } else if (entries->empty()) {
          done(std::optional<Entry>());
        } else {
          done(std::optional<Entry>(std::move(entries->front())));
        }
        OperationDone();
      });
}

void Replica::MaybeCheckpoint() {
  if (applied_bytes_ >= options_.checkpoint_every_bytes) WriteCheckpoint();
}

void Replica::WriteCheckpoint() {
  if (checkpoint_in_flight_ || refused_ || failed_) return;
  checkpoint_in_flight_ = true;
  applied_bytes_ = 0;
  ++operations_;
  store_.Checkpoint(options_.shard, handle_, EncodeCheckpoint({applied_, high_watermark_, machine_.EncodeCheckpoint()}),
                    [this](Status status) {
                      checkpoint_in_flight_ = false;
                      if (!status.ok())
                        CHRONIK_LOG(kWarn) << "group " << options_.group << ": checkpoint: " << status.error();
                      OperationDone();
                    });
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

void Replica::OperationDone() {
  CHRONIK_CHECK(operations_ > 0) << "an operation completed that was never submitted";
  --operations_;
  RestartWhenIdle();
  if (!closing_ || operations_ != 0 || !closed_) return;
  FailWaiters(Error{ErrorCode::kShuttingDown, "the broker is shutting down; the outcome is unknown"});
  Task closed = std::exchange(closed_, Task());
  closed();  // may destroy this
}

}  // namespace chronik::replica
