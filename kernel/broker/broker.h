// SPDX-License-Identifier: Apache-2.0
// What a Kafka API handler can ask of this broker: the use cases, free of wire formats and sockets.
//
// Threads: every call names the shard it is made on and must run on that shard's thread; its callback runs later on the
// same thread, exactly once, never from inside the call. Work for a partition of another shard is posted there and
// back. Outcomes come in the order of the request's elements.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "kernel/base/bytes.h"
#include "kernel/base/clock.h"
#include "kernel/base/ids.h"
#include "kernel/base/result.h"
#include "kernel/groups/options.h"
#include "kernel/groups/request.h"
#include "kernel/metadata/image.h"

namespace chronik::broker {

// A partition that the caller found in the metadata image.
struct PartitionRef {
  TopicId topic;
  PartitionId partition;
  GroupId group;
};

// Who leads a partition, as far as this broker knows. leader 0: nobody, an election is under way.
struct LeaderInfo {
  NodeId leader;
  int32_t epoch = -1;
};

// --- produce ------------------------------------------------------------------------------------------------------
enum class Acks : int8_t { kNone = 0, kLeader = 1, kAll = -1 };

struct ProduceItem {
  PartitionRef partition;
  Bytes records;  // exactly as received; the broker patches offset and epoch in place, so nobody else may hold these
                  // bytes
};

struct ProduceRequest {
  Acks acks = Acks::kAll;
  std::chrono::milliseconds timeout{30000};
  bool zstd_allowed = true;  // Produce version >= 7
  std::vector<ProduceItem> items;
};

struct ProduceOutcome {
  std::optional<Error> error;
  Offset base_offset{-1};
  int64_t log_append_time_ms = -1;  // set with message.timestamp.type=LogAppendTime
  Offset log_start_offset{-1};
  LeaderInfo leader;        // where to go with kNotLeader
  int32_t bad_record = -1;  // the record of the batch that the error is about (KIP-467)
};

// --- fetch --------------------------------------------------------------------------------------------------------
struct FetchItem {
  PartitionRef partition;
  Offset offset;
  int32_t current_leader_epoch = -1;  // -1: not checked
  int32_t last_fetched_epoch = -1;    // -1: divergence is not checked (KIP-595)
  uint32_t max_bytes = 1 << 20;
};

struct FetchRequest {
  std::chrono::milliseconds max_wait{500};
  uint32_t min_bytes = 1;
  uint32_t max_bytes = 50 << 20;
  bool read_committed = false;
  std::vector<FetchItem> items;
};

struct EpochEnd {
  int32_t epoch = -1;
  Offset end_offset{-1};
};

struct FetchOutcome {
  std::optional<Error> error;
  Offset high_watermark{-1};
  Offset last_stable_offset{-1};
  Offset log_start_offset{-1};
  std::optional<EpochEnd> diverging;  // the follower must truncate to here first
  ByteChain records;                  // whole batches; the first may begin before the offset asked for
  bool more = false;                  // a limit kept committed batches out of `records`
  LeaderInfo leader;
};

// --- offsets ------------------------------------------------------------------------------------------------------
inline constexpr int64_t kLatestTimestamp = -1;
inline constexpr int64_t kEarliestTimestamp = -2;
inline constexpr int64_t kMaxTimestamp = -3;
inline constexpr int64_t kEarliestLocalTimestamp = -4;

struct ListOffsetItem {
  PartitionRef partition;
  int64_t timestamp = kLatestTimestamp;  // >= 0: the first record at or after it; else one of the constants
  int32_t current_leader_epoch = -1;
  bool read_committed = false;
};

struct ListOffsetOutcome {
  std::optional<Error> error;
  Offset offset{-1};  // -1: no such record
  int64_t timestamp_ms = -1;
  int32_t leader_epoch = -1;  // of the record found
};

struct EpochQuery {
  PartitionRef partition;
  int32_t current_leader_epoch = -1;
  int32_t epoch = 0;
};

struct EpochOutcome {
  std::optional<Error> error;
  EpochEnd end;
};

inline constexpr Offset kAllRecords{-1};

struct DeleteRecordsItem {
  PartitionRef partition;
  Offset before;  // kAllRecords: up to the high watermark
};

struct DeleteRecordsOutcome {
  std::optional<Error> error;
  Offset log_start_offset{-1};
};

// --- topics -------------------------------------------------------------------------------------------------------
struct NewTopic {
  std::string name;
  int32_t partition_count = -1;  // -1: the broker's default
  int16_t replication_factor = -1;
  std::vector<std::vector<NodeId>> assignment;  // by partition; empty: the broker chooses
  std::vector<std::pair<std::string, std::optional<std::string>>> configs;
};

struct CreateTopicOutcome {
  std::optional<Error> error;
  TopicId id;  // zero: nothing was created
  int32_t partition_count = -1;
  int16_t replication_factor = -1;
};

struct NewPartitions {
  std::string topic;
  int32_t count = 0;                            // the new total
  std::vector<std::vector<NodeId>> assignment;  // of the new ones; empty: the broker chooses
};

// Where a partition shall be (KIP-455).
struct PartitionMove {
  TopicId topic;
  PartitionId partition;
  std::optional<std::vector<NodeId>> replicas;  // the preferred leader first; none: a move is called off
};

struct PartitionElection {
  TopicId topic;
  PartitionId partition;
  bool unclean = false;  // else by the preferred replica (KIP-460)
};

struct NewProducerId {
  ProducerId id;
  int16_t epoch = 0;
};

struct Settings {
  NodeId node_id{1};
  std::string host = "127.0.0.1";  // as advertised
  uint16_t port = 9092;
  std::string rack;
  bool fetch_from_followers = false;
  bool auto_create_topics = true;
  int32_t default_partitions = 1;
  int16_t default_replication_factor = 1;
  uint32_t message_max_bytes = 1048588;    // a topic's max.message.bytes unless set
  uint32_t request_max_bytes = 100 << 20;  // the listener's limit; only shown to clients
  uint64_t tail_cache_bytes_per_shard = 64 << 20;
  std::chrono::milliseconds tick{100};
  uint32_t election_ticks = 10;
  uint32_t heartbeat_ticks = 1;
  uint32_t max_inflight_messages = 256;  // appends on their way to one follower
  uint32_t max_append_bytes = 1 << 20;
  int32_t min_insync_replicas = 1;  // a topic's min.insync.replicas unless set; never more than it has replicas
  std::chrono::milliseconds replica_lag_max{10000};
  uint64_t replica_lag_max_entries = 1000;
  // What followers that are far behind are sent from disk, all partitions of this node together; 0: any.
  uint64_t recovery_bytes_per_second = 0;
  int64_t retention_ms = 604800000;  // a topic's retention.ms unless set; -1: for ever
  int64_t retention_bytes = -1;      // likewise, of a partition
  std::chrono::milliseconds retention_check_interval{300000};
  int32_t offsets_topic_partitions = 50;  // of __consumer_offsets, when it is created
  groups::Options groups;
  // The metadata's log is cut off once it has grown by so much and by so many entries.
  uint64_t snapshot_max_log_bytes = 64ull << 20;
  uint64_t snapshot_min_interval_entries = 10000;
  // Who may found the cluster, this node included, ascending; one that is founded already is joined. Empty: this node
  // alone, no cluster, unless discovery finds the others.
  std::vector<NodeId> founders;
  bool by_discovery = false;                       // a node of a cluster, whose founders are not listed here, but
  uint32_t founders_to_discover = 0;               // the first fresh report with so many; 0: it only joins
  std::string rpc_address;                         // where other nodes reach this one
  std::map<NodeId, std::string> peer_addresses;    // where it looks for them until it hears better
  std::chrono::milliseconds join_timeout{300000};  // for a majority of the founders to be there
};

// Which life of its node this broker is (ids.h: ReplicaId), as it is remembered outside of the log store: a store that
// lost its disk must not be taken for what it was.
struct Life {
  uint64_t incarnation = 0;            // of the data directory
  std::optional<uint32_t> generation;  // nullopt: it takes no part yet, and has promised nothing
  std::vector<NodeId> founders;        // generation 0: the metadata group's first voters, as they were then
  bool established = false;            // the log store has held the metadata
  friend bool operator==(const Life&, const Life&) = default;
};

template <class T>
using Callback = UniqueFunction<void(T)>;

class Broker {
 public:
  virtual ~Broker() = default;

  virtual const Settings& settings() const = 0;
  // The committed metadata as this shard knows it now. Never null once the broker serves clients.
  virtual std::shared_ptr<const metadata::MetadataImage> image(ShardId here) const = 0;
  virtual LeaderInfo leader(ShardId here, GroupId group) const = 0;
  // Who is in sync with the group's leader, itself included, as it said last; empty: not known here.
  virtual std::vector<NodeId> in_sync(ShardId here, GroupId group) const = 0;
  // This node, and every other one that it is connected to.
  virtual bool IsAlive(ShardId here, NodeId node) const = 0;

  // acks = kNone: the callback comes once the batches were taken over or refused; its outcome is not sent to the
  // client.
  virtual void Produce(ShardId here, ProduceRequest request, Callback<std::vector<ProduceOutcome>> done) = 0;
  // Waits until min_bytes are there, no more fits into max_bytes, an item has an error or diverges, or max_wait passed.
  // The limits are used up in the order of the items (of one shard after the other, beginning with the first item's);
  // the first batch found is given even if it is larger than they are (KIP-74).
  virtual void Fetch(ShardId here, FetchRequest request, Callback<std::vector<FetchOutcome>> done) = 0;
  virtual void ListOffsets(ShardId here, std::vector<ListOffsetItem> items,
                           Callback<std::vector<ListOffsetOutcome>> done) = 0;
  virtual void OffsetForLeaderEpoch(ShardId here, std::vector<EpochQuery> items,
                                    Callback<std::vector<EpochOutcome>> done) = 0;

  // What lies before an offset is gone for readers once this is answered; a majority remembers that.
  virtual void DeleteRecords(ShardId here, std::vector<DeleteRecordsItem> items,
                             Callback<std::vector<DeleteRecordsOutcome>> done) = 0;

  // Answered once the topics' partitions accept produce requests, or with kTimedOut.
  virtual void CreateTopics(ShardId here, std::vector<NewTopic> topics, bool validate_only,
                            std::chrono::milliseconds timeout, Callback<std::vector<CreateTopicOutcome>> done) = 0;
  virtual void DeleteTopics(ShardId here, std::vector<TopicId> topics, std::chrono::milliseconds timeout,
                            Callback<std::vector<std::optional<Error>>> done) = 0;
  virtual void CreatePartitions(ShardId here, std::vector<NewPartitions> topics, bool validate_only,
                                std::chrono::milliseconds timeout,
                                Callback<std::vector<std::optional<Error>>> done) = 0;
  // Answered once it is decided; the image tells how far a move is. kUnknownTopicId, kUnknownPartition,
  // kInvalidReplicaAssignment, kNoReassignmentInProgress.
  virtual void ReassignPartitions(ShardId here, std::vector<PartitionMove> moves, std::chrono::milliseconds timeout,
                                  Callback<std::vector<std::optional<Error>>> done) = 0;
  // Answered once the preferred replicas lead. kElectionNotNeeded if they did, kPreferredLeaderNotAvailable if they
  // cannot. No election is unclean here: where nobody is left who has it all, kEligibleLeadersNotAvailable.
  virtual void ElectLeaders(ShardId here, std::vector<PartitionElection> elections, std::chrono::milliseconds timeout,
                            Callback<std::vector<std::optional<Error>>> done) = 0;
  virtual void AllocateProducerId(ShardId here, Callback<Result<NewProducerId>> done) = 0;

  // The partition of `__consumer_offsets` whose leader coordinates the group; nullopt: there is no such topic yet.
  virtual std::optional<PartitionRef> CoordinatorOf(ShardId here, const std::string& group) const = 0;
  // Answered once `__consumer_offsets` is there, created if need be.
  virtual void PrepareGroups(ShardId here, Callback<Status> done) = 0;
  // The groups of all coordinators on this broker. kCoordinatorLoadInProgress if one does not know its groups yet.
  virtual void ListGroups(ShardId here, groups::ListGroups request, Callback<groups::ListGroupsReply> done) = 0;
  // For the coordinator of that group; kNotCoordinator if it is not here.
  virtual void AskGroup(ShardId here, const std::string& group, groups::Request request,
                        Callback<groups::Response> done) = 0;
};

}  // namespace chronik::broker
