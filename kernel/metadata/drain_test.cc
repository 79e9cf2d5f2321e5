// SPDX-License-Identifier: Apache-2.0
// Goal: a leaving broker's partitions go where there is room, a few at a time, and it is empty in the end. Method:
// plans are applied as they come, until there is none.
#include "kernel/metadata/drain.h"

#include <gtest/gtest.h>

#include "kernel/metadata/test_images.h"

namespace chronik::metadata {
namespace {

const TopicId kId = MakeTopicId(1);

std::set<NodeId> Nodes(std::initializer_list<uint64_t> ids) {
  std::set<NodeId> out;
  for (const uint64_t id : ids) out.insert(NodeId(id));
  return out;
}

// Brokers 1 to 5 with racks 1 2 0 1 2; six partitions of three replicas on brokers 1, 2 and 3.
ImagePtr Example() {
  ImagePtr image = WithBrokers(5);
  std::vector<PartitionAssignment> partitions;
  for (int32_t i = 0; i < 6; ++i) partitions.push_back({PartitionId(i), GroupId(0), {NodeId(1), NodeId(2), NodeId(3)}});
  MustApply(&image, CreateTopic{"t", kId, partitions, {}, ""});
  return image;
}

TEST(Drain, NothingMovesWhileNobodyLeaves) {
  const DrainPlan plan = PlanDrain(*Example(), Nodes({1, 2, 3, 4, 5}), 10);
  EXPECT_TRUE(plan.moves.empty());
  EXPECT_TRUE(plan.empty.empty());
}

TEST(Drain, MovesAFewAtATimeToWhereThereIsRoomAndARackOfItsOwn) {
  ImagePtr image = Example();
  MustApply(&image, SetBrokerLeaving{NodeId(1)});
  size_t rounds = 0;
  for (DrainPlan plan = PlanDrain(*image, Nodes({2, 3, 4, 5}), 2); !plan.moves.empty();
       plan = PlanDrain(*image, Nodes({2, 3, 4, 5}), 2)) {
    ASSERT_EQ(plan.moves.size(), 1u);
    EXPECT_EQ(plan.moves[0].partitions.size(), 2u);
    EXPECT_TRUE(plan.empty.empty());
    MustApply(&image, plan.moves[0]);
    EXPECT_TRUE(PlanDrain(*image, Nodes({2, 3, 4, 5}), 2).moves.empty()) << "two are under way";
    for (const Reassignment& reached : plan.moves[0].partitions) {
      // Broker 4 is in the rack that broker 1 leaves, broker 5 in that of broker 2.
      EXPECT_EQ(reached.replicas, (std::vector<NodeId>{NodeId(4), NodeId(2), NodeId(3)}));
      MustApply(&image, FinishReassignment{kId, reached});
    }
    ++rounds;
  }
  EXPECT_EQ(rounds, 3u);
  EXPECT_EQ(PlanDrain(*image, Nodes({2, 3, 4, 5}), 2).empty, std::vector<NodeId>{NodeId(1)});
}

TEST(Drain, ADeadBrokerGetsNothingAndTooFewMakeItWait) {
  ImagePtr image = Example();
  MustApply(&image, SetBrokerLeaving{NodeId(1)});
  const DrainPlan plan = PlanDrain(*image, Nodes({2, 3}), 10);
  EXPECT_TRUE(plan.moves.empty());
  EXPECT_EQ(plan.waiting, 6u);
}

TEST(Drain, SpreadsOverEqualBrokers) {
  ImagePtr image = MetadataImage::Empty();
  for (uint64_t node = 1; node <= 4; ++node) MustApply(&image, Founder(node));
  MustApply(&image, CreateTopic{"t", kId, OnBroker1(9), {}, ""});
  MustApply(&image, SetBrokerLeaving{NodeId(1)});
  const DrainPlan plan = PlanDrain(*image, Nodes({1, 2, 3, 4}), 100);
  std::map<NodeId, int> got;
  for (const Reassignment& move : plan.moves.at(0).partitions) ++got[move.replicas.front()];
  EXPECT_EQ(got, (std::map<NodeId, int>{{NodeId(2), 3}, {NodeId(3), 3}, {NodeId(4), 3}}));
}

TEST(Drain, WhoCannotBeReplacedIsToldSo) {
  ImagePtr image = WithBrokers(3);
  MustApply(&image, CreateTopic{"big", kId, {{PartitionId(0), GroupId(0), {NodeId(1), NodeId(2), NodeId(3)}}}, {}, ""});
  const Status refused = CheckLeaving(*image, NodeId(2));
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, ErrorCode::kInvalidReplicationFactor);
  EXPECT_NE(refused.error().message.find("'big'"), std::string::npos);
  EXPECT_EQ(CheckLeaving(*image, NodeId(9)).error().code, ErrorCode::kNotFound);
  MustApply(&image, Founder(4));
  EXPECT_TRUE(CheckLeaving(*image, NodeId(2)).ok());
  EXPECT_EQ(CheckLeaving(*WithBrokers(1), NodeId(1)).error().code, ErrorCode::kInvalidArgument);
}

}  // namespace
}  // namespace chronik::metadata
