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

namespace chronik::broker {

struct MemberReport {
  NodeId id;
  std::string host;  // as advertised to clients; empty: it has not registered yet
  uint16_t port = 0;
  std::string rack;
  bool founder = false;
  bool alive = false;                   // this broker itself, or one that it is connected to
  std::optional<uint64_t> incarnation;  // if known here
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

class Admin {
 public:
  virtual ~Admin() = default;

  virtual void DescribeCluster(Callback<ClusterReport> done) = 0;
};

}  // namespace chronik::broker
