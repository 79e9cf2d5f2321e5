// SPDX-License-Identifier: Apache-2.0
// The follower's side: taking entries, learning what is committed, being told to pull a snapshot. Everything here
// comes from a peer, so whatever makes no sense is refused or ignored and never asserted on.
#include <algorithm>
#include <utility>

#include "kernel/base/mutation.h"
#include "kernel/raft/core.h"

namespace chronik::raft {

using Impl = RaftGroup::Impl;

namespace {

// Indexes without a gap, terms that never fall and do not exceed the sender's, offsets that form one chain, a
// configuration for each entry that says it holds one.
bool WellFormed(const AppendRequest& request, Term sender_term) {
  if (request.previous.term > sender_term) return false;
  if (request.entries.empty()) return request.configurations.empty();
  if (request.previous_next_offset < Offset(0)) return false;
  EntryMeta before{request.previous.index, request.previous.term, request.previous_next_offset};
  for (const EntryMeta& entry : request.entries) {
    if (entry.index != before.index + 1 || entry.base_offset != before.next_offset() || entry.term == Term{} ||
        entry.term < before.term || entry.term > sender_term) {
      return false;
    }
    before = entry;
  }
  const auto configurations =
      static_cast<size_t>(std::count_if(request.entries.begin(), request.entries.end(), [](const EntryMeta& entry) {
        return entry.kind == EntryKind::kConfiguration;
      }));
  return configurations == request.configurations.size() &&
         std::all_of(request.configurations.begin(), request.configurations.end(), IsValid);
}

}  // namespace

void Impl::OnAppendRequest(const Message& message, AppendRequest& request) {
  if (!WellFormed(request, message.term)) return;
  if (request.previous.index < commit()) {
    // What is committed here agrees with every leader, so this says more than an answer to the question would.
    return AcceptAppend(message.from, commit());
  }
  if (!log_.Matches(request.previous)) {
    return RejectAppend(message.from, request, log_.LastNotAbove(request.previous.index, request.previous.term));
  }
  // How many of the entries are here already?
  size_t known = 0;
  while (known < request.entries.size() && log_.Matches(request.entries[known].id())) ++known;
  const LogIndex agreed = request.previous.index + known;
  const Offset agreed_next_offset =
      known == 0 ? request.previous_next_offset : request.entries[known - 1].next_offset();
  if (agreed_next_offset >= Offset(0) && !log_.OffsetFits(agreed, agreed_next_offset)) {
    ++offset_conflicts_;
    return RejectAppend(message.from, request, request.previous);
  }
  const LogIndex match = request.previous.index + request.entries.size();
  if (known < request.entries.size()) {
    if (agreed < commit()) return;  // it would replace what is committed: not from a correct leader
    TakeEntries(request, known);
  }
  CommitTo(std::min(request.commit, CHRONIK_MUTANT(commits_what_was_not_compared) ? log_.last_index() : match));
  // Not only what is new: an answer about entries that are here but not yet on disk waits for them as well.
  AcceptAppend(message.from, match);
}

void Impl::TakeEntries(AppendRequest& request, size_t known) {
  std::vector<EntryMeta>& entries = request.entries;
  std::vector<Configuration>& configurations = request.configurations;
  const auto new_begin = entries.begin() + static_cast<ptrdiff_t>(known);
  const auto holds_one = [](const EntryMeta& entry) { return entry.kind == EntryKind::kConfiguration; };
  configurations.erase(configurations.begin(),
                       configurations.begin() + std::count_if(entries.begin(), new_begin, holds_one));
  entries.erase(entries.begin(), new_begin);
  const LogIndex first = entries.front().index;
  if (first <= log_.last_index()) {
    const LogIndex kept = CHRONIK_MUTANT(stale_completion_attests) ? log_.last_index() : first - 1;
    log_.TruncateSuffix(first, entries.front().base_offset);
    if (!CHRONIK_MUTANT(configuration_not_rolled_back)) configurations_.TruncateSuffix(first);
    // Nothing of the old suffix is attested any more, nor will writes under way attest it (see InflightPersist).
    durable_ = std::min(durable_, first - 1);
    for (size_t i = 0; i < persists_.size(); ++i) persists_[i].attests = std::min(persists_[i].attests, kept);
  }
  auto configuration = configurations.begin();
  for (const EntryMeta& entry : entries) {
    AppendToLog(entry);
    if (holds_one(entry)) configurations_.Append(entry.index, *configuration++);
  }
  OpenPersist().entries = std::move(entries);
  OpenPersist().configurations = std::move(configurations);
  // A follower needs these metas only to know offsets when a suffix goes; old ones are not worth their memory.
  if (log_.window_size() > options_.max_uncommitted_entries) {
    log_.ForgetThrough(log_.last_index() - options_.max_uncommitted_entries);
  }
}

void Impl::AcceptAppend(ReplicaId from, LogIndex match) {
  if (CHRONIK_MUTANT(answer_before_fsync)) return Send(from, AppendResponse{false, match, {}, {}});
  SendAfter(from, AppendResponse{false, match, {}, {}});
}

void Impl::RejectAppend(ReplicaId from, const AppendRequest& request, EntryId hint) {
  SendAfter(from, AppendResponse{true, {}, hint, request.previous.index});
}

void Impl::OnHeartbeatRequest(const Message& message, const HeartbeatRequest& request) {
  // A leader that believes this replica to have more than it has: obeying would commit what was never compared.
  if (request.commit <= log_.last_index()) CommitTo(request.commit);
  // Not behind the disk: a slow write must not look like a dead process.
  Send(message.from, HeartbeatResponse{.read_context = request.read_context});
}

void Impl::OnInstallSnapshot(const Message& message, const InstallSnapshot& offer) {
  if (offer.last.term > message.term || offer.next_offset < Offset(0) || !IsValid(offer.configuration)) return;
  if (offer.last.index <= commit()) {
    return AcceptAppend(message.from, commit());
  }
  if (log_.Matches(offer.last)) {
    // A late offer: what it covers has arrived as entries, which may have been promised by now. Pulling would lose
    // them.
    CommitTo(offer.last.index);
    return AcceptAppend(message.from, commit());
  }
  out_->pull_snapshot = message;
}

void Impl::OnSnapshotReady(const SnapshotReady& snapshot) {
  const bool sound =
      snapshot.last.term <= hard_.term && snapshot.next_offset >= Offset(0) && IsValid(snapshot.configuration);
  // What it covers may have come as entries while it was pulled. Those were promised: they must not go.
  if (!sound || snapshot.last.index <= commit() || log_.Matches(snapshot.last)) return;
  // The log differs from what is committed at `last`, or ends below it: none of it behind `last` is committed. A leader
  // has all that is, so a snapshot that contradicts its log is not of this group.
  if (role_ == Role::kLeader) return;
  if (role_ != Role::kFollower) BecomeFollower(hard_.term, ReplicaId{});
  OpenPersist().reset = snapshot;
  log_ = LogView(snapshot.last, snapshot.next_offset, {}, snapshot.last.index, snapshot.next_offset);
  configurations_.Reset(snapshot.last.index, snapshot.configuration);
  // Writes under way are about the old log.
  durable_ = LogIndex{};
  for (size_t i = 0; i < persists_.size(); ++i) persists_[i].attests = LogIndex{};
  persists_.back().attests = snapshot.last.index;
  CommitTo(snapshot.last.index);
  hard_state_dirty_ = true;
  if (leader_ != ReplicaId{}) AcceptAppend(leader_, snapshot.last.index);
}

}  // namespace chronik::raft
