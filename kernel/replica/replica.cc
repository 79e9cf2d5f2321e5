// SPDX-License-Identifier: Apache-2.0
// How a replica starts from what its store kept, and how one Step of the core is carried out.
#include "kernel/replica/replica.h"

#include <algorithm>
#include <utility>

#include "kernel/base/log.h"
#include "kernel/base/mutation.h"

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
      tail_(cache),
      pull_(options_.snapshot_chunk_bytes, options_.snapshot_retry_ticks) {
  if (options_.ticks != nullptr) slot_ = options_.ticks->Add(*this);
}

Replica::~Replica() {
  CHRONIK_CHECK(operations_ == 0) << "a replica ends with " << operations_ << " operations in flight";
  if (slot_) options_.ticks->Remove(*slot_);
}

Status Replica::Start() {
  const log::Bounds& bounds = opened_.bounds;
  applied_ = bounds.previous;
  high_watermark_ = bounds.first_offset;
  configurations_ = {{LogIndex{}, {options_.voters, {}}}};
  CHRONIK_RETURN_IF_ERROR(RestoreCheckpoint());
  if (bounds.hard_state.commit > bounds.last_index) {
    return Error{ErrorCode::kCorrupt, "group " + std::to_string(options_.group.value) + ": its log ends at entry " +
                                          std::to_string(bounds.last_index.value) + ", but entry " +
                                          std::to_string(bounds.hard_state.commit.value) + " was committed"};
  }
  OpenGroup(std::move(opened_), std::move(configurations_));
  return {};
}

Status Replica::RestoreCheckpoint() {
  if (opened_.checkpoint.empty()) return {};
  const log::Bounds& bounds = opened_.bounds;
  auto checkpoint = DecodeCheckpoint(opened_.checkpoint);
  opened_.checkpoint = Bytes();
  if (!checkpoint.ok()) return checkpoint.error();
  applied_ = checkpoint->applied;
  // Its own checkpoint beyond the log would mean that acked entries are gone.
  const bool lost = !checkpoint->pulled && !IsCommittedPrefix(opened_);
  if (lost || applied_.index < bounds.previous.index) {
    return Error{ErrorCode::kCorrupt, "group " + std::to_string(options_.group.value) +
                                          ": its checkpoint stands at entry " + std::to_string(applied_.index.value) +
                                          ", its log holds " + std::to_string(bounds.first_index.value) + " to " +
                                          std::to_string(bounds.last_index.value)};
  }
  CHRONIK_RETURN_IF_ERROR(machine_.RestoreCheckpoint(checkpoint->state));
  high_watermark_ = checkpoint->next_offset;
  checkpoint_index_ = applied_.index;
  if (CHRONIK_MUTANT(applied_twice_after_restart)) {
    applied_ = bounds.previous;
    high_watermark_ = bounds.first_offset;
  }
  if (!checkpoint->configurations.empty()) configurations_ = std::move(checkpoint->configurations);
  return {};
}

// Whether the log holds the last entry that is in the state: then all up to there is known to be committed.
bool Replica::IsCommittedPrefix(const log::OpenedGroup& opened) const {
  if (applied_.index > opened.bounds.last_index) return false;
  Term term = opened.bounds.previous.term;
  for (const raft::TermStart& row : opened.terms) {
    if (row.first_index <= applied_.index) term = row.term;
  }
  return term == applied_.term;
}

// `configurations`: those up to applied_. The log may bring later ones, committed or not.
void Replica::OpenGroup(log::OpenedGroup opened, std::vector<raft::ConfigurationAt> configurations) {
  const log::Bounds& bounds = opened.bounds;
  const LogIndex known = IsCommittedPrefix(opened) ? applied_.index : bounds.previous.index;
  while (configurations.size() > 1 && configurations.back().index > known) configurations.pop_back();
  opened_ = std::move(opened);
  configurations_ = std::move(configurations);
  raft_.reset();  // one that knows of entries which the disk did not take must say nothing more
  log_begin_ = bounds.previous;
  first_offset_ = bounds.first_offset;
  durable_ = bounds.last_index;
  if (known < durable_) return ReadConfigurations(known + 1);
  StartGroup();
}

void Replica::ReadConfigurations(LogIndex next) {
  ++operations_;
  store_.Read(options_.shard, handle_,
              {.by = log::ReadBy::kIndex,
               .key = static_cast<int64_t>(next.value),
               .end_index = durable_ + 1,
               .max_bytes = 4 << 20},
              [this](Result<std::vector<Entry>> entries) {
                Status status = entries.ok() ? CollectConfigurations(*entries) : Status(entries.error());
                if (!status.ok()) {
                  FailForGood(status.error());
                } else if (!closing_) {
                  const LogIndex last = entries->back().meta.index;
                  last < durable_ ? ReadConfigurations(last + 1) : StartGroup();
                }
                OperationDone();
              });
}

Status Replica::CollectConfigurations(const std::vector<Entry>& entries) {
  if (entries.empty()) return Error{ErrorCode::kStorage, "the store returned nothing"};
  for (const Entry& entry : entries) {
    if (entry.meta.kind != EntryKind::kConfiguration) continue;
    auto configuration = raft::DecodeConfiguration(entry.body);
    if (!configuration.ok()) return configuration.error();
    configurations_.push_back({entry.meta.index, *std::move(configuration)});
  }
  return {};
}

void Replica::StartGroup() {
  if (CHRONIK_MUTANT(vote_forgotten_at_restart)) opened_.bounds.hard_state.vote = ReplicaId{};
  const log::Bounds& b = opened_.bounds;
  const LogIndex known =
      IsCommittedPrefix(opened_) ? applied_.index : LogIndex{};  // looks at the terms, given away below
  ++generation_;
  tail_.Clear();
  after_.clear();
  pull_.Abandon();
  raft::Configuration base = std::move(configurations_.front().configuration);
  configurations_.erase(configurations_.begin());
  raft_ = std::make_unique<raft::RaftGroup>(
      options_.raft, raft::InitialState{.hard_state = b.hard_state,
                                        .previous = b.previous,
                                        .previous_next_offset = b.first_offset,
                                        .terms = std::exchange(opened_.terms, {}),
                                        .last_index = b.last_index,
                                        .next_offset = b.next_offset,
                                        .configuration = std::move(base),
                                        .applied = known,
                                        .later_configurations = std::exchange(configurations_, {})});
  if (slot_) ticked_ = options_.ticks->now();
  if (raft_->configuration() == raft::Configuration{{options_.raft.self}, {}}) return Step(raft::CampaignNow{});
  OnStepped(raft_->soft_state(), true);
}

raft::SoftState Replica::soft_state() const {
  if (raft_) return raft_->soft_state();
  return {raft::Role::kFollower, ReplicaId{}, opened_.bounds.hard_state.term};
}

Status Replica::writable() const {
  if (refused_) return *refused_;
  if (closing_) return Error{ErrorCode::kShuttingDown, "this partition is closing"};
  if (!ready_) return Error{ErrorCode::kNotLeader, "this broker does not lead the partition"};
  return {};
}

Result<raft::Proposed> Replica::Propose(Proposal proposal, WaitFor wait, log::DoneCallback done) {
  CatchUpWithTicks();
  CHRONIK_RETURN_IF_ERROR(writable());
  raft::Propose input;
  input.entries.push_back({proposal.kind, proposal.offset_count, static_cast<uint32_t>(proposal.body.size())});
  proposals_.push_back(std::move(proposal));
  out_.Clear();
  raft_->Step(std::move(input), out_);
  CHRONIK_CHECK(out_.proposed.has_value()) << "the Raft core did not answer a proposal";
  const Result<raft::Proposed> proposed = *std::move(out_.proposed);
  if (proposed.ok() && wait != WaitFor::kNothing) {
    Waiters& waiters = wait == WaitFor::kDurable ? durable_waiters_ : commit_waiters_;
    waiters.push_back({proposed->first, proposed->term, std::move(done)});
  }
  CarryOut();
  proposals_.clear();
  return proposed;
}

Result<LogIndex> Replica::ChangeConfiguration(std::vector<ReplicaId> voters, std::vector<ReplicaId> learners) {
  CatchUpWithTicks();
  CHRONIK_RETURN_IF_ERROR(writable());
  out_.Clear();
  raft_->Step(raft::ChangeConfiguration{std::move(voters), std::move(learners)}, out_);
  CHRONIK_CHECK(out_.configuration_change.has_value()) << "the Raft core did not answer a change of configuration";
  const Result<LogIndex> answer = *out_.configuration_change;
  CarryOut();
  return answer;
}

void Replica::AlignConfiguration(const std::vector<ReplicaId>& voters, const std::vector<ReplicaId>& learners) {
  if (!ready_ || voters.empty()) return;
  const raft::Configuration& now = raft_->configuration();
  if (now.joint()) return;
  const bool stable = now.phase == raft::ConfigurationPhase::kStable;
  if ((stable ? now.voters : now.next_voters) == voters && (stable ? now.learners : now.next_learners) == learners)
    return;
  // Whoever asks may not have heard of a newer life yet.
  for (const ReplicaId member : raft::Members(now)) {
    for (const auto* wanted : {&voters, &learners}) {
      for (const ReplicaId w : *wanted) {
        if (w.node() == member.node() && w.generation() < member.generation()) return;
      }
    }
  }
  const auto changed = ChangeConfiguration(voters, learners);
  if (!changed.ok() && changed.error().code == ErrorCode::kInvalidArgument)
    CHRONIK_LOG(kError) << "group " << options_.group << ": " << changed.error();
}

bool Replica::IsSettled(const std::vector<ReplicaId>& voters) const {
  if (!ready_) return false;
  const raft::Configuration& now = raft_->configuration();
  return now.phase == raft::ConfigurationPhase::kStable && now.voters == voters && now.learners.empty() &&
         raft_->configurations().newest_index() <= raft_->commit_index();
}

void Replica::TransferLeadership(ReplicaId target) {
  if (writable().ok()) Step(raft::TransferLeadership{target});
}

bool Replica::HandOver() {
  if (!raft_ || failed_ || refused_ || closing_ || raft_->soft_state().role != raft::Role::kLeader) return false;
  const raft::PeerStatus* best = nullptr;
  const std::vector<raft::PeerStatus> peers = raft_->peers();
  for (const raft::PeerStatus& peer : peers) {
    if (peer.learner || !peer.recently_active) continue;
    if (best == nullptr || peer.match > best->match) best = &peer;
  }
  if (best == nullptr) return false;
  Step(raft::TransferLeadership{best->peer});
  return true;
}

void Replica::Campaign() {
  if (raft_ && !failed_ && !refused_ && !closing_) Step(raft::CampaignNow{});
}

void Replica::PeerLost(NodeId node) {
  if (!raft_ || failed_ || refused_ || closing_) return;
  for (const ReplicaId member : raft::Members(raft_->configuration())) {
    if (member.node() == node) Step(raft::PeerLost{member});
  }
}

void Replica::ReadBarrier(log::DoneCallback done) {
  if (const Status status = writable(); !status.ok()) return done(status);
  const uint64_t context = next_barrier_++;
  barriers_.emplace(context, std::move(done));
  Step(raft::ReadBarrier{context});
}

void Replica::Step(raft::Input input) {
  CatchUpWithTicks();
  out_.Clear();
  raft_->Step(std::move(input), out_);
  CarryOut();
}

// In the order that raft.h asks for. What calls out of this class comes last, as it may step again.
void Replica::CarryOut() {
  durable_ = raft_->durable_index();
  for (const raft::Persist& persist : out_.persist) Persist(persist);
  for (raft::Message& message : out_.messages) SendRaft(std::move(message));
  for (auto& promise : out_.messages_after) after_.push_back(std::move(promise));
  if (out_.pull_snapshot) OnPullSnapshot(*out_.pull_snapshot);
  const std::optional<raft::SoftState> soft_state = out_.soft_state;
  const bool committed = out_.committed.has_value();
  const std::vector<uint64_t> passed = std::exchange(out_.barriers_passed, {});
  const std::vector<uint64_t> lost = std::exchange(out_.barriers_failed, {});
  OnStepped(soft_state, committed);
  AnswerBarriers(passed, lost);
}

void Replica::OnStepped(const std::optional<raft::SoftState>& soft_state, bool committed) {
  if (soft_state) {
    ready_ = false;
    machine_.OnPendingLost();
    machine_.OnSoftState(*soft_state);
  }
  if (committed || soft_state) ApplyCommitted();
  CompleteWaiters();
  if (soft_state && soft_state->role != raft::Role::kLeader) {
    served_.clear();
    FailWaiters(Error{ErrorCode::kTimedOut, "leadership changed; the outcome is unknown"});
  }
  Reschedule();
}

}  // namespace chronik::replica
