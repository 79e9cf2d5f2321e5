// SPDX-License-Identifier: Apache-2.0
// One replica of one Raft group: carries out what the pure core decides. It persists through the log store, keeps the
// newest entries in the tail cache, applies what is committed, and answers those who wait for it.
//
// Shard thread only. Destroy it only after Close called back.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <vector>

#include "kernel/base/clock.h"
#include "kernel/base/ids.h"
#include "kernel/base/result.h"
#include "kernel/log/log_store.h"
#include "kernel/log/tail_cache.h"
#include "kernel/raft/raft.h"
#include "kernel/replica/state_machine.h"

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
  std::vector<NodeId> voters;
  uint64_t checkpoint_every_bytes = 64 << 20;  // of applied entries: bounds what a restart has to read again
  std::chrono::milliseconds no_space_retry{1000};
};

class Replica {
 public:
  Replica(Executor& executor, log::LogStore& store, log::TailCache& cache, StateMachine& machine, Options options,
          log::OpenedGroup opened);
  ~Replica();
  Replica(const Replica&) = delete;
  Replica& operator=(const Replica&) = delete;

  // Restores the checkpoint, then takes part in the group. A group of one elects itself at once.
  Status Start();
  void Tick();
  // Only groups with other voters, or without a leader, need ticks.
  bool needs_ticks() const;

  // The answer says where the entry will stand; `done` tells when it is what `wait` asked for, or that it is unknown
  // whether it ever will be (kTimedOut, kStorage). On an error nothing was appended and `done` is dropped.
  Result<raft::Proposed> Propose(Proposal proposal, WaitFor wait, log::DoneCallback done);

  log::GroupHandle handle() const { return handle_; }
  bool is_ready() const { return ready_; }
  raft::SoftState soft_state() const { return raft_->soft_state(); }
  const std::vector<raft::TermStart>& term_table() const { return raft_->term_table(); }
  Offset high_watermark() const { return high_watermark_; }
  Offset log_end_offset() const { return raft_->next_offset(); }
  Offset first_offset() const { return first_offset_; }
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
    WaitFor wait;
    log::DoneCallback done;
  };

  void StartGroup(const log::OpenedGroup& opened);
  void Step(raft::Input input);
  void CarryOut();
  void Persist(const raft::Persist& persist);
  log::Entry MakeEntry(const raft::EntryMeta& meta);
  void OnPersisted(uint64_t generation, uint64_t sequence, Status status);
  void OnAppendFailed(const Error& error);
  void RestartWhenIdle();
  void ProbeForSpace();
  void ApplyCommitted();
  void ApplyOne(const log::Entry& entry);
  void ReadForApply(LogIndex next);
  void AfterApply();
  void CompleteWaiters();
  void FailWaiters(const Error& error);
  void MaybeCheckpoint();
  void WriteCheckpoint();
  void MaybeFinishClose();
  void OperationDone();

  Executor& executor_;
  log::LogStore& store_;
  StateMachine& machine_;
  const Options options_;
  const log::GroupHandle handle_;
  log::OpenedGroup opened_;
  log::CachedTail tail_;
  std::unique_ptr<raft::RaftGroup> raft_;
  raft::Output out_;
  std::deque<Proposal> proposals_;  // of the Step that runs
  uint64_t generation_ = 0;         // counts starts of raft_; answers of an earlier one are stale
  raft::EntryId applied_;
  Offset high_watermark_{0};
  Offset first_offset_{0};
  LogIndex durable_;
  std::deque<Waiter> waiters_;
  bool ready_ = false;
  bool applying_ = false;
  bool reading_for_apply_ = false;
  std::optional<Error> refused_;  // why the store takes nothing now
  bool disk_was_full_ = false;    // the last refusal was a full disk; said once in the log, not at every retry
  bool failed_ = false;           // for good
  Executor::TimerId retry_timer_ = 0;
  uint32_t operations_ = 0;     // in flight at the store
  uint64_t applied_bytes_ = 0;  // since the last checkpoint
  bool checkpoint_in_flight_ = false;
  bool closing_ = false;
  Task closed_;
};

}  // namespace chronik::replica
