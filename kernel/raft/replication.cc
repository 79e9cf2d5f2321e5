// SPDX-License-Identifier: Apache-2.0
// The leader's side: proposals, what each follower is sent next, and what a majority has.
#include <algorithm>
#include <utility>

#include "kernel/base/invariant.h"
#include "kernel/base/mutation.h"
#include "kernel/raft/core.h"
#include "kernel/raft/quorum.h"

namespace chronik::raft {

using Impl = RaftGroup::Impl;

namespace {

constexpr size_t kMaxEntriesPerAppend = 4096;
// Committed entries whose metas stay for followers that lag a little; who lags more is served from the log.
constexpr uint64_t kLaggardEntries = 1024;
constexpr uint32_t kSmallRing = 8;

}  // namespace

void Impl::OnPropose(const Propose& propose) {
  if (role_ != Role::kLeader) {
    out_->proposed = Error{ErrorCode::kNotLeader, "this replica does not lead the group"};
    return;
  }
  if (transfer_target_ != ReplicaId{}) {
    out_->proposed = Error{ErrorCode::kNotLeader, "leadership is being handed over"};
    return;
  }
  uint64_t bytes = 0;
  for (const Propose::Entry& entry : propose.entries) {
    bytes += entry.bytes;
    if (entry.kind != EntryKind::kNoop && entry.kind != EntryKind::kConfiguration) continue;
    out_->proposed = Error{ErrorCode::kInvalidArgument, "entries of this kind are the core's own"};
    return;
  }
  // One is always admitted, or a proposal above the limit could never pass (Redpanda #1503).
  const uint64_t uncommitted = log_.last_index() - std::max(commit(), term_begin_ - 1);
  if ((uncommitted_bytes_ > 0 && uncommitted_bytes_ + bytes > options_.max_uncommitted_bytes) ||
      (uncommitted > 0 && uncommitted + propose.entries.size() > options_.max_uncommitted_entries)) {
    out_->proposed = Error{ErrorCode::kOverloaded, "too much is waiting to be committed"};
    return;
  }
  out_->proposed = Proposed{log_.last_index() + 1, hard_.term, log_.next_offset()};
  if (propose.entries.empty()) return;
  OpenPersist().entries.reserve(propose.entries.size());
  for (const Propose::Entry& e : propose.entries) {
    AppendOwn({log_.last_index() + 1, hard_.term, log_.next_offset(), e.offset_count, e.bytes, e.kind});
  }
  uncommitted_bytes_ += bytes;
  Broadcast();
}

void Impl::Broadcast() {
  for (Progress& peer : peers_) Replicate(peer);
}

// Sends what `peer` may have: entries, or else the news that some are committed.
void Impl::Replicate(Progress& peer) {
  while (SendAppend(peer, false)) {
    if (!peer.replicating()) return;
  }
  if (peer.replicating() && std::min(commit(), peer.match()) > peer.told_commit) SendHeartbeat(peer);
}

// Returns whether an AppendRequest left. Without allow_empty only with entries in it, except for a probe.
bool Impl::SendAppend(Progress& peer, bool allow_empty) {
  if (peer.state() == Progress::State::kSnapshot || (peer.probing() && peer.probe_sent())) return false;
  const LogIndex previous = peer.next() - 1;
  const std::optional<Term> term = log_.TermAt(previous);
  if (!term) {
    SendSnapshotOffer(peer);
    return false;
  }
  AppendRequest request;
  request.previous = {previous, *term};
  request.previous_next_offset = log_.NextOffsetAfter(previous).value_or(Offset(-1));
  request.commit = commit();
  const bool full =
      peer.replicating() && peer.inflight().Full(options_.max_inflight_messages, options_.max_inflight_bytes);
  const bool more = peer.next() <= log_.last_index();
  if (full && !allow_empty) return false;
  uint64_t bytes = 0;
  LogIndex end = previous;
  if (more && !full && peer.next() >= log_.window_first()) {
    bytes = CollectEntries(peer, request.entries);
    end = request.entries.back().index;
  } else if (more && !full && peer.agreed()) {
    // Older than the window: the driver will read them. How much it sends only the answer tells, hence one at a time.
    if (peer.replicating()) peer.BecomeProbe();
    end = request.read_through = log_.last_index();
  } else if (!allow_empty && !peer.probing()) {
    return false;  // nothing to say, or older entries whose predecessors are still under way
  }
  if (peer.probing()) {
    peer.SentProbe(request.read_through != LogIndex{});
  } else if (!request.entries.empty()) {
    peer.SentEntries(end, bytes);
  }
  peer.told_commit = std::max(peer.told_commit, std::min(commit(), end));
  Send(peer.peer(), std::move(request));
  return true;
}

uint64_t Impl::CollectEntries(const Progress& peer, std::vector<EntryMeta>& entries) const {
  uint64_t bytes = 0;
  for (LogIndex i = peer.next(); const EntryMeta* entry = log_.Find(i); ++i) {
    if (entries.size() == kMaxEntriesPerAppend) break;
    if (!entries.empty() && bytes + entry->bytes > options_.max_append_bytes) break;
    entries.push_back(*entry);
    bytes += entry->bytes;
  }
  return bytes;
}

void Impl::SendHeartbeat(Progress& peer) {
  // A follower must never be told to commit what it may not have (etcd #17855).
  const LogIndex known = CHRONIK_MUTANT(heartbeat_commits_beyond_match) ? commit() : std::min(commit(), peer.match());
  peer.told_commit = std::max(peer.told_commit, known);
  Send(peer.peer(), HeartbeatRequest{.commit = known, .read_context = barriers_.empty() ? 0 : read_round_});
}

void Impl::SendSnapshotOffer(Progress& peer) {
  if (peer.state() != Progress::State::kSnapshot) peer.BecomeSnapshot();
  // Without one, it is offered when the next heartbeat is answered.
  const Configuration* held = configurations_.ForSnapshotAt(log_.previous().index, commit());
  if (held == nullptr) return;
  Send(peer.peer(), InstallSnapshot{log_.previous(), log_.previous_next_offset(), *held});
}

void Impl::Beat() {
  if (!barriers_.empty() && barriers_.back().round > read_round_ && Confirmed()) ++read_round_;
  for (Progress& peer : peers_) SendHeartbeat(peer);
}

void Impl::OnAppendResponse(ReplicaId from, const AppendResponse& response) {
  Progress* peer = FindPeer(from);
  if (role_ != Role::kLeader || peer == nullptr) return;
  peer->recently_active = true;
  if (response.rejected) {
    // Its hint and this log's own terms together skip whole terms per round trip (etcd's findConflictByTerm).
    const EntryId agreed = log_.LastNotAbove(response.conflict_hint.index, response.conflict_hint.term);
    if (peer->Refused(response.rejected_index, agreed.index)) Replicate(*peer);
    return;
  }
  if (response.match > log_.last_index()) return;  // nobody can have more than the leader: not from a correct peer
  if (peer->Accepted(response.match)) {
    AdvanceCommit();
    TrimWindow();
  }
  Replicate(*peer);
  MaybeTransfer(*peer);
}

void Impl::OnHeartbeatResponse(ReplicaId from, const HeartbeatResponse& response) {
  Progress* peer = FindPeer(from);
  if (role_ != Role::kLeader || peer == nullptr) return;
  peer->recently_active = true;
  if (response.read_context <= read_round_) peer->read_round = std::max(peer->read_round, response.read_context);
  if (peer->state() == Progress::State::kSnapshot) {
    SendSnapshotOffer(*peer);  // a small message; the receiver knows whether it is busy with it
  } else if (peer->probing()) {
    if (peer->ResumeProbe()) SendAppend(*peer, true);
  } else if (peer->match() < log_.last_index() && !peer->accepted_since_beat) {
    // Something may be lost. If so, the follower refuses whatever follows it, and an empty message follows all.
    SendAppend(*peer, true);
  } else {
    Replicate(*peer);
  }
  peer->accepted_since_beat = false;
  MaybeTransfer(*peer);  // what asked it to take over may be lost
  AdvanceBarriers();
}

// Commits what a majority has on disk, if it is of this term (paper 5.4.2, LogCabin #44). Deviation from etcd: never
// beyond what is on the own disk, so that readers may take committed entries from there.
void Impl::AdvanceCommit() {
  const LogIndex own = CHRONIK_MUTANT(leader_counts_before_its_disk) ? log_.last_index() : durable_;
  const LogIndex majority = QuorumReached<LogIndex>(configuration(), [this, own](ReplicaId voter) {
    if (voter == options_.self) return own;
    const Progress* peer = FindPeer(voter);
    return peer == nullptr ? LogIndex{} : peer->match();
  });
  const LogIndex candidate = std::min(majority, own);
  if (candidate <= commit()) return;
  if (log_.TermAt(candidate) != hard_.term && !CHRONIK_MUTANT(commit_counts_old_terms)) return;
  CommitTo(candidate);
  TrimWindow();
  Broadcast();
  AdvanceBarriers();
}

// Keeps the metas that are not committed, and those that followers who keep up still have to be sent.
void Impl::TrimWindow() {
  LogIndex done = commit();
  for (const Progress& peer : peers_) {
    if (peer.replicating()) done = std::min(done, peer.match());
  }
  const uint64_t last = log_.last_index().value;
  const LogIndex bound = std::min(commit(), LogIndex(last > kLaggardEntries ? last - kLaggardEntries : 0));
  log_.ForgetThrough(std::max(done, bound));
  // A group of one may get no ticks, so a burst's memory goes here; what a trickle of proposals needs stays.
  log_.ReleaseMemory(kSmallRing);
  persists_.ReleaseIfEmpty(kSmallRing);
}

Progress* Impl::FindPeer(ReplicaId node) {
  for (Progress& peer : peers_) {
    if (peer.peer() == node) return &peer;
  }
  return nullptr;
}

}  // namespace chronik::raft
