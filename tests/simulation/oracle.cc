// SPDX-License-Identifier: Apache-2.0
#include "tests/simulation/oracle.h"

#include <algorithm>

#include "kernel/base/crc32c.h"
#include "kernel/base/endian.h"
#include "kernel/raft/quorum.h"
#include "tests/simulation/workload.h"

namespace chronik::sim {

using raft::EntryKind;

Digest Mix(Digest digest, uint64_t value) {
  digest ^= value + 0x9e3779b97f4a7c15u + (digest << 6) + (digest >> 2);
  return digest * 0xff51afd7ed558ccdu;
}

uint64_t HashOf(ByteView body) { return (uint64_t{Crc32c(body)} << 32) ^ body.size(); }

void Oracle::Violated(GroupId group, ReplicaId node, const std::string& what) {
  report_("group " + std::to_string(group.value) + " at node " + std::to_string(node.value) + ": " + what);
}

const Oracle::Committed* Oracle::At(GroupId group, LogIndex index) {
  const auto& committed = groups_[group].committed;
  return index == LogIndex{} || index.value > committed.size() ? nullptr : &committed[index.value - 1];
}

void Oracle::OnOpened(GroupId group, ReplicaId node, const log::Bounds& found, bool trusted) {
  Group& g = groups_[group];
  Kept& kept = g.kept[node];
  kept.trusted = kept.trusted && trusted;
  kept.elected_in = Term{};
  const LogIndex least = kept.trusted ? kept.committed : std::min(kept.committed, kept.durable[3]);
  if (found.last_index < least)
    Violated(group, node, "promises: entry " + std::to_string(least.value) + " is gone after a restart");
  if (kept.trusted && found.hard_state.term < g.promised[node])
    Violated(group, node, "promises: its term fell in a crash");
  CheckVote(group, node, found.hard_state);
}

void Oracle::CheckVote(GroupId group, ReplicaId node, const raft::HardState& state) {
  Group& g = groups_[group];
  const auto vote = g.votes.find(std::pair(node, state.term));
  if (vote != g.votes.end() && vote->second != state.vote && g.kept[node].trusted)
    Violated(group, node, "promises: it forgot its vote in term " + std::to_string(state.term.value));
}

void Oracle::CheckPromises(GroupId group, ReplicaId node, const raft::RaftGroup& raft) {
  const Kept& kept = groups_[group].kept[node];
  CheckVote(group, node, raft.hard_state());
  const Term term = raft.hard_state().term;
  // Only the leader of that term could have told it to drop the entry, and a leader does not drop its own.
  const std::optional<Term> answered = raft.TermAt(kept.answered.index);
  const bool dropped = raft.last_index() < kept.answered.index || (answered && *answered != kept.answered.term);
  if (kept.trusted && kept.answered_in == term && dropped)
    Violated(group, node,
             "promises: it dropped entry " + std::to_string(kept.answered.index.value) +
                 ", which the leader of its term counts on");
  if (raft.soft_state().role == raft::Role::kLeader) CheckCommit(group, node, raft);
}

void Oracle::CheckCommit(GroupId group, ReplicaId node, const raft::RaftGroup& raft) {
  Group& g = groups_[group];
  Kept& kept = g.kept[node];
  const LogIndex commit = raft.commit_index();
  const Term term = raft.hard_state().term;
  if (kept.elected_in != term || commit <= kept.commit_checked) return;
  kept.commit_checked = commit;
  const std::string what =
      "entry " + std::to_string(commit.value) + " is committed in term " + std::to_string(term.value);
  // What an earlier term left is committed by an entry of this one on top of it (paper 5.4.2).
  if (!raft.leader_is_confirmed()) Violated(group, node, "leader completeness: " + what + ", and is of an earlier one");
  const auto has = [&](ReplicaId voter) {
    if (voter == node) return raft.durable_index() >= commit;
    const auto answered = g.answered.find(std::pair(voter, term));
    return answered != g.answered.end() && answered->second >= commit;
  };
  // Since it committed the entry it may have gone on to the next configuration, or to the one after it.
  const auto& rows = raft.configurations().rows();
  const auto recent = rows.end() - std::min<ptrdiff_t>(3, rows.end() - rows.begin());
  if (std::none_of(recent, rows.end(), [&](const auto& row) { return raft::QuorumHolds(row.configuration, has); }))
    Violated(group, node, "quorum: " + what + " without a majority that has it");
}

void Oracle::OnElected(GroupId group, ReplicaId node, Term term, LogIndex commit) {
  Kept& kept = groups_[group].kept[node];
  kept.elected_in = term;
  kept.commit_checked = commit;
}

void Oracle::OnSoftState(GroupId group, ReplicaId node, const raft::SoftState& state) {
  if (state.role != raft::Role::kLeader) return;
  const auto [leader, fresh] = groups_[group].leaders.emplace(state.term, node);
  if (!fresh && leader->second != node)
    Violated(group, node,
             "election safety: node " + std::to_string(leader->second.value) + " led term " +
                 std::to_string(state.term.value) + " as well");
}

void Oracle::OnApply(GroupId group, ReplicaId node, const log::Entry& entry, Digest after) {
  Group& g = groups_[group];
  const raft::EntryMeta& meta = entry.meta;
  const Committed seen{meta.term, meta.base_offset, meta.offset_count, ProposedHash(entry), HashOf(entry.body), after};
  if (meta.index.value == g.committed.size() + 1) {
    const Offset begin =
        g.committed.empty() ? Offset(0) : g.committed.back().base_offset + g.committed.back().offset_count;
    if (meta.base_offset != begin) Violated(group, node, "offsets: a gap at entry " + std::to_string(meta.index.value));
    g.committed.push_back(seen);
    return;
  }
  const Committed* known = At(group, meta.index);
  if (known == nullptr) return Violated(group, node, "applied an entry that does not follow the last one");
  if (known->term != seen.term || known->base_offset != seen.base_offset || known->body != seen.body ||
      known->after != seen.after) {
    Violated(group, node,
             "state-machine safety: entry " + std::to_string(meta.index.value) + " of term " +
                 std::to_string(meta.term.value) + " was applied elsewhere as one of term " +
                 std::to_string(known->term.value));
  }
}

void Oracle::OnRestored(GroupId group, ReplicaId node, LogIndex applied, Digest digest) {
  if (applied == LogIndex{}) return;
  const Committed* known = At(group, applied);
  if (known == nullptr) return Violated(group, node, "restored a state that nobody had");
  if (known->after != digest)
    Violated(group, node, "state-machine safety: restored another state at " + std::to_string(applied.value));
}

void Oracle::OnHighWatermark(GroupId group, ReplicaId node, Offset before, Offset after) {
  if (after < before) Violated(group, node, "the high watermark fell");
}

// One that was deposed without knowing it may get here late, and lack what a later leader committed.
void Oracle::OnReady(GroupId group, const replica::Replica& replica, ReplicaId node) {
  Group& g = groups_[group];
  const Term own = replica.soft_state().term;
  for (LogIndex i = replica.first_index(); i.value <= g.committed.size(); ++i) {
    const Term term = At(group, i)->term;
    if (term > own) return;
    if (replica.raft()->TermAt(i) != term) {
      return Violated(group, node,
                      "leader completeness: entry " + std::to_string(i.value) +
                          " was committed and is not in the log of the leader of term " + std::to_string(own.value));
    }
  }
  if (replica.high_watermark() < g.high_watermark) Violated(group, node, "a new leader's high watermark is lower");
}

namespace {

// Whether a message says that its sender votes or leads in its term, or follows the leader of it.
bool VouchesForTerm(const raft::Message& m) {
  if (const auto* ask = std::get_if<raft::VoteRequest>(&m.body)) return !ask->pre;
  if (const auto* vote = std::get_if<raft::VoteResponse>(&m.body)) return vote->granted && !vote->pre;
  return std::holds_alternative<raft::AppendRequest>(m.body) ||
         std::holds_alternative<raft::HeartbeatRequest>(m.body) || std::holds_alternative<raft::AppendResponse>(m.body);
}

Term StoredTermAt(const log::OpenedGroup& stored, LogIndex index) {
  Term term = stored.bounds.previous.term;
  for (const raft::TermStart& row : stored.terms) {
    if (row.first_index <= index) term = row.term;
  }
  return term;
}

}  // namespace

void Oracle::OnSent(GroupId group, const replica::Replica& replica, const replica::PeerMessage& message,
                    const log::OpenedGroup* stored) {
  const auto* sent = std::get_if<replica::RaftMessage>(&message.body);
  if (sent == nullptr) return;
  const raft::Message& m = sent->message;
  CheckPromises(group, m.from, *replica.raft());
  const auto* vote = std::get_if<raft::VoteResponse>(&m.body);
  const bool votes = vote != nullptr && vote->granted && !vote->pre;
  if (stored != nullptr) {
    const raft::HardState& on_disk = stored->bounds.hard_state;
    if (VouchesForTerm(m) && on_disk.term < m.term)
      Violated(group, m.from, "promises: term " + std::to_string(m.term.value) + " is not on its disk");
    if (votes && on_disk.term == m.term && on_disk.vote != m.to)
      Violated(group, m.from, "promises: its vote is not on its disk");
  }
  if (votes) {
    const auto [given, fresh] = groups_[group].votes.emplace(std::pair(m.from, m.term), m.to);
    if (!fresh && given->second != m.to)
      Violated(group, m.from, "election safety: two votes in term " + std::to_string(m.term.value));
  }
  if (const auto* answer = std::get_if<raft::AppendResponse>(&m.body)) OnAnswer(group, replica, m, *answer);
}

void Oracle::OnAnswer(GroupId group, const replica::Replica& replica, const raft::Message& m,
                      const raft::AppendResponse& answer) {
  Group& g = groups_[group];
  if (!answer.rejected) {
    LogIndex& match = g.answered[std::pair(m.from, m.term)];
    match = std::max(match, answer.match);
  }
  // (An answer of an earlier term may come after a later leader replaced what it was about.)
  if (!answer.rejected && m.term == replica.raft()->hard_state().term) {
    // What lies before the log is in a snapshot, which was durable before the log was told to begin behind it.
    if (answer.match > replica.durable_index() && answer.match >= replica.first_index())
      Violated(group, m.from,
               "promises: entry " + std::to_string(answer.match.value) + " is not on its disk, which ends at " +
                   std::to_string(replica.durable_index().value) + "; committed is " +
                   std::to_string(replica.raft()->commit_index().value) + ", the log ends at " +
                   std::to_string(replica.raft()->last_index().value) + ", applied is " +
                   std::to_string(replica.applied().index.value));
    Kept& kept = g.kept[m.from];
    const bool more = kept.answered_in != m.term || answer.match > kept.answered.index;
    if (const auto term = replica.raft()->TermAt(answer.match); term && more) {
      kept.answered_in = m.term;
      kept.answered = {answer.match, *term};
    }
  }
  Term& promised = g.promised[m.from];
  if (m.term < promised) Violated(group, m.from, "promises: its term fell");
  promised = std::max(promised, m.term);
}

void Oracle::OnAcked(GroupId group, ReplicaId leader, LogIndex index, Term term, uint64_t proposed) {
  const Committed* known = At(group, index);
  if (known == nullptr || known->term != term || known->proposed != proposed)
    return Violated(group, leader, "durability: acked entry " + std::to_string(index.value) + " is not committed");
  Group& g = groups_[group];
  g.acked = std::max(g.acked, index);
  g.high_watermark = std::max(g.high_watermark, known->base_offset + known->offset_count);
  ++acks_;
}

void Oracle::OnRead(GroupId group, ReplicaId node, Offset from, const replica::DataRead& read) {
  const auto& committed = groups_[group].committed;
  const Bytes all = read.batches.Flatten();
  size_t at = 0;
  Offset next = from;
  while (at < all.size()) {
    const size_t size = BatchSize(all.view().subspan(at));
    if (size == 0 || size > all.size() - at) return Violated(group, node, "a read returned a broken batch");
    auto found = std::partition_point(committed.begin(), committed.end(),
                                      [&](const Committed& c) { return c.base_offset + c.offset_count <= next; });
    while (found != committed.end() && found->offset_count == 0) ++found;
    if (found == committed.end() || found->body != HashOf(all.view().subspan(at, size)))
      return Violated(group, node,
                      "a read at offset " + std::to_string(next.value) + " returned what is not committed");
    next = found->base_offset + found->offset_count;
    at += size;
  }
}

void Oracle::OnBarrier(GroupId group, ReplicaId node, LogIndex acked_before, LogIndex applied) {
  if (applied < acked_before)
    Violated(group, node,
             "linearizable reads: acked entry " + std::to_string(acked_before.value) +
                 " is not seen behind a barrier, which applied " + std::to_string(applied.value));
}

// What it believes to be committed is what is committed; its offsets and its memory are within their bounds.
void Oracle::CheckLog(GroupId group, ReplicaId node, const replica::Replica& replica, const log::OpenedGroup& stored) {
  const raft::RaftGroup* raft = replica.raft();
  if (raft == nullptr) return;
  const LogIndex durable = raft->durable_index();
  if (durable > stored.bounds.last_index || (durable >= replica.first_index() && durable >= stored.bounds.first_index &&
                                             raft->TermAt(durable) != StoredTermAt(stored, durable))) {
    Violated(group, node, "promises: it takes entry " + std::to_string(durable.value) + " for durable, and it is not");
  }
  CheckPromises(group, node, *raft);
  Kept& kept = groups_[group].kept[node];
  kept.committed = std::max(kept.committed, std::min(durable, raft->commit_index()));
  if (durable != kept.durable[0]) {
    std::copy_backward(kept.durable, kept.durable + 3, kept.durable + 4);
    kept.durable[0] = durable;
  }
  const LogIndex last = std::min(raft->commit_index(), committed(group));
  // Rows of its term table instead of single entries: the table is the log's terms.
  for (LogIndex i = std::max(replica.first_index(), last.value > 200 ? last - 200 : LogIndex(1)); i <= last; ++i) {
    if (raft->TermAt(i) != At(group, i)->term)
      return Violated(group, node, "log matching: committed entry " + std::to_string(i.value) + " differs");
  }
}

void Oracle::CheckMatching(GroupId group, const replica::Replica& a, const replica::Replica& b) {
  const raft::RaftGroup* ra = a.raft();
  const raft::RaftGroup* rb = b.raft();
  if (ra == nullptr || rb == nullptr) return;
  const LogIndex first = std::max(a.first_index(), b.first_index());
  LogIndex i = std::min(ra->last_index(), rb->last_index());
  const LogIndex low = i.value > 100 ? std::max(first, i - 100) : first;
  while (i >= low && ra->TermAt(i) != rb->TermAt(i)) i = i - 1;
  for (; i >= low && i.value > 0; i = i - 1) {
    if (ra->TermAt(i) != rb->TermAt(i))
      return Violated(group, ReplicaId{},
                      "log matching: two logs agree behind entry " + std::to_string(i.value) + ", and differ there");
  }
}

}  // namespace chronik::sim
