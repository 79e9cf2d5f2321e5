// SPDX-License-Identifier: Apache-2.0
// Goal: what is wrong with a cluster is named, and a broker that is needed is not called safe to stop. Method: the
// judgement alone, on reports made by hand.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "kernel/admin/health.h"

namespace chronik::admin {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class HealthTest : public testing::Test {
 protected:
  HealthTest() {
    cluster_.self = NodeId(1);
    cluster_.serving = true;
    cluster_.metadata_leader = NodeId(2);
    for (uint64_t id = 1; id <= 3; ++id) {
      cluster_.metadata_voters.emplace_back(id);
      cluster_.members.push_back({NodeId(id), "host", 9092, "", true, true, std::nullopt});
    }
    Add({1, 2, 3}, {1, 2, 3}, 2);
  }
  static std::vector<NodeId> Nodes(const std::vector<uint64_t>& ids) {
    std::vector<NodeId> out;
    for (const uint64_t id : ids) out.emplace_back(id);
    return out;
  }
  broker::PartitionReport& Add(const std::vector<uint64_t>& replicas, const std::vector<uint64_t>& in_sync,
                               int32_t min_in_sync) {
    broker::PartitionReport& out = partitions_.emplace_back();
    out.topic = "t" + std::to_string(partitions_.size());
    out.partition = PartitionId(0);
    out.replicas = Nodes(replicas);
    out.in_sync = Nodes(in_sync);
    out.leader = {out.replicas.front(), 1};
    out.min_in_sync = min_in_sync;
    return out;
  }
  void Kill(size_t id) { cluster_.members[id - 1].alive = false; }
  std::vector<std::string> Wrong() const { return Kinds(WhatIsWrong(cluster_, partitions_)); }
  std::vector<std::string> NotStop() const { return Kinds(WhyNotStop(cluster_, partitions_)); }
  static std::vector<std::string> Kinds(const std::vector<Reason>& reasons) {
    std::vector<std::string> out;
    for (const Reason& reason : reasons) out.push_back((reason.topic.empty() ? "" : reason.topic + " ") + reason.kind);
    return out;
  }

  broker::ClusterReport cluster_;
  std::vector<broker::PartitionReport> partitions_;
};

TEST_F(HealthTest, AWholeClusterIsHealthyAndSpares) {
  EXPECT_THAT(Wrong(), IsEmpty());
  EXPECT_THAT(NotStop(), IsEmpty());
}

TEST_F(HealthTest, ADeadBrokerIsNamedWithWhatItTakesAlong) {
  Add({3, 1, 2}, {1, 2, 3}, 2);
  Kill(3);
  EXPECT_THAT(Wrong(), ElementsAre("dead_broker", "t1 under_replicated", "t2 leaderless"));
  Kill(2);
  EXPECT_THAT(Wrong(), ElementsAre("dead_broker", "dead_broker", "t1 under_min_isr", "t2 offline"));
}

TEST_F(HealthTest, AFollowerThatLagsLeavesItsPartitionUnderReplicated) {
  partitions_[0].in_sync = Nodes({1, 2});
  EXPECT_THAT(Wrong(), ElementsAre("t1 under_replicated"));
  partitions_[0].in_sync = Nodes({1});
  EXPECT_THAT(Wrong(), ElementsAre("t1 under_min_isr"));
  partitions_[0].in_sync = {};
  EXPECT_THAT(Wrong(), ElementsAre("t1 unknown"));
}

TEST_F(HealthTest, ABrokerWithoutItsClusterSaysSo) {
  cluster_.serving = false;
  cluster_.metadata_leader = NodeId(0);
  EXPECT_THAT(Wrong(), ElementsAre("not_serving", "no_metadata_leader"));
  EXPECT_THAT(NotStop(), ElementsAre("not_serving", "no_metadata_leader"));
}

TEST_F(HealthTest, AStuckShardAndAFailedDiskAreNamed) {
  partitions_[0].stuck = true;
  EXPECT_THAT(Wrong(), ElementsAre("t1 stuck"));
  partitions_[0].stuck = false;
  partitions_[0].local = broker::ReplicaReport{};
  partitions_[0].local->failed = true;
  EXPECT_THAT(Wrong(), ElementsAre("t1 failed_disk"));
}

TEST_F(HealthTest, TheOnlyCopyIsNotSafeToStop) {
  Add({1}, {1}, 1);
  EXPECT_THAT(Wrong(), IsEmpty());
  EXPECT_THAT(NotStop(), ElementsAre("t2 loses_majority"));
}

TEST_F(HealthTest, OneOfTwoCopiesIsNotSafeToStop) {
  Add({2, 1}, {1, 2}, 1);
  EXPECT_THAT(NotStop(), ElementsAre("t2 loses_majority"));
}

TEST_F(HealthTest, WithAnotherBrokerDownOrLaggingItIsNotSafe) {
  Kill(3);
  EXPECT_THAT(NotStop(), ElementsAre("metadata_loses_majority", "t1 loses_majority"));
  cluster_.members[2].alive = true;
  partitions_[0].in_sync = Nodes({1, 2});
  EXPECT_THAT(NotStop(), ElementsAre("t1 loses_majority"));
}

TEST_F(HealthTest, MinInSyncCountsBeyondTheMajority) {
  partitions_[0].min_in_sync = 3;
  EXPECT_THAT(NotStop(), ElementsAre("t1 below_min_isr"));
}

TEST_F(HealthTest, PartitionsElsewhereAreNoReasonAndUnknownOnesHereAre) {
  Add({2, 3}, {2}, 2);
  EXPECT_THAT(NotStop(), IsEmpty());
  partitions_[0].in_sync = {};
  EXPECT_THAT(NotStop(), ElementsAre("t1 unknown"));
}

}  // namespace
}  // namespace chronik::admin
