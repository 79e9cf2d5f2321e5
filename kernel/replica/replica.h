// SPDX-License-Identifier: Apache-2.0
// One replica of one Raft group: carries out what the pure core decides. It persists through the log store, keeps the
// newest entries in the tail cache, speaks to the other replicas, applies what is committed, and answers those who wait
// for it.
//
// The state may run ahead of the log: one that was pulled from a peer holds everything up to an entry that the log gets
// only afterwards, and a follower may apply what is committed before it is on its own disk. It is committed state all
// the same; entries up to applied_ are skipped when they come.
//
// Reader's order: this file, replica.cc (start, steps, what is proposed), ticks.cc, persist.cc (the disk), apply.cc
// (what is committed, who waits, checkpoints), messages.cc (the other replicas), snapshots.cc (pulling, serving,
// truncating), reads.cc.
//
// Shard thread only. Destroy it only after Close called back.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "kernel/base/clock.h"
#include "kernel/base/ids.h"
#include "kernel/base/result.h"
#include "kernel/base/ring.h"
#include "kernel/log/log_store.h"
#include "kernel/log/tail_cache.h"
#include "kernel/raft/raft.h"
#include "kernel/raft/snapshot_pull.h"
#include "kernel/replica/checkpoint.h"
#include "kernel/replica/in_sync.h"
#include "kernel/replica/peers.h"
#include "kernel/replica/recovery_throttle.h"
#include "kernel/replica/state_machine.h"
#include "kernel/replica/tick_schedule.h"

namespace chronik::replica {

// Something new for the log.
struct Proposal {
  raft::EntryKind kind = raft::EntryKind::kData;
  uint32_t offset_count = 0;
  int64_t max_timestamp = -1;
  // kData: one record batch of which the proposer holds the only reference; offset and leader epoch are patched into
  // it.
  Bytes body;
  std::optional<WallTime> log_append_time;  // kData: stamped into the batch
};

// What a proposer waits for.
enum class WaitFor : uint8_t { kNothing, kDurable, kCommitted };

// How much a reader of data wants.
struct DataLimit {
  uint64_t max_bytes = 0;
  bool at_least_one = true;  // the first batch comes even if it is larger (KIP-74)
};

// What it gets: whole record batches, committed ones only.
struct DataRead {
  ByteChain batches;
  Offset next;  // of the first record that is not in it
  uint64_t bytes() const { return batches.size(); }
};

struct Options {
  GroupId group;
  ShardId shard;
  raft::Options raft;
  std::vector<ReplicaId> voters;               // of the group's creation; none: this replica joins a group that exists
  Peers* peers = nullptr;                      // outlives the replica; may be null for a group that is and stays alone
  TickSchedule* ticks = nullptr;               // outlives the replica; null: its owner calls Tick
  RecoveryThrottle* recovery = nullptr;        // outlives the replica; null: followers are fed without a limit
  uint64_t checkpoint_every_bytes = 64 << 20;  // of applied entries: bounds what a restart has to read again
  std::chrono::milliseconds no_space_retry{1000};
  uint32_t snapshot_chunk_bytes = 1 << 20;
  uint32_t snapshot_retry_ticks = 10;         // an answer to a question for a chunk is overdue after so many
  uint64_t snapshot_max_bytes = 64ull << 20;  // a larger one is not pulled
};

class Replica final : private Ticked {
 public:
  Replica(Executor& executor, log::LogStore& store, log::TailCache& cache, StateMachine& machine, Options options,
          log::OpenedGroup opened);
  ~Replica() override;
  Replica(const Replica&) = delete;
  Replica& operator=(const Replica&) = delete;

  // Restores the checkpoint, then takes part in the group: at once if nothing follows it in the log, else as soon as
  // that was searched for configurations. A group of one elects itself at once.
  Status Start();
  // Of an owner without a schedule: one tick passed.
  void Tick();
  // From another replica; ignored while this one has no working disk, or if it is for another life of this node.
  void Receive(PeerMessage message);
  // The connection to that node's process broke.
  void PeerLost(NodeId node);
  // With a schedule: every tick counts, and StateMachine::OnTicked is called, also if the group itself needs none.
  void SetAlwaysTicked(bool always);

  // The answer says where the entry will stand; `done` tells when it is what `wait` asked for, or that it is unknown
  // whether it ever will be (kTimedOut, kStorage). On an error nothing was appended and `done` is dropped.
  Result<raft::Proposed> Propose(Proposal proposal, WaitFor wait, log::DoneCallback done);

  // Only the leader can; see raft.h for what they answer.
  Result<LogIndex> ChangeConfiguration(std::vector<ReplicaId> voters, std::vector<ReplicaId> learners);
  // Called every so often by a leader's owner: begins the next change of configuration on the way to these, if none is
  // under way. Members of an earlier life than one that is in it already are not asked back.
  void AlignConfiguration(const std::vector<ReplicaId>& voters, const std::vector<ReplicaId>& learners);
  // Exactly these vote, nobody learns, and that is committed.
  bool IsSettled(const std::vector<ReplicaId>& voters) const;
  void TransferLeadership(ReplicaId target);
  // A leader with others in its group hands over to whoever has most of the log; takes no proposals meanwhile. False:
  // there is nothing to hand over.
  bool HandOver();
  // A follower stands for election now.
  void Campaign();
  // Calls back once this replica is proven to lead and has applied all that was committed when it was asked; with
  // kNotLeader if it does not.
  void ReadBarrier(log::DoneCallback done);
  // Drops the entries before `first`, which are applied: first <= applied() + 1.
  void TruncatePrefix(LogIndex first, log::DoneCallback done);
  bool truncating() const { return static_cast<bool>(truncated_); }

  log::GroupHandle handle() const { return handle_; }
  bool is_ready() const { return ready_; }
  raft::SoftState soft_state() const;
  const std::vector<raft::TermStart>& term_table() const { return raft_ ? raft_->term_table() : opened_.terms; }
  const raft::RaftGroup* raft() const { return raft_.get(); }  // null while it starts
  raft::EntryId applied() const { return applied_; }
  LogIndex durable_index() const { return durable_; }
  LogIndex first_index() const { return log_begin_.index + 1; }
  Offset high_watermark() const { return high_watermark_; }
  Offset log_end_offset() const { return raft_ ? raft_->next_offset() : opened_.bounds.next_offset; }
  Offset first_offset() const { return first_offset_; }
  // Of the bodies that are on disk, about; asks the store.
  uint64_t log_bytes() const;
  bool failed() const { return failed_; }
  // Why produce is refused: not leader, failed disk, full disk; ok() if it is not.
  Status writable() const;

  // Close was called: it reads nothing from the store any more.
  bool closing() const { return closing_; }

  // Batches from the one that holds `from` up to the high watermark. nullopt: not in memory, use ReadCold.
  std::optional<DataRead> ReadCached(Offset from, DataLimit limit) const;
  void ReadCold(Offset from, DataLimit limit, UniqueFunction<void(Result<DataRead>)> done);
  // The first committed entry that `by` and `key` ask for; none: empty.
  void FindEntry(log::ReadBy by, int64_t key, UniqueFunction<void(Result<std::optional<log::Entry>>)> done);

  // Writes a checkpoint if anything was applied since the last one, waits for what is in flight, and calls back once.
  void Close(Task done);

 private:
  struct Waiter {
    LogIndex index;
    Term term;
    log::DoneCallback done;
  };
  using Waiters = Ring<Waiter>;
  // An AppendRequest whose answer is awaited, for StateMachine::OnRoundTrip.
  struct Watched {
    ReplicaId peer;
    LogIndex through;
    Instant sent;
  };
  // A snapshot that a follower pulls.
  struct Served {
    Bytes bytes;
    uint32_t idle_ticks = 0;
  };

  // ticks.cc
  void OnDue() override;
  void TickBy(uint32_t count);
  void CatchUpWithTicks();
  void Reschedule();
  bool needs_ticks() const;

  // replica.cc
  Status RestoreCheckpoint();
  bool IsCommittedPrefix(const log::OpenedGroup& opened) const;
  void OpenGroup(log::OpenedGroup opened, std::vector<raft::ConfigurationAt> configurations);
  void ReadConfigurations(LogIndex next);
  Status CollectConfigurations(const std::vector<log::Entry>& entries);
  void StartGroup();
  bool Alone() const;
  void Step(raft::Input input);
  void CarryOut();
  void OnStepped(const std::optional<raft::SoftState>& soft_state, bool committed);

  // persist.cc
  void Persist(const raft::Persist& persist);
  void PersistReset(const raft::Persist& persist);
  log::Entry MakeEntry(const raft::EntryMeta& meta, const raft::Configuration* configuration);
  log::Entry MakeProposed(const raft::EntryMeta& meta);
  void OnPersisted(uint64_t generation, uint64_t sequence, Status status);
  void OnAppendFailed(const Error& error);
  void OnOtherFailed(const Error& error);
  void FailForGood(Error error);
  void RestartWhenIdle();
  void ProbeForSpace();
  void OperationDone();

  // apply.cc
  void ApplyCommitted();
  void ApplyOne(const log::Entry& entry);
  void ReadForApply(LogIndex next);
  void AfterApply();
  void CompleteWaiters();
  static void Complete(Waiters& waiters, LogIndex reached, const raft::RaftGroup& raft);
  void FailWaiters(const Error& error);
  void AnswerBarriers(const std::vector<uint64_t>& passed, const std::vector<uint64_t>& failed);
  void MaybeCheckpoint();
  void WriteCheckpoint();
  Bytes EncodeState() const;
  void OnCheckpoint(LogIndex applied, const Status& status);

  LogIndex Readable() const;  // reads.cc

  // messages.cc
  void Send(ReplicaId to, decltype(PeerMessage::body) body);
  void SendRaft(raft::Message message);
  void SendEntries(RaftMessage out);
  void NoteRoundTrip(ReplicaId from, const raft::AppendResponse& response);
  bool FillFromCache(RaftMessage& out) const;
  void FeedFromStore(RaftMessage out);
  void ReadBodies(RaftMessage out);
  void SendWhatWasRead(RaftMessage out, std::vector<log::Entry> read);
  void SendDurable(uint64_t sequence);
  void OnRaftMessage(RaftMessage message);

  // snapshots.cc
  void OnFetchSnapshot(ReplicaId from, const raft::FetchSnapshot& fetch);
  void OnPullSnapshot(const raft::Message& offer);
  void PullNext();
  void OnSnapshotChunk(ReplicaId from, const SnapshotChunk& chunk);
  void InstallPulled();
  void OnPulledIsDurable();
  void TickSnapshots(uint32_t count);
  void TruncateNow();
  void OnTruncated(const Status& status);

  Executor& executor_;
  log::LogStore& store_;
  StateMachine& machine_;
  const Options options_;
  const log::GroupHandle handle_;
  std::optional<TickSchedule::Slot> slot_;
  uint64_t ticked_ = 0;  // the schedule's time up to which the core has its ticks
  bool always_ticked_ = false;
  log::OpenedGroup opened_;                            // until raft_ is made
  std::vector<raft::ConfigurationAt> configurations_;  // likewise
  log::CachedTail tail_;
  std::unique_ptr<raft::RaftGroup> raft_;
  raft::Output out_;
  Ring<Proposal> proposals_;                        // of the Step that runs
  std::vector<log::Entry> incoming_;                // likewise: what an AppendRequest brought
  uint64_t generation_ = 0;                         // counts starts of raft_; answers of an earlier one are stale
  Ring<std::pair<uint64_t, raft::Message>> after_;  // promises that wait for a Persist, by sequence
  raft::EntryId log_begin_;                         // the entry before the log's first one
  raft::EntryId applied_;
  Offset high_watermark_{0};
  Offset first_offset_{0};
  LogIndex durable_;
  Waiters durable_waiters_;
  Waiters commit_waiters_;
  std::map<uint64_t, log::DoneCallback> barriers_;
  uint64_t next_barrier_ = 1;
  bool ready_ = false;
  bool applying_ = false;
  bool reading_for_apply_ = false;
  std::optional<Error> refused_;  // why the store takes nothing now
  bool disk_was_full_ = false;    // the last refusal was a full disk; said once in the log, not at every retry
  bool failed_ = false;           // for good
  Executor::TimerId retry_timer_ = 0;
  uint32_t operations_ = 0;     // in flight at the store
  uint64_t applied_bytes_ = 0;  // since the last checkpoint
  LogIndex checkpoint_index_;   // what the durable checkpoint covers
  bool checkpoint_in_flight_ = false;
  raft::SnapshotPull pull_;
  std::vector<uint8_t> pulled_;  // its bytes so far
  std::optional<Checkpoint> to_install_;
  Instant installing_since_{};
  std::optional<Watched> watched_;
  std::map<ReplicaId, Served> served_;
  std::vector<ReplicaId> waiting_to_be_fed_;
  LogIndex truncate_to_;  // 0: nothing is to be truncated
  log::DoneCallback truncated_;
  bool closing_ = false;
  Task closed_;
};

}  // namespace chronik::replica
