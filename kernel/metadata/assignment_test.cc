// SPDX-License-Identifier: Apache-2.0
// Goal: leaders and replicas are spread evenly, over racks where there are any. Method: the plan's own examples, then
// every size up to 8 brokers with the properties checked.
#include <gtest/gtest.h>

#include "kernel/metadata/assignment.h"

namespace chronik::metadata {
namespace {

std::vector<AssignableBroker> Brokers(uint64_t count, uint64_t racks = 0) {
  std::vector<AssignableBroker> out;
  for (uint64_t i = 1; i <= count; ++i) out.push_back({NodeId(i), racks == 0 ? "" : "r" + std::to_string(i % racks)});
  return out;
}

std::map<NodeId, int> LeaderCounts(const std::vector<std::vector<NodeId>>& assignment) {
  std::map<NodeId, int> counts;
  for (const auto& replicas : assignment) ++counts[replicas.front()];
  return counts;
}

TEST(AssignReplicas, TheExamplesOfThePlan) {
  EXPECT_EQ(LeaderCounts(*AssignReplicas(Brokers(3), 9, 3, 0)),
            (std::map<NodeId, int>{{NodeId(1), 3}, {NodeId(2), 3}, {NodeId(3), 3}}));
  EXPECT_EQ(LeaderCounts(*AssignReplicas(Brokers(5), 10, 3, 0)),
            (std::map<NodeId, int>{{NodeId(1), 2}, {NodeId(2), 2}, {NodeId(3), 2}, {NodeId(4), 2}, {NodeId(5), 2}}));
}

TEST(AssignReplicas, IsEvenForEverySizeAndStart) {
  for (uint64_t brokers = 1; brokers <= 8; ++brokers) {
    for (int32_t factor = 1; factor <= static_cast<int32_t>(brokers); ++factor) {
      for (const uint64_t start : {uint64_t{0}, uint64_t{3}, std::numeric_limits<uint64_t>::max()}) {
        const int32_t partitions = static_cast<int32_t>(brokers * 3 + 1);
        const auto assignment = AssignReplicas(Brokers(brokers), partitions, factor, start);
        ASSERT_TRUE(assignment.ok());
        ASSERT_EQ(assignment->size(), static_cast<size_t>(partitions));
        std::map<NodeId, int> held;
        for (const auto& replicas : *assignment) {
          EXPECT_EQ(std::set(replicas.begin(), replicas.end()).size(), static_cast<size_t>(factor));
          for (const NodeId replica : replicas) ++held[replica];
        }
        for (const auto& counts : {LeaderCounts(*assignment), held}) {
          ASSERT_EQ(counts.size(), brokers);
          const auto [low, high] =
              std::minmax_element(counts.begin(), counts.end(), [](auto& a, auto& b) { return a.second < b.second; });
          const int slack = counts == held ? 2 : 1;
          EXPECT_LE(high->second - low->second, slack)
              << brokers << " brokers, factor " << factor << ", start " << start;
        }
      }
    }
  }
}

TEST(AssignReplicas, ReplicasSitInDifferentRacksWhileThereAreAny) {
  for (const uint64_t racks : {2, 3}) {
    std::vector<AssignableBroker> brokers = Brokers(6, racks);
    std::map<NodeId, std::string> rack_of;
    for (const AssignableBroker& broker : brokers) rack_of[broker.id] = broker.rack;
    const auto assignment = AssignReplicas(brokers, 12, 3, 1);
    for (const auto& replicas : *assignment) {
      std::set<std::string> used;
      for (const NodeId replica : replicas) used.insert(rack_of[replica]);
      EXPECT_EQ(used.size(), racks);
    }
    for (const auto& [broker, leaders] : LeaderCounts(*assignment)) EXPECT_EQ(leaders, 2) << broker;
    std::swap(brokers.front(), brokers.back());
    EXPECT_EQ(*AssignReplicas(brokers, 12, 3, 1), *assignment) << "depends on the order of the brokers";
  }
}

TEST(AssignReplicas, FollowersOfOneLeaderDiffer) {
  const auto assignment = AssignReplicas(Brokers(5), 20, 2, 0);
  std::set<NodeId> followers_of_1;
  for (const auto& replicas : *assignment) {
    if (replicas.front() == NodeId(1)) followers_of_1.insert(replicas.back());
  }
  EXPECT_GT(followers_of_1.size(), 1u);
}

TEST(AssignReplicas, AddedPartitionsContinueTheRound) {
  const auto all = LeaderCounts(*AssignReplicas(Brokers(4), 8, 1, 5));
  auto parts = LeaderCounts(*AssignReplicas(Brokers(4), 3, 1, 5));
  for (const auto& [broker, leaders] : LeaderCounts(*AssignReplicas(Brokers(4), 5, 1, 5, 3))) parts[broker] += leaders;
  EXPECT_EQ(parts, all);
}

TEST(AssignReplicas, Refusals) {
  EXPECT_EQ(AssignReplicas(Brokers(3), 0, 1, 0).error().code, ErrorCode::kInvalidPartitionCount);
  EXPECT_EQ(AssignReplicas(Brokers(3), -1, 1, 0).error().code, ErrorCode::kInvalidPartitionCount);
  EXPECT_EQ(AssignReplicas(Brokers(3), 2000000000, 1, 0).error().code, ErrorCode::kInvalidPartitionCount);
  EXPECT_EQ(AssignReplicas(Brokers(3), 1, 4, 0).error().code, ErrorCode::kInvalidReplicationFactor);
  EXPECT_EQ(AssignReplicas(Brokers(3), 1, 0, 0).error().code, ErrorCode::kInvalidReplicationFactor);
  EXPECT_EQ(AssignReplicas({}, 1, 1, 0).error().code, ErrorCode::kInvalidReplicationFactor);
}

}  // namespace
}  // namespace chronik::metadata
