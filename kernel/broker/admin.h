// SPDX-License-Identifier: Apache-2.0
// What an operator can ask of this broker: who is in the cluster, how its partitions are, and to move a leadership.
// The admin endpoint (kernel/admin) turns it into HTTP.
//
// Threads: every call may come from any thread; its callback runs once, later, on shard 0's thread - or never, if that
// thread is stuck or ends: who asks sets a deadline. One shard that does not answer holds nothing up but its own
// partitions' details.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "kernel/base/ids.h"
#include "kernel/base/result.h"
#include "kernel/broker/broker.h"
#include "kernel/raft/types.h"

namespace chronik::broker {

struct MemberReport {
  NodeId id;
  std::string host;  // as advertised to clients; empty: it has not registered yet
  uint16_t port = 0;
  std::string rack;
  bool founder = false;
  bool alive = false;                   // this broker itself, or one that it is connected to
  std::optional<uint64_t> incarnation;  // if known here
  uint32_t generation = 0;              // of its life, see ReplicaId
  bool leaving = false;                 // it is being decommissioned
  std::string rpc_address = {};         // where other nodes reach it, "host:port"; empty: not known here
};

struct ClusterReport {
  std::string cluster_id;  // empty: not formed yet
  NodeId self;
  bool serving = false;    // has joined
  NodeId metadata_leader;  // 0: none known
  Term metadata_term;      // of the `__meta` group
  uint64_t metadata_version = 0;
  std::vector<NodeId> metadata_voters;
  std::vector<MemberReport> members;  // ascending id
};

// A follower as the leader of its partition sees it.
struct FollowerReport {
  NodeId node;
  LogIndex match;                // has everything up to here, durably
  uint64_t lag_entries = 0;      // behind the leader's last one
  bool recently_active = false;  // answered within an election timeout
  bool learner = false;
};

// What the replica on this broker says.
struct ReplicaReport {
  raft::Role role = raft::Role::kFollower;
  Term term;
  LogIndex first_index;
  LogIndex last_index;
  LogIndex commit_index;
  LogIndex applied_index;
  Offset log_start_offset;
  Offset high_watermark;
  Offset log_end_offset;
  bool failed = false;                    // its disk
  std::vector<FollowerReport> followers;  // of a leader
};

struct PartitionReport {
  std::string topic;
  TopicId topic_id;
  PartitionId partition;
  GroupId group;
  std::vector<NodeId> replicas;  // the first is the preferred leader
  LeaderInfo leader;             // leader 0: none known
  std::vector<NodeId> in_sync;   // as the leader said last; empty: not known
  int32_t min_in_sync = 1;
  std::optional<ReplicaReport> local;  // if this broker has a replica and its shard answered
  bool stuck = false;                  // it has one, and its shard did not answer
};

class Admin {
 public:
  virtual ~Admin() = default;

  virtual void DescribeCluster(Callback<ClusterReport> done) = 0;
  // Of one topic, or of all if it is empty; in the order of names and numbers. kUnknownTopic.
  virtual void DescribePartitions(const std::string& topic, Callback<Result<std::vector<PartitionReport>>> done) = 0;
  // Any broker may be asked; the one that leads the partition does it. Answers who leads once it is `to`. kTimedOut: it
  // may still become so.
  virtual void TransferLeadership(const std::string& topic, PartitionId partition, NodeId to,
                                  std::chrono::milliseconds timeout, Callback<Result<LeaderInfo>> done) = 0;
  // The broker gets no new partitions and loses those that it has, a few at a time; then it is gone for good. Answered
  // once that is decided; DescribeCluster and DescribePartitions tell how far it is. `leaving` false calls it off.
  // kNotFound, kInvalidReplicationFactor if others cannot take its partitions, kTimedOut: the outcome is unknown.
  virtual void SetBrokerLeaving(NodeId node, bool leaving, std::chrono::milliseconds timeout,
                                Callback<Status> done) = 0;
};

}  // namespace chronik::broker
