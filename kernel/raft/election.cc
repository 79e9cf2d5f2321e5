// SPDX-License-Identifier: Apache-2.0
// Roles and elections: timers, pre-vote (thesis 9.6), votes, check-quorum (6.2), leader stickiness (4.2.3).
#include <algorithm>
#include <limits>
#include <utility>

#include "kernel/base/invariant.h"
#include "kernel/base/mutation.h"
#include "kernel/raft/core.h"
#include "kernel/raft/quorum.h"

namespace chronik::raft {

using Impl = RaftGroup::Impl;

namespace {

// So many election timeouts without a completed write, and a disk is taken for broken.
constexpr uint32_t kStallTimeouts = 4;

// After a lost connection: the first pre-vote starts within so many ticks, and so many more may follow soon.
constexpr uint32_t kHintTicks = 3;
constexpr uint8_t kHintRetries = 3;

}  // namespace

// SplitMix64 (Steele, Lea, Flood, 2014): any seed will do, 0 too.
uint32_t Impl::Random(uint32_t bound) {
  random_state_ += 0x9e3779b97f4a7c15u;
  uint64_t z = random_state_;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return static_cast<uint32_t>((z ^ (z >> 31)) % bound);
}

void Impl::ResetElectionTimer() {
  election_elapsed_ = 0;
  if (hint_retries_ > 0) {
    election_timeout_ = kHintTicks + Random(2 * kHintTicks) + kHintTicks * priority_;
    return;
  }
  election_timeout_ =
      options_.election_ticks + Random(options_.election_ticks) + priority_ * (options_.election_ticks / 2);
}

bool Impl::Alone() const {
  const Configuration& now = configuration();
  return !now.joint() && now.voters.size() == 1 && now.voters[0] == options_.self;
}

// Who is being removed goes on until that is committed: it may have the only log that the remaining voters may follow
// (thesis 4.2.2). Its own vote does not count then.
// Nor does who could not write what a leader has to.
bool Impl::CanCampaign() const { return configurations_.IsVoterSince(options_.self, commit()) && !Stalled(); }

bool Impl::Stalled() const { return write_elapsed_ >= kStallTimeouts * options_.election_ticks; }

bool Impl::InLease() const { return leader_ != ReplicaId{} && election_elapsed_ < options_.election_ticks; }

void Impl::OnTick(uint32_t count) {
  log_.ReleaseMemory();
  persists_.ReleaseIfEmpty();
  // More than two election timeouts in one go teach nothing new: the process was paused.
  count = std::min(count, 2 * options_.election_ticks);
  for (uint32_t i = 0; i < count; ++i) {
    write_elapsed_ = done_sequence_ == last_sequence_ ? 0 : write_elapsed_ + 1;
    if (role_ == Role::kLeader) {
      TickLeader();
      continue;
    }
    ++election_elapsed_;
    if (election_elapsed_ < election_timeout_) continue;
    leader_ = ReplicaId{};
    if (CanCampaign()) {
      StartPreVote();
    } else {
      ResetElectionTimer();
    }
  }
  if (role_ != Role::kLeader || heartbeat_elapsed_ < TicksBetweenBeats()) return;
  heartbeat_elapsed_ = 0;
  Beat();
}

uint32_t Impl::TicksBetweenBeats() const {
  return options_.idle_heartbeat_ticks > options_.heartbeat_ticks && Idle() ? options_.idle_heartbeat_ticks
                                                                            : options_.heartbeat_ticks;
}

// What it sends at the moment only says that it is there: the connection says the same of a thousand groups at once.
bool Impl::Idle() const {
  if (!barriers_.empty() || transfer_target_ != ReplicaId{} || commit() != log_.last_index()) return false;
  return std::all_of(peers_.begin(), peers_.end(), [this](const Progress& peer) {
    return peer.replicating() && peer.match() == commit() && peer.told_commit == commit();
  });
}

uint32_t Impl::TicksUntilDue() const {
  const auto left = [](uint32_t elapsed, uint32_t limit) { return limit > elapsed ? limit - elapsed : 1; };
  if (role_ != Role::kLeader) return left(election_elapsed_, election_timeout_);
  uint32_t due =
      std::min(left(heartbeat_elapsed_, TicksBetweenBeats()), left(election_elapsed_, options_.election_ticks));
  if (transfer_target_ != ReplicaId{}) due = std::min(due, left(transfer_elapsed_, options_.election_ticks));
  if (done_sequence_ != last_sequence_)
    due = std::min(due, left(write_elapsed_, kStallTimeouts * options_.election_ticks));
  return due;
}

void Impl::TickLeader() {
  TickTransfer();
  // Its beats would keep it in office although it commits nothing any more (hashicorp/raft #614).
  if (Stalled() && !Alone()) return HandOver();
  if (++election_elapsed_ >= options_.election_ticks) {
    election_elapsed_ = 0;
    CheckQuorum();
    if (role_ != Role::kLeader) return;
  }
  ++heartbeat_elapsed_;
}

// A leader that no majority answers must not go on believing in itself: its clients would wait for ever.
void Impl::CheckQuorum() {
  const bool heard = QuorumHolds(configuration(), [this](ReplicaId voter) {
    if (voter == options_.self) return true;
    const Progress* peer = FindPeer(voter);
    return peer != nullptr && peer->recently_active;
  });
  if (!heard) return BecomeFollower(hard_.term, ReplicaId{});
  for (Progress& peer : peers_) {
    // Whatever was sent to a silent follower is lost: begin again where it surely is, one message at a time.
    if (!peer.recently_active && peer.replicating()) peer.BecomeProbe();
    peer.was_active = std::exchange(peer.recently_active, false);
    peer.inflight().ReleaseMemory();
  }
  catch_up_mark_ = log_.last_index();
  TrimWindow();
}

void Impl::OnPeerLost(ReplicaId peer) {
  if (role_ == Role::kLeader) {
    Progress* progress = FindPeer(peer);
    if (progress != nullptr && progress->replicating()) progress->BecomeProbe();
    return;
  }
  if (role_ != Role::kFollower || peer != leader_) return;
  // Forgetting the leader also ends this replica's loyalty to it: it may vote for another. Should the leader live, its
  // next message is obeyed as before. The few ticks of chance keep the followers from splitting the vote. Should they
  // split it all the same, or one have asked before the others heard of the loss, the next rounds follow soon, too.
  leader_ = ReplicaId{};
  hint_retries_ = kHintRetries;
  election_elapsed_ = 0;
  election_timeout_ = 1 + Random(kHintTicks) + kHintTicks * priority_;
}

void Impl::StartPreVote() {
  if (!CanCampaign()) return;
  if (Alone()) return StartElection(false);
  LeaveRole();
  role_ = Role::kPreCandidate;
  leader_ = ReplicaId{};
  ResetElectionTimer();
  if (hint_retries_ > 0) --hint_retries_;
  for (const ReplicaId voter : Voters(configuration())) {
    if (voter == options_.self) continue;
    // In the name of the term to come; nobody's term changes, this replica's neither.
    const VoteRequest request{.pre = true, .transfer = false, .last = log_.last()};
    out_->messages.push_back({options_.self, voter, hard_.term + 1, request});
  }
  RecordVote(options_.self, true);
}

void Impl::StartElection(bool transfer) {
  LeaveRole();
  AdoptTerm(hard_.term + 1, options_.self);
  role_ = Role::kCandidate;
  leader_ = ReplicaId{};
  ResetElectionTimer();
  own_vote_sequence_ = last_sequence_;
  for (const ReplicaId voter : Voters(configuration())) {
    if (voter != options_.self) SendAfter(voter, VoteRequest{.pre = false, .transfer = transfer, .last = log_.last()});
  }
}

void Impl::OnVoteRequest(const Message& message, const VoteRequest& request) {
  // Whoever asks believes this replica to be a voter and may know a newer configuration: answer everybody (KIP-853
  // notes the same). It is the candidate that counts only the voters of its configuration.
  const EntryId last = log_.last();
  const bool up_to_date = std::pair(request.last.term, request.last.index) >= std::pair(last.term, last.index) ||
                          CHRONIK_MUTANT(vote_for_a_shorter_log);
  if (request.pre) {
    const bool may = message.term > hard_.term || (message.term == hard_.term && leader_ == ReplicaId{} &&
                                                   (hard_.vote == ReplicaId{} || hard_.vote == message.from));
    const bool granted = may && up_to_date;
    // Granted in the term that was asked for, so that the answer matches the question; refused in the own one.
    const Term term = granted ? message.term : hard_.term;
    out_->messages.push_back({options_.self, message.from, term, VoteResponse{.pre = true, .granted = granted}});
    return;
  }
  const bool may = hard_.vote == message.from || (hard_.vote == ReplicaId{} && leader_ == ReplicaId{});
  if (!may || !up_to_date) return Send(message.from, VoteResponse{.pre = false, .granted = false});
  if (hard_.vote != message.from) AdoptTerm(hard_.term, message.from);
  ResetElectionTimer();
  if (CHRONIK_MUTANT(vote_granted_before_its_disk)) return Send(message.from, VoteResponse{false, true});
  SendAfter(message.from, VoteResponse{.pre = false, .granted = true});
}

void Impl::OnVoteResponse(const Message& message, const VoteResponse& response) {
  if (response.pre) {
    if (role_ != Role::kPreCandidate) return;
    if (response.granted && message.term != hard_.term + 1) return;  // to an older question
  } else if (role_ != Role::kCandidate) {
    return;
  }
  RecordVote(message.from, response.granted);
}

void Impl::OnTimeoutNow() {
  if ((role_ == Role::kFollower || role_ == Role::kPreCandidate) && CanCampaign()) StartElection(true);
}

// The first answer of a voter counts. May change the role.
void Impl::RecordVote(ReplicaId voter, bool granted) {
  if (!IsVoter(configuration(), voter)) return;
  const auto known = std::find_if(votes_.begin(), votes_.end(), [&](const Vote& vote) { return vote.voter == voter; });
  if (known != votes_.end()) return;
  votes_.push_back({voter, granted});
  const auto said = [this](ReplicaId id, bool answer) {
    return std::any_of(votes_.begin(), votes_.end(),
                       [&](const Vote& vote) { return vote.voter == id && vote.granted == answer; });
  };
  if (QuorumHolds(configuration(), [&](ReplicaId id) { return said(id, true); })) {
    if (role_ == Role::kPreCandidate) return StartElection(false);
    return BecomeLeader();
  }
  // Lost if not even all that did not refuse would be enough.
  if (!QuorumHolds(configuration(), [&](ReplicaId id) { return !said(id, false); }))
    BecomeFollower(hard_.term, ReplicaId{});
}

void Impl::AdoptTerm(Term term, ReplicaId vote) {
  CHRONIK_CHECK(term.value <= static_cast<uint64_t>(std::numeric_limits<int32_t>::max()))
      << "term " << term << " is no Kafka leader epoch any more";
  hard_.term = term;
  hard_.vote = vote;
  hard_state_dirty_ = true;
  OpenPersist();
}

void Impl::BecomeFollower(Term term, ReplicaId leader) {
  if (term == hard_.term) AbandonTransfer();  // stepping down by itself, not for the target
  LeaveRole();
  if (term > hard_.term) AdoptTerm(term, ReplicaId{});
  role_ = Role::kFollower;
  leader_ = leader;
  if (leader != ReplicaId{}) hint_retries_ = 0;
  ResetElectionTimer();
}

void Impl::BecomeLeader() {
  LeaveRole();
  role_ = Role::kLeader;
  leader_ = options_.self;
  hint_retries_ = 0;
  election_elapsed_ = 0;
  heartbeat_elapsed_ = 0;
  read_round_ = 0;
  const LogIndex next = log_.last_index() + 1;
  SyncPeers();
  // The first entry of the term commits what earlier terms left behind (paper 5.4.2). The tail that is still on its
  // way to this disk stays so: only StorageDone moves the own match (openraft #2118).
  term_begin_ = next;
  catch_up_mark_ = next;
  AppendOwn({next, hard_.term, log_.next_offset(), 0, 0, EntryKind::kNoop});
  if (CHRONIK_MUTANT(leader_takes_its_tail_for_durable)) durable_ = log_.last_index();
  Broadcast();
}

// What only the present role needs goes; a leader's promises about reading are off.
void Impl::LeaveRole() {
  votes_.clear();
  own_vote_sequence_ = 0;
  if (role_ != Role::kLeader) return;
  for (; !barriers_.empty(); barriers_.pop_front()) out_->barriers_failed.push_back(barriers_.front().context);
  peers_.clear();
  peers_.shrink_to_fit();
  transfer_target_ = ReplicaId{};
  uncommitted_bytes_ = 0;
  log_.ForgetThrough(commit());
}

}  // namespace chronik::raft
