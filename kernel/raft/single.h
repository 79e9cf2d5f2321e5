// SPDX-License-Identifier: Apache-2.0
// One RaftGroup and hand-written messages, for tests that ask what exactly it answers.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "kernel/raft/raft.h"

namespace chronik::raft {

// Node 1 of voters {1..n}. Outputs of the last Go are in `out`; storage completes only when told.
struct Single {
  explicit Single(uint64_t voters, Options options = {}, InitialState initial = {})
      : group(Prepare(voters, options, initial)) {}

  static RaftGroup Prepare(uint64_t voters, Options options, InitialState initial) {
    options.self = ReplicaId(1);
    if (initial.configuration.voters.empty()) {
      for (uint64_t id = 1; id <= voters; ++id) initial.configuration.voters.push_back(ReplicaId(id));
    }
    return RaftGroup(options, initial);
  }

  Output& Go(Input input) {
    out.Clear();
    group.Step(std::move(input), out);
    for (const Persist& persist : out.persist) last_sequence = persist.sequence;
    return out;
  }
  template <class Body>
  Output& From(uint64_t peer, uint64_t term, Body body) {
    return Go(Message{ReplicaId(peer), ReplicaId(1), Term(term), std::move(body)});
  }
  Output& Done() { return Go(StorageDone{last_sequence}); }
  Output& Append(uint64_t from, uint64_t term, EntryId previous, Offset previous_next, std::vector<EntryMeta> entries,
                 uint64_t commit = 0) {
    return From(from, term, AppendRequest{previous, previous_next, std::move(entries), LogIndex(commit), LogIndex{}});
  }
  Result<Proposed> Propose(uint32_t offsets, uint32_t bytes) {
    chronik::raft::Propose propose;
    propose.entries.push_back({EntryKind::kData, offsets, bytes});
    return *Go(std::move(propose)).proposed;
  }
  // Wins the election of the next term with the vote of node 2 and commits nothing.
  void Lead() {
    Go(CampaignNow{});
    const uint64_t term = group.hard_state().term.value + 1;
    From(2, term, VoteResponse{.pre = true, .granted = true});
    Done();
    From(2, term, VoteResponse{.pre = false, .granted = true});
    ASSERT_EQ(group.soft_state().role, Role::kLeader);
  }
  void Accept(uint64_t peer, uint64_t match) {
    From(peer, group.hard_state().term.value, AppendResponse{false, LogIndex(match), {}, {}});
  }
  void Refuse(uint64_t peer, EntryId hint, uint64_t previous) {
    From(peer, group.hard_state().term.value, AppendResponse{true, {}, hint, LogIndex(previous)});
  }

  // The bodies of that kind that left at once, or that wait for storage; `to` 0 = any.
  template <class Body>
  std::vector<Body> Now(uint64_t to = 0) const {
    std::vector<Body> found;
    for (const Message& m : out.messages) Take(m, to, found);
    return found;
  }
  template <class Body>
  std::vector<Body> After(uint64_t to = 0) const {
    std::vector<Body> found;
    for (const auto& [sequence, m] : out.messages_after) Take(m, to, found);
    return found;
  }

  Output out;
  uint64_t last_sequence = 0;
  RaftGroup group;

 private:
  template <class Body>
  static void Take(const Message& m, uint64_t to, std::vector<Body>& found) {
    const Body* body = std::get_if<Body>(&m.body);
    if (body != nullptr && (to == 0 || m.to == ReplicaId(to))) found.push_back(*body);
  }
};

inline EntryMeta Entry(uint64_t index, uint64_t term, int64_t base, uint32_t count, uint32_t bytes = 10) {
  return {LogIndex(index), Term(term), Offset(base), count, bytes, count == 0 ? EntryKind::kNoop : EntryKind::kData};
}

inline EntryId At(uint64_t index, uint64_t term) { return {LogIndex(index), Term(term)}; }

// A replica that starts with `entries` (from index 1) and a commit index.
inline InitialState StartWith(uint64_t term, const std::vector<EntryMeta>& entries, uint64_t commit = 0) {
  InitialState initial;
  initial.hard_state = {Term(term), ReplicaId{}, LogIndex(commit)};
  for (const EntryMeta& e : entries) {
    if (initial.terms.empty() || initial.terms.back().term != e.term) {
      initial.terms.push_back({e.term, e.index, e.base_offset});
    }
    initial.last_index = e.index;
    initial.next_offset = e.next_offset();
  }
  return initial;
}

}  // namespace chronik::raft
