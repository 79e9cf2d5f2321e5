// SPDX-License-Identifier: Apache-2.0
// One partition on its shard: what produce, fetch and offset queries mean in terms of its replica's log, and the state
// of its idempotent producers, which is a function of that log.
#pragma once

#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <optional>

#include "kernel/base/clock.h"
#include "kernel/broker/broker.h"
#include "kernel/broker/log_start.h"
#include "kernel/broker/raft_metrics.h"
#include "kernel/log/log_store.h"
#include "kernel/log/tail_cache.h"
#include "kernel/metadata/topic_config.h"
#include "kernel/records/producer_state.h"
#include "kernel/records/validate.h"
#include "kernel/replica/replica.h"
#include "kernel/replica/state_machine.h"

namespace chronik::broker {

// What a partition tells its shard.
class PartitionEvents {
 public:
  virtual ~PartitionEvents() = default;
  virtual void OnLeader(const PartitionRef& partition, LeaderInfo leader) = 0;
  virtual void OnReady(const PartitionRef& partition) = 0;
  // The leader's word on who is in sync, itself included, ascending.
  virtual void OnInSync(const PartitionRef& partition, int32_t epoch, std::vector<NodeId> in_sync) = 0;
  // While it moves: those that shall vote do, and nobody else. Repeated until SetMembers says that it moves no more.
  virtual void OnSettled(const PartitionRef& partition) = 0;
};

// Woken once when a partition gets more committed data; see Partition::Watch.
class DataWatcher {
 public:
  virtual ~DataWatcher() = default;
  virtual void OnData() = 0;
};

// Shard thread only.
class Partition final : public replica::StateMachine {
 public:
  Partition(Executor& executor, log::LogStore& store, log::TailCache& cache, PartitionEvents& events,
            RaftMetrics& metrics, PartitionRef ref, std::string topic, metadata::TopicSettings settings,
            replica::Options options, replica::InSyncReplicas::Limits in_sync, log::OpenedGroup opened);

  Status Start() { return replica_.Start(); }
  void Receive(replica::PeerMessage message);
  void PeerLost(NodeId peer) { replica_.PeerLost(peer); }
  // Committed data is served while another replica leads, too (KIP-392).
  void ServeFollowerReads() { follower_reads_ = true; }
  // Who shall vote, ascending; while this replica leads, it sees to that.
  void SetMembers(std::vector<ReplicaId> members, bool moving);
  bool HandOver() { return replica_.HandOver(); }
  void TransferLeadership(NodeId to);
  const replica::Replica& replica() const { return replica_; }  // for reports
  // The preferred leader of a new partition does not wait until nobody was heard for long: it asks for votes every
  // `pause` until the others have opened it, too, or somebody was elected.
  void CampaignSoon(std::chrono::milliseconds pause, uint32_t attempts);
  const PartitionRef& ref() const { return ref_; }
  log::GroupHandle handle() const { return replica_.handle(); }

  // `done` runs once, possibly inside the call.
  void Produce(Bytes records, Acks acks, bool zstd_allowed, Callback<ProduceOutcome> done);
  // Committed batches from item.offset on. False: they are not in memory; `out` has the rest, and FetchCold, called at
  // once, completes it.
  bool Fetch(const FetchItem& item, replica::DataLimit limit, FetchOutcome& out);
  void FetchCold(const FetchItem& item, replica::DataLimit limit, FetchOutcome out, Callback<FetchOutcome> done);
  void ListOffset(const ListOffsetItem& item, Callback<ListOffsetOutcome> done);
  EpochOutcome OffsetForLeaderEpoch(const EpochQuery& query) const;

  // Of the first record that is there for readers.
  Offset log_start_offset() const;
  // Answers once a majority has decided it, or with what is known of it when leadership is lost.
  void DeleteRecords(Offset before, Callback<DeleteRecordsOutcome> done);
  // Called every so often: drops what is older or more than is to be retained, if this replica leads.
  void Retain();

  // `watcher` is told once when the high watermark passes `offset` or the role changes. False: it has passed already.
  bool Watch(Offset offset, std::shared_ptr<DataWatcher> watcher);
  void Unwatch(const DataWatcher* watcher) { watchers_.erase(watcher); }

  // Calls back once nothing is in flight; then the partition may be destroyed and its group closed.
  void Close(Task done);

  Status RestoreCheckpoint(ByteView checkpoint) override;
  Bytes EncodeCheckpoint() const override { return EncodePartitionState(log_start_, producers_.Encode()); }
  void Apply(const log::Entry& entry) override;
  void OnHighWatermark(Offset high_watermark) override;
  void OnPendingLost() override;
  void OnReadOnly() override;
  void OnSoftState(const raft::SoftState& state) override;
  void OnReady() override;
  void OnTicked() override;
  void OnSnapshotInstalled(uint64_t bytes, Duration took) override { metrics_.OnSnapshotInstalled(bytes, took); }
  void OnRoundTrip(Duration took) override { metrics_.OnRoundTrip(took); }

 private:
  // Committed, and waits for more voters than a majority (min.insync.replicas).
  struct PendingInSync {
    LogIndex index;
    Callback<ProduceOutcome> done;
    ProduceOutcome outcome;
  };
  struct PendingDuplicate {
    Offset base_offset;
    Callback<ProduceOutcome> done;
  };
  struct Watching {
    Offset offset;
    std::shared_ptr<DataWatcher> watcher;
  };

  void Append(Bytes records, const records::BatchInfo& info, Acks acks, Callback<ProduceOutcome> done);
  ProduceOutcome Refusal(Error error) const;
  void RefuseSequence(Error error, Callback<ProduceOutcome> done);
  ProduceOutcome Accepted(Offset base_offset, int64_t log_append_time_ms) const;
  Status CheckEpoch(int32_t current_leader_epoch) const;
  Status CheckReadable(int32_t current_leader_epoch, bool as_follower = false) const;
  bool FollowsALeader() const;
  Error WhyNotServing() const;
  void LookWhoIsInSync();
  size_t CopiesOf(LogIndex index) const;
  bool NeedsMoreThanMajority() const;
  void AnswerInSync();
  EpochEnd EndOfEpoch(int32_t epoch) const;
  void AnswerTimestamp(const ListOffsetItem& item, Result<std::optional<log::Entry>> entry, ListOffsetOutcome out,
                       Callback<ListOffsetOutcome> done);

  // partition_log_start.cc
  void MoveLogStart(Offset to, log::DoneCallback done);
  void ApplyLogStart(const log::Entry& entry);
  void RetainBySize(Offset start);
  void DropOldest(LogIndex next, uint64_t excess, Offset start);
  void RetainFrom(Offset start);
  void CutOff();
  void CutOffBefore(LogIndex first, Offset start);
  LeaderInfo leader() const;
  void WakeAllWatchers();

  Executor& executor_;
  PartitionEvents& events_;
  RaftMetrics& metrics_;
  const replica::TickSchedule& ticks_;
  std::unique_ptr<LedPartitionMetrics> led_metrics_;  // while it leads
  std::optional<Instant> leaderless_since_;
  const PartitionRef ref_;
  const std::string topic_;
  const NodeId self_;
  std::vector<ReplicaId> members_;
  bool moving_ = false;
  bool follower_reads_ = false;
  const metadata::TopicSettings settings_;
  Offset log_start_{0};  // what was decided; the log may begin earlier, until it is cut off
  Offset cut_off_{0};    // the log begins as late as this allows
  bool cutting_off_ = false;
  bool retaining_ = false;
  records::ProducerStateTable producers_;
  Offset producers_end_{0};                 // batches below are in producers_, pending ones included
  std::list<PendingDuplicate> duplicates_;  // ascending base_offset
  std::map<const DataWatcher*, Watching> watchers_;
  Executor::TimerId campaign_timer_ = 0;
  replica::InSyncReplicas in_sync_;
  uint64_t looked_ = 0;                       // when it looked who is in sync, in ticks
  std::list<PendingInSync> pending_in_sync_;  // ascending
  replica::Replica replica_;                  // last: it calls the rest
};

}  // namespace chronik::broker
