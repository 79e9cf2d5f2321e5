// SPDX-License-Identifier: Apache-2.0
// Commands of the `__meta` Raft group: what may change the cluster's metadata, and how that is written in the log.
// Encoding: u16 format version, u16 command type, fields; little-endian, strings and lists length-prefixed. The numbers
// never change; a format that this build does not know is refused, never skipped.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "kernel/base/bytes.h"
#include "kernel/base/ids.h"
#include "kernel/base/result.h"

namespace chronik::metadata {

using ConfigMap = std::map<std::string, std::string>;  // explicitly set values only

inline constexpr size_t kMaxPartitionsPerCommand = 100000;
inline constexpr size_t kMaxPartitionsPerTopic = 1000000;
inline constexpr uint64_t kMaxGroupId = uint64_t{1} << 62;
inline constexpr size_t kMaxReplicas = 64;  // of one partition
inline constexpr size_t kMaxConfigsPerTopic = 256;
inline constexpr size_t kMaxConfigValueBytes = 32768;
inline constexpr size_t kMaxHostBytes = 255;  // also rack, cluster id and created_by
inline constexpr int32_t kMaxProducerIdsPerBlock = 1000000;

// The replicas of one new partition; the first is the preferred leader.
struct PartitionAssignment {
  PartitionId partition;
  // 0: Apply() takes the next free id, so that two commands under way cannot collide. Otherwise it must never have been
  // used: not below MetadataImage::next_group_id(), and not far above it.
  GroupId group;
  std::vector<NodeId> replicas;
  friend bool operator==(const PartitionAssignment&, const PartitionAssignment&) = default;
};

// Adds a broker or replaces what is known of it. Which life of the node this is (ids.h: ReplicaId) follows from its
// incarnation, a number drawn when its data directory was made:
//   with a generation   it has taken part as that one; refused if another data directory took the node's place
//   without             it has promised nothing yet and gets a new one, or the one that it got for the same incarnation
struct RegisterBroker {
  NodeId node;
  uint64_t incarnation = 0;
  std::optional<uint32_t> generation;
  std::string host;  // of the Kafka listener, as clients shall see it
  uint16_t port = 0;
  std::string rack;         // empty: none
  std::string rpc_address;  // "host:port" for other nodes; empty: it has none
  friend bool operator==(const RegisterBroker&, const RegisterBroker&) = default;
};

struct CreateTopic {
  std::string name;
  TopicId id;                                   // random, made by the proposer
  std::vector<PartitionAssignment> partitions;  // numbers 0 .. n-1 in order
  ConfigMap configs;                            // the proposer has checked them: CheckTopicConfigs
  std::string created_by;                       // principal, for the audit
  friend bool operator==(const CreateTopic&, const CreateTopic&) = default;
};

struct DeleteTopic {
  TopicId id;
  friend bool operator==(const DeleteTopic&, const DeleteTopic&) = default;
};

struct AddPartitions {
  TopicId id;
  std::vector<PartitionAssignment> partitions;  // numbers continue those of the topic, in order
  friend bool operator==(const AddPartitions&, const AddPartitions&) = default;
};

struct SetTopicConfigs {
  TopicId id;
  ConfigMap set;                    // the proposer has checked them
  std::vector<std::string> remove;  // back to the default; a name that is not set is fine
  friend bool operator==(const SetTopicConfigs&, const SetTopicConfigs&) = default;
};

// A block of producer ids for one broker; Apply() says which.
struct AllocateProducerIds {
  NodeId node;
  int32_t count = 0;  // 1 .. kMaxProducerIdsPerBlock
  friend bool operator==(const AllocateProducerIds&, const AllocateProducerIds&) = default;
};

// Once in a cluster's life; repeating the same id is fine.
struct SetClusterId {
  std::string cluster_id;
  std::vector<NodeId> founders;  // the first voters of the metadata group, ascending
  friend bool operator==(const SetClusterId&, const SetClusterId&) = default;
};

struct Reassignment {
  PartitionId partition;
  std::vector<NodeId> replicas;  // all of them, the preferred leader first; none: a move is called off
  friend bool operator==(const Reassignment&, const Reassignment&) = default;
};

// Partitions move to other brokers (KIP-455). Those that leave keep their replicas until FinishReassignment; moving
// back is another reassignment.
struct ReassignPartitions {
  TopicId id;
  std::vector<Reassignment> partitions;
  friend bool operator==(const ReassignPartitions&, const ReassignPartitions&) = default;
};

// The group's configuration names these replicas only: who is not among them drops its data.
struct FinishReassignment {
  TopicId id;
  Reassignment reached;
  friend bool operator==(const FinishReassignment&, const FinishReassignment&) = default;
};

// The broker gets no new partitions, and those that it has are to move away; or not so any more.
struct SetBrokerLeaving {
  NodeId node;
  bool leaving = true;
  friend bool operator==(const SetBrokerLeaving&, const SetBrokerLeaving&) = default;
};

// A leaving broker without partitions is gone for good: its data directory cannot take part again.
struct RetireBroker {
  NodeId node;
  friend bool operator==(const RetireBroker&, const RetireBroker&) = default;
};

using Command =
    std::variant<RegisterBroker, CreateTopic, DeleteTopic, AddPartitions, SetTopicConfigs, AllocateProducerIds,
                 SetClusterId, ReassignPartitions, FinishReassignment, SetBrokerLeaving, RetireBroker>;

// A command beyond the bounds above still encodes; Apply() and DecodeCommand() refuse it.
Bytes EncodeCommand(const Command& command);

// kUnsupportedVersion: a newer format or command. kCorrupt: anything malformed, cut short or followed by more bytes. A
// replica that meets either in a committed entry must stop applying: it cannot know what the others now hold.
Result<Command> DecodeCommand(ByteView bytes);

}  // namespace chronik::metadata
