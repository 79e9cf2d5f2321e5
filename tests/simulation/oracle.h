// SPDX-License-Identifier: Apache-2.0
// What must hold in every run, whatever breaks. The oracle sees all replicas at once and remembers what was ever
// committed and acked; anything that contradicts is a violation:
//
//   election safety        one leader a term, one vote a term and voter
//   leader completeness    a leader that serves has every entry that was ever committed
//   quorum                 a leader commits what a majority of each half of its configuration said to have on disk
//   log matching           logs that agree on one entry agree on all before it
//   state-machine safety   the same entries in the same order everywhere, with the same state after each
//   durability             what was acked is committed, with the bytes that were proposed
//   promises               a replica tells nobody that it has what is not on its disk, nor that it votes or leads in a
//                          term that is not; its term never falls, and a crash takes neither its vote nor what it knew
//                          to be committed
//   offsets                each entry begins where the one before it ends
//   high watermark         never falls, neither at one replica nor from leader to leader
//   linearizable reads     a barrier that passed shows all that was acked before it was asked for
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "kernel/replica/replica.h"

namespace chronik::sim {

using Digest = uint64_t;
Digest Mix(Digest digest, uint64_t value);
uint64_t HashOf(ByteView body);

class Oracle {
 public:
  using Report = std::function<void(const std::string& violation)>;
  explicit Oracle(Report report) : report_(std::move(report)) {}

  // --- what replicas do
  // What its store recovered. trusted: nobody damaged its disk. (Damage of the last writes looks like a crash.)
  void OnOpened(GroupId group, ReplicaId node, const log::Bounds& found, bool trusted);
  void OnSoftState(GroupId group, ReplicaId node, const raft::SoftState& state);
  void OnElected(GroupId group, ReplicaId node, Term term, LogIndex commit);
  void OnApply(GroupId group, ReplicaId node, const log::Entry& entry, Digest after);
  void OnRestored(GroupId group, ReplicaId node, LogIndex applied, Digest digest);
  void OnHighWatermark(GroupId group, ReplicaId node, Offset before, Offset after);
  void OnReady(GroupId group, const replica::Replica& replica, ReplicaId node);
  // stored: what its store holds by now, durably; null if it failed for good and tells nothing any more.
  void OnSent(GroupId group, const replica::Replica& replica, const replica::PeerMessage& message,
              const log::OpenedGroup* stored);

  // --- what clients see
  void OnAcked(GroupId group, ReplicaId leader, LogIndex index, Term term, uint64_t proposed);
  void OnRead(GroupId group, ReplicaId node, Offset from, const replica::DataRead& read);
  LogIndex acked(GroupId group) { return groups_[group].acked; }
  void OnBarrier(GroupId group, ReplicaId node, LogIndex acked_before, LogIndex applied);

  // --- what can be looked at any time
  void CheckLog(GroupId group, ReplicaId node, const replica::Replica& replica, const log::OpenedGroup& stored);
  void CheckMatching(GroupId group, const replica::Replica& a, const replica::Replica& b);

  LogIndex committed(GroupId group) { return LogIndex(groups_[group].committed.size()); }
  uint64_t acks() const { return acks_; }

 private:
  struct Committed {
    Term term;
    Offset base_offset;
    uint32_t offset_count;
    uint64_t proposed;  // hash of what the client gave
    uint64_t body;      // of what is in the log
    Digest after;
  };
  // What a node must not lose.
  struct Kept {
    bool trusted = true;
    LogIndex committed;      // it had all up to here on disk, and knew it to be committed
    LogIndex durable[4];     // the newest first; what is older than three writes no damage takes in silence
    Term answered_in;        // what it told the leader of this term
    raft::EntryId answered;  // to be its last entry that agrees
    Term elected_in;
    LogIndex commit_checked;
  };
  struct Group {
    std::vector<Committed> committed;  // of entry i + 1
    std::map<Term, ReplicaId> leaders;
    std::map<std::pair<ReplicaId, Term>, ReplicaId> votes;
    std::map<ReplicaId, Term> promised;  // the newest term in which a node answered somebody
    std::map<ReplicaId, Kept> kept;
    std::map<std::pair<ReplicaId, Term>, LogIndex> answered;  // the highest match told to the leader of a term
    LogIndex acked;
    Offset high_watermark{0};  // the highest that a leader showed
  };

  void OnAnswer(GroupId group, const replica::Replica& replica, const raft::Message& message,
                const raft::AppendResponse& answer);
  void CheckVote(GroupId group, ReplicaId node, const raft::HardState& state);
  void CheckPromises(GroupId group, ReplicaId node, const raft::RaftGroup& raft);
  void CheckCommit(GroupId group, ReplicaId node, const raft::RaftGroup& raft);
  void Violated(GroupId group, ReplicaId node, const std::string& what);
  const Committed* At(GroupId group, LogIndex index);

  Report report_;
  std::map<GroupId, Group> groups_;
  uint64_t acks_ = 0;
};

}  // namespace chronik::sim
