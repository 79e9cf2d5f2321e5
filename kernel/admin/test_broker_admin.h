// SPDX-License-Identifier: Apache-2.0
// A broker as the endpoint's tests need it: it answers what it was told to, or is stuck.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "kernel/broker/admin.h"

namespace chronik::admin {

class TestBrokerAdmin final : public broker::Admin {
 public:
  void DescribeCluster(broker::Callback<broker::ClusterReport> done) override {
    if (!stuck) return done(cluster);
    held.push_back(std::move(done));
  }
  void DescribePartitions(const std::string& topic,
                          broker::Callback<Result<std::vector<broker::PartitionReport>>> done) override {
    asked = "partitions of '" + topic + "'";
    done(partitions);
  }
  void TransferLeadership(const std::string& topic, PartitionId partition, NodeId to, std::chrono::milliseconds timeout,
                          broker::Callback<Result<broker::LeaderInfo>> done) override {
    asked = topic + "-" + std::to_string(partition.value) + " to " + std::to_string(to.value) + " in " +
            std::to_string(timeout.count());
    done(transferred);
  }
  void SetBrokerLeaving(NodeId node, bool leaving, std::chrono::milliseconds, broker::Callback<Status> done) override {
    asked = std::to_string(node.value) + (leaving ? " leaves" : " stays");
    done(left);
  }

  Status left;
  broker::ClusterReport cluster;
  Result<std::vector<broker::PartitionReport>> partitions = std::vector<broker::PartitionReport>();
  Result<broker::LeaderInfo> transferred = broker::LeaderInfo{NodeId(2), 5};
  std::string asked;
  bool stuck = false;  // questions about the cluster are kept in `held`
  std::vector<broker::Callback<broker::ClusterReport>> held;
};

}  // namespace chronik::admin
