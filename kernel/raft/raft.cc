// SPDX-License-Identifier: Apache-2.0
// The front door: which part of the core an input concerns, what its message's term means, and what leaves a Step.
#include "kernel/raft/raft.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "kernel/base/invariant.h"
#include "kernel/base/mutation.h"
#include "kernel/raft/core.h"
#include "kernel/raft/quorum.h"

namespace chronik::raft {

using Impl = RaftGroup::Impl;

Impl::Impl(const Options& options, const InitialState& initial)
    : options_(options),
      configurations_(initial.configuration, initial.later_configurations),
      log_(initial.previous, initial.previous_next_offset, initial.terms, initial.last_index, initial.next_offset),
      hard_(initial.hard_state),
      durable_(initial.last_index),
      random_state_(options.random_seed),
      priority_(options.priority) {
  CHRONIK_CHECK(options_.self != ReplicaId{}) << "a replica needs an id";
  CHRONIK_CHECK(options_.election_ticks > options_.heartbeat_ticks && options_.heartbeat_ticks > 0)
      << "election " << options_.election_ticks << " heartbeat " << options_.heartbeat_ticks;
  CHRONIK_CHECK(options_.idle_heartbeat_ticks < options_.election_ticks / 2 || options_.idle_heartbeat_ticks <= 1)
      << "election " << options_.election_ticks << " idle heartbeat " << options_.idle_heartbeat_ticks;
  CHRONIK_CHECK(initial.configuration == Configuration{} || IsValid(initial.configuration))
      << "the configuration makes no sense";
  CHRONIK_CHECK(configurations_.newest_index() <= log_.last_index())
      << "a configuration at " << configurations_.newest_index() << ", the log ends at " << log_.last_index();
  CHRONIK_CHECK(log_.last().term <= hard_.term)
      << "entries of term " << log_.last().term << ", hard state " << hard_.term;
  hard_.commit = std::max({hard_.commit, initial.applied, log_.previous().index});
  CHRONIK_CHECK(commit() <= log_.last_index()) << "committed " << commit() << ", the log ends at " << log_.last_index();
  saved_commit_ = commit();
  ResetElectionTimer();
}

void Impl::Step(Input&& input, Output& out) {
  out_ = &out;
  persist_open_ = false;
  const SoftState before = soft_state();
  const uint64_t configuration_before = configurations_.version();
  if (failed_) {
    Refuse(input);
  } else {
    Dispatch(input);
    AdvanceConfiguration();
  }
  FinishStep(before);
  if (configurations_.version() != configuration_before) out.configuration = configuration();
  out_ = nullptr;
}

void Impl::Dispatch(Input& input) {
  if (auto* message = std::get_if<Message>(&input)) {
    OnMessage(*message);
  } else if (const auto* propose = std::get_if<Propose>(&input)) {
    OnPropose(*propose);
  } else if (const auto* done = std::get_if<StorageDone>(&input)) {
    OnStorageDone(done->sequence);
  } else if (const auto* tick = std::get_if<Tick>(&input)) {
    OnTick(tick->count);
  } else if (const auto* barrier = std::get_if<ReadBarrier>(&input)) {
    OnReadBarrier(barrier->context);
  } else if (const auto* lost = std::get_if<PeerLost>(&input)) {
    OnPeerLost(lost->peer);
  } else if (const auto* transfer = std::get_if<TransferLeadership>(&input)) {
    OnTransfer(transfer->target);
  } else if (const auto* change = std::get_if<ChangeConfiguration>(&input)) {
    OnChangeConfiguration(*change);
  } else if (const auto* snapshot = std::get_if<SnapshotReady>(&input)) {
    OnSnapshotReady(*snapshot);
  } else if (std::holds_alternative<CampaignNow>(input)) {
    if (role_ == Role::kFollower || role_ == Role::kPreCandidate) StartPreVote();
  } else if (std::holds_alternative<StorageFailed>(input)) {
    OnStorageFailed();
  }
}

void Impl::Refuse(Input& input) {
  if (std::holds_alternative<Propose>(input)) {
    out_->proposed = Error{ErrorCode::kNotLeader, "the storage of this replica failed"};
  } else if (const auto* barrier = std::get_if<ReadBarrier>(&input)) {
    out_->barriers_failed.push_back(barrier->context);
  } else if (std::holds_alternative<ChangeConfiguration>(input)) {
    out_->configuration_change = Error{ErrorCode::kNotLeader, "the storage of this replica failed"};
  } else if (const auto* transfer = std::get_if<TransferLeadership>(&input)) {
    out_->transfer_failed = transfer->target;
  }
}

void Impl::OnMessage(Message& message) {
  if (message.to != options_.self || message.from == options_.self || message.from == ReplicaId{}) return;
  if (message.term == Term{} || message.term.value > static_cast<uint64_t>(std::numeric_limits<int32_t>::max())) return;
  if (!AcceptTerm(message)) return;
  if (auto* append = std::get_if<AppendRequest>(&message.body)) {
    OnAppendRequest(message, *append);
  } else if (const auto* accepted = std::get_if<AppendResponse>(&message.body)) {
    OnAppendResponse(message.from, *accepted);
  } else if (const auto* beat = std::get_if<HeartbeatRequest>(&message.body)) {
    OnHeartbeatRequest(message, *beat);
  } else if (const auto* alive = std::get_if<HeartbeatResponse>(&message.body)) {
    OnHeartbeatResponse(message.from, *alive);
  } else if (const auto* ask = std::get_if<VoteRequest>(&message.body)) {
    OnVoteRequest(message, *ask);
  } else if (const auto* vote = std::get_if<VoteResponse>(&message.body)) {
    OnVoteResponse(message, *vote);
  } else if (const auto* offer = std::get_if<InstallSnapshot>(&message.body)) {
    OnInstallSnapshot(message, *offer);
  } else if (std::holds_alternative<TimeoutNow>(message.body)) {
    OnTimeoutNow();
  }
}

bool Impl::AcceptTerm(const Message& message) {
  const auto* ask = std::get_if<VoteRequest>(&message.body);
  const auto* vote = std::get_if<VoteResponse>(&message.body);
  const bool from_leader = std::holds_alternative<AppendRequest>(message.body) ||
                           std::holds_alternative<HeartbeatRequest>(message.body) ||
                           std::holds_alternative<InstallSnapshot>(message.body);
  if (message.term < hard_.term && !CHRONIK_MUTANT(stale_term_is_accepted)) {
    // The sender must learn of the newer term, or with pre-vote and check-quorum a replica that is ahead could neither
    // follow nor win (etcd #8334).
    if (from_leader) SendAfter(message.from, AppendResponse{true, {}, {}, {}});
    if (ask != nullptr) Send(message.from, VoteResponse{ask->pre, false});
    return false;
  }
  if (message.term > hard_.term) {
    // Leader stickiness (thesis 4.2.3): who hears a leader does not even learn the term of those who want another.
    if (ask != nullptr && !ask->transfer && InLease()) return false;
    const bool keeps_term = (ask != nullptr && ask->pre) || (vote != nullptr && vote->pre && vote->granted);
    if (!keeps_term) BecomeFollower(message.term, from_leader ? message.from : ReplicaId{});
  }
  if (!from_leader) return true;
  if (role_ == Role::kLeader) return false;  // two leaders of one term: not from a correct peer
  if (role_ != Role::kFollower || leader_ != message.from) BecomeFollower(hard_.term, message.from);
  election_elapsed_ = 0;
  return true;
}

void Impl::OnStorageDone(uint64_t sequence) {
  CHRONIK_CHECK(sequence <= last_sequence_) << "storage completed " << sequence << ", asked for " << last_sequence_;
  if (sequence <= done_sequence_) return;
  done_sequence_ = sequence;
  write_elapsed_ = 0;
  const bool all = CHRONIK_MUTANT(completion_covers_later_writes);
  while (!persists_.empty() && (persists_.front().sequence <= sequence || all)) {
    durable_ = std::max(durable_, persists_.front().attests);
    persists_.pop_front();
  }
  if (role_ == Role::kCandidate && own_vote_sequence_ != 0 && own_vote_sequence_ <= sequence) {
    own_vote_sequence_ = 0;
    RecordVote(options_.self, true);
  } else if (role_ == Role::kLeader) {
    AdvanceCommit();
  }
}

void Impl::OnStorageFailed() {
  BecomeFollower(hard_.term, ReplicaId{});
  failed_ = true;
}

// One unit of persistence per Step: what it appends and the hard state belong together.
Persist& Impl::OpenPersist() {
  if (!persist_open_) {
    persist_open_ = true;
    out_->persist.emplace_back().sequence = ++last_sequence_;
    persists_.push_back({last_sequence_, LogIndex{}});
  }
  return out_->persist.back();
}

void Impl::FinishStep(SoftState before) {
  if (persist_open_) {
    // The commit index rides along, it is never worth a write of its own. Not beyond what is known to be durable: a
    // write before this one may yet fail, and then this one must not speak of its entries.
    HardState saved = hard_;
    if (!out_->persist.back().reset) saved.commit = std::min(commit(), durable_);
    if (hard_state_dirty_ || saved_commit_ != saved.commit) out_->persist.back().hard_state = saved;
    saved_commit_ = saved.commit;
    hard_state_dirty_ = false;
  }
  if (const SoftState now = soft_state(); now != before) out_->soft_state = now;
}

void Impl::AppendToLog(const EntryMeta& entry) {
  OpenPersist();
  log_.Append(entry);
  persists_.back().attests = entry.index;
}

void Impl::AppendOwn(const EntryMeta& entry) {
  AppendToLog(entry);
  out_->persist.back().entries.push_back(entry);
}

void Impl::Send(ReplicaId to, Body body) { out_->messages.push_back({options_.self, to, hard_.term, std::move(body)}); }

void Impl::SendAfter(ReplicaId to, Body body) {
  // Nothing under way means nothing to wait for: an answer must not wait for a write that nobody is going to make.
  if (last_sequence_ == done_sequence_ && !CHRONIK_MUTANT(answer_waits_for_no_write)) return Send(to, std::move(body));
  out_->messages_after.emplace_back(last_sequence_, Message{options_.self, to, hard_.term, std::move(body)});
}

void Impl::CommitTo(LogIndex index) {
  if (index <= commit()) return;
  CHRONIK_CHECK(index <= log_.last_index()) << "commit " << index << ", the log ends at " << log_.last_index();
  if (role_ == Role::kLeader) {
    for (LogIndex i = std::max(commit() + 1, term_begin_); i <= index; ++i) {
      const EntryMeta* entry = log_.Find(i);
      CHRONIK_CHECK(entry != nullptr) << "an uncommitted entry of this term was forgotten: " << i;
      uncommitted_bytes_ -= entry->bytes;
    }
  }
  if (const Configuration* settled = configurations_.SettledIn(commit(), index)) out_->settled = *settled;
  hard_.commit = index;
  out_->committed = index;
  if (role_ != Role::kLeader) log_.ForgetThrough(index);
}

RaftGroup::RaftGroup(const Options& options, const InitialState& initial)
    : impl_(std::make_unique<Impl>(options, initial)) {}
RaftGroup::~RaftGroup() = default;
RaftGroup::RaftGroup(RaftGroup&&) noexcept = default;
RaftGroup& RaftGroup::operator=(RaftGroup&&) noexcept = default;

void RaftGroup::Step(Input input, Output& out) { impl_->Step(std::move(input), out); }

SoftState RaftGroup::soft_state() const { return impl_->soft_state(); }
HardState RaftGroup::hard_state() const { return impl_->hard_; }
LogIndex RaftGroup::commit_index() const { return impl_->commit(); }
LogIndex RaftGroup::last_index() const { return impl_->log_.last_index(); }
LogIndex RaftGroup::durable_index() const { return impl_->durable_; }
Offset RaftGroup::next_offset() const { return impl_->log_.next_offset(); }
bool RaftGroup::leader_is_confirmed() const { return impl_->Confirmed(); }
const std::vector<TermStart>& RaftGroup::term_table() const { return impl_->log_.terms(); }
std::optional<Term> RaftGroup::TermAt(LogIndex index) const { return impl_->log_.TermAt(index); }
const Configuration& RaftGroup::configuration() const { return impl_->configuration(); }
const Configuration& RaftGroup::ConfigurationAtIndex(LogIndex index) const { return impl_->configurations_.At(index); }
const ConfigurationHistory& RaftGroup::configurations() const { return impl_->configurations_; }
void RaftGroup::SetPriority(uint32_t priority) { impl_->priority_ = priority; }
uint32_t RaftGroup::ticks_until_due() const { return impl_->TicksUntilDue(); }
uint32_t RaftGroup::ticks_between_beats() const { return impl_->TicksBetweenBeats(); }
uint64_t RaftGroup::uncommitted_bytes() const { return impl_->uncommitted_bytes_; }
uint64_t RaftGroup::offset_conflicts() const { return impl_->offset_conflicts_; }

std::vector<PeerStatus> RaftGroup::peers() const {
  std::vector<PeerStatus> out;
  out.reserve(impl_->peers_.size());
  for (const Progress& peer : impl_->peers_) {
    out.push_back({peer.peer(), peer.match(), peer.next(), peer.recently_active || peer.was_active, peer.learner()});
  }
  return out;
}

void RaftGroup::TruncatedPrefix(LogIndex first, Offset first_offset) {
  CHRONIK_CHECK(first <= impl_->commit() + 1) << "dropped up to " << first << ", committed " << impl_->commit();
  impl_->log_.TruncatePrefix(first, first_offset);
  impl_->configurations_.ForgetBefore(first);
}

}  // namespace chronik::raft
