// SPDX-License-Identifier: Apache-2.0
// The follower's side: taking entries, learning what is committed, being told to pull a snapshot. Everything here
// comes from a peer, so whatever makes no sense is refused or ignored and never asserted on.
#include <algorithm>
#include <utility>

#include "kernel/raft/core.h"

namespace chronik::raft {

using Impl = RaftGroup::Impl;

namespace {

// Indexes without a gap, terms that never fall and do not exceed the sender's, offsets that form one chain.
bool WellFormed(const AppendRequest& request, Term sender_term) {
  if (request.previous.term > sender_term) return false;
  if (request.entries.empty()) return true;
  if (request.previous_next_offset < Offset(0)) return false;
  EntryMeta before{request.previous.index, request.previous.term, request.previous_next_offset};
  for (const EntryMeta& entry : request.entries) {
    if (entry.index != before.index + 1 || entry.base_offset != before.next_offset() || entry.term == Term{} ||
        entry.term < before.term || entry.term > sender_term) {
      return false;
    }
    before = entry;
  }
  return true;
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
    TakeEntries(std::move(request.entries), known);
  }
  CommitTo(std::min(request.commit, match));
  // Not only what is new: an answer about entries that are here but not yet on disk waits for them as well.
  AcceptAppend(message.from, match);
}

void Impl::TakeEntries(std::vector<EntryMeta>&& entries, size_t known) {
  entries.erase(entries.begin(), entries.begin() + static_cast<ptrdiff_t>(known));
  const LogIndex first = entries.front().index;
  if (first <= log_.last_index()) {
    log_.TruncateSuffix(first, entries.front().base_offset);
    // Nothing of the old suffix is attested any more, nor will writes under way attest it (see InflightPersist).
    durable_ = std::min(durable_, first - 1);
    for (size_t i = 0; i < persists_.size(); ++i) persists_[i].attests = std::min(persists_[i].attests, first - 1);
  }
  for (const EntryMeta& entry : entries) AppendToLog(entry);
  OpenPersist().entries = std::move(entries);
  // A follower needs these metas only to know offsets when a suffix goes; old ones are not worth their memory.
  if (log_.window_size() > options_.max_uncommitted_entries) {
    log_.ForgetThrough(log_.last_index() - options_.max_uncommitted_entries);
  }
}

void Impl::AcceptAppend(NodeId from, LogIndex match) { SendAfter(from, AppendResponse{false, match, {}, {}}); }

void Impl::RejectAppend(NodeId from, const AppendRequest& request, EntryId hint) {
  SendAfter(from, AppendResponse{true, {}, hint, request.previous.index});
}

void Impl::OnHeartbeatRequest(const Message& message, const HeartbeatRequest& request) {
  // A leader that believes this replica to have more than it has: obeying would commit what was never compared.
  if (request.commit <= log_.last_index()) CommitTo(request.commit);
  // Not behind the disk: a slow write must not look like a dead process.
  Send(message.from, HeartbeatResponse{.read_context = request.read_context});
}

void Impl::OnInstallSnapshot(const Message& message, const InstallSnapshot& offer) {
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

}  // namespace chronik::raft
