// SPDX-License-Identifier: Apache-2.0
// The insides of RaftGroup: its state, and what it does with each input. raft.cc dispatches and collects the output,
// election.cc has roles and elections, replication.cc the leader's side, follower.cc the follower's, membership.cc
// changes of the configuration, read_barrier.cc reads, transfer.cc the handing over of leadership.
//
// An idle group holds this object, its term table (24 bytes a row), its configuration, and as leader a Progress per
// peer.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "kernel/base/ring.h"
#include "kernel/raft/configuration.h"
#include "kernel/raft/log_view.h"
#include "kernel/raft/progress.h"
#include "kernel/raft/raft.h"

namespace chronik::raft {

class RaftGroup::Impl {
 public:
  Impl(const Options& options, const InitialState& initial);

  void Step(Input&& input, Output& out);

 private:
  friend class RaftGroup;
  using Body = decltype(Message::body);

  // A Persist on its way, and the index up to which its completion proves the log durable: a later truncation lowers
  // `attests`, so that a completion never speaks for entries that replaced its own, not even for ones that came back
  // with the same index and term (ABA).
  struct InflightPersist {
    uint64_t sequence;
    LogIndex attests;
  };
  struct Barrier {
    uint64_t context;
    uint64_t round;  // the heartbeat round, begun after the barrier was asked for, that has to be answered
  };
  struct Vote {
    ReplicaId voter;
    bool granted;
  };

  // --- raft.cc: inputs and outputs
  void Dispatch(Input& input);
  void OnMessage(Message& message);
  bool AcceptTerm(const Message& message);  // false: the message ends here
  void OnStorageDone(uint64_t sequence);
  void OnStorageFailed();
  void Refuse(Input& input);  // after storage failed
  Persist& OpenPersist();
  void FinishStep(SoftState before);
  void AppendToLog(const EntryMeta& entry);
  void AppendOwn(const EntryMeta& entry);   // a leader's new entry
  void Send(ReplicaId to, Body body);       // promises nothing about this disk
  void SendAfter(ReplicaId to, Body body);  // leaves once everything persisted so far is durable
  void CommitTo(LogIndex index);
  SoftState soft_state() const { return {role_, leader_, hard_.term}; }
  const Configuration& configuration() const { return configurations_.newest(); }

  // --- election.cc
  void OnTick(uint32_t count);
  void TickLeader();
  uint32_t TicksUntilDue() const;
  uint32_t TicksBetweenBeats() const;
  bool Idle() const;  // a leader whose followers have nothing to learn
  void CheckQuorum();
  void OnPeerLost(ReplicaId peer);
  void OnVoteRequest(const Message& message, const VoteRequest& request);
  void OnVoteResponse(const Message& message, const VoteResponse& response);
  void OnTimeoutNow();
  bool InLease() const;  // it leads, or has heard its leader within an election timeout
  bool CanCampaign() const;
  bool Stalled() const;  // the disk has been completing nothing for long
  bool Alone() const;    // the only voter
  void StartPreVote();
  void StartElection(bool transfer);
  void RecordVote(ReplicaId voter, bool granted);
  void BecomeFollower(Term term, ReplicaId leader);
  void BecomeLeader();
  void LeaveRole();
  void AdoptTerm(Term term, ReplicaId vote);
  void ResetElectionTimer();
  uint32_t Random(uint32_t bound);

  // --- replication.cc
  void OnPropose(const Propose& propose);
  void OnAppendResponse(ReplicaId from, const AppendResponse& response);
  void OnHeartbeatResponse(ReplicaId from, const HeartbeatResponse& response);
  void Broadcast();
  void Beat();
  void Replicate(Progress& peer);
  bool SendAppend(Progress& peer, bool allow_empty);
  uint64_t CollectEntries(const Progress& peer, std::vector<EntryMeta>& entries) const;
  void SendHeartbeat(Progress& peer);
  void SendSnapshotOffer(Progress& peer);
  void AdvanceCommit();
  void TrimWindow();
  bool Confirmed() const { return role_ == Role::kLeader && log_.TermAt(commit()) == hard_.term; }
  Progress* FindPeer(ReplicaId node);
  LogIndex commit() const { return hard_.commit; }

  // --- read_barrier.cc
  void OnReadBarrier(uint64_t context);
  void AdvanceBarriers();

  // --- transfer.cc
  void OnTransfer(ReplicaId target);
  void MaybeTransfer(const Progress& peer);
  void TickTransfer();
  void AbandonTransfer();
  void HandOver();  // to whoever can take over at once, and step down in any case

  // --- membership.cc
  void OnChangeConfiguration(const ChangeConfiguration& change);
  void AppendConfiguration(Configuration configuration);
  void AdvanceConfiguration();  // the next step of a change, if it is due
  bool NewVotersCaughtUp();
  void SyncPeers();
  void StepDownIfRemoved();

  // --- follower.cc
  void OnAppendRequest(const Message& message, AppendRequest& request);
  void OnHeartbeatRequest(const Message& message, const HeartbeatRequest& request);
  void OnInstallSnapshot(const Message& message, const InstallSnapshot& offer);
  void OnSnapshotReady(const SnapshotReady& snapshot);
  void TakeEntries(AppendRequest& request, size_t known);
  void AcceptAppend(ReplicaId from, LogIndex match);  // once it is on disk
  void RejectAppend(ReplicaId from, const AppendRequest& request, EntryId hint);

  const Options options_;
  ConfigurationHistory configurations_;
  LogView log_;

  HardState hard_;         // as of the newest Persist; commit also in between
  LogIndex saved_commit_;  // the commit index in the newest Persist
  bool hard_state_dirty_ = false;
  Role role_ = Role::kFollower;
  bool failed_ = false;
  ReplicaId leader_;

  LogIndex durable_;
  uint64_t last_sequence_ = 0;
  uint64_t done_sequence_ = 0;
  Ring<InflightPersist> persists_;

  // Of the Step that runs.
  Output* out_ = nullptr;
  bool persist_open_ = false;  // out_->persist.back() is this Step's

  // Elections.
  uint64_t random_state_;
  uint32_t election_elapsed_ = 0;  // leader: since the last check of the quorum
  uint32_t election_timeout_ = 0;
  uint32_t heartbeat_elapsed_ = 0;
  uint32_t transfer_elapsed_ = 0;
  uint32_t write_elapsed_ = 0;  // ticks since storage completed something, of what is under way
  uint32_t priority_;
  uint8_t hint_retries_ = 0;        // pre-votes that follow soon, since the connection to the leader broke
  uint64_t own_vote_sequence_ = 0;  // candidate: its own vote counts once this is done; 0: it has been counted
  std::vector<Vote> votes_;

  // Leader only.
  std::vector<Progress> peers_;
  ReplicaId transfer_target_;
  LogIndex catch_up_mark_;          // a new voter that has this has caught up; moves once an election timeout
  uint64_t uncommitted_bytes_ = 0;  // proposed in this term
  LogIndex term_begin_;             // this leadership's no-op
  uint64_t read_round_ = 0;         // the newest round begun
  Ring<Barrier> barriers_;          // rounds ascend

  uint64_t offset_conflicts_ = 0;
};

static_assert(sizeof(Progress) <= 128, "one per follower of every group that is led here");

}  // namespace chronik::raft
