// SPDX-License-Identifier: Apache-2.0
// Goal: a client of a node that is cut off from most brokers looks elsewhere, and no other client is sent away. Method:
// Metadata requests against one broker of three.
#include <gmock/gmock.h>

#include "kernel/api/test_fake_broker.h"

namespace chronik::api {
namespace {

using protocol::MetadataRequest;

class CutOffTest : public FakeBrokerTest {
 protected:
  CutOffTest() : FakeBrokerTest(3) {}
  void SetUp() override {
    FakeBrokerTest::SetUp();
    topic_ = fake_.AddTopic("t", {Nodes({2, 1, 3}), Nodes({3, 2, 1})});
    mine_ = fake_.AddTopic("mine", {Nodes({1, 2, 3})});
  }
  auto Metadata(std::optional<std::vector<std::string>> names) {
    MetadataRequest request;
    if (names) {
      request.topics.emplace();
      for (const std::string& name : *names) request.topics->emplace_back().name = name;
    }
    request.allow_auto_topic_creation = false;
    return Ask(request, 12);
  }
  void CutOff() { fake_.alive = {NodeId(1)}; }

  metadata::TopicPtr topic_;
  metadata::TopicPtr mine_;
};

TEST_F(CutOffTest, ItsClientIsSentAwayFromLeadersThatItCannotSee) {
  CutOff();
  const auto asked = Metadata({{"t"}});
  ASSERT_TRUE(asked.is(Answer::Kind::kClose));
  EXPECT_THAT(asked.why_closed(), testing::HasSubstr("cut off"));
  fake_.leaders.clear();
  EXPECT_TRUE(Metadata({{"t"}}).is(Answer::Kind::kClose)) << "it knows no leader at all";
}

TEST_F(CutOffTest, WhatHasALeaderThatItSeesIsAnswered) {
  CutOff();
  EXPECT_EQ(Metadata({{"mine"}}).Get().topics.at(0).partitions.at(0).leader_id, 1);
  EXPECT_EQ(Metadata({{"t", "mine"}}).Get().topics.size(), 2u) << "a part is of use here";
  fake_.leaders[topic_->partitions[1].group] = {NodeId(1), 2};
  EXPECT_EQ(Metadata({{"t"}}).Get().topics.at(0).partitions.at(1).leader_id, 1);
}

// Whoever is asked names who leads; and nobody whom it cannot see.
TEST_F(CutOffTest, ACoordinatorIsWhoeverLeadsAndIsInReach) {
  fake_.coordinator = broker::PartitionRef{topic_->id, PartitionId(1), topic_->partitions[1].group};
  protocol::FindCoordinatorRequest request;
  request.key = "group";
  const auto found = Reply(request, 3);
  EXPECT_EQ(found.error_code, 0);
  EXPECT_EQ(found.node_id, 3);
  CutOff();
  EXPECT_EQ(Reply(request, 3).error_code, Code(KafkaError::kCoordinatorNotAvailable));
}

TEST_F(CutOffTest, ATopicThatIsNotThereAndAllTopicsAreAnswered) {
  CutOff();
  EXPECT_EQ(Metadata({{"missing"}}).Get().topics.at(0).error_code, Code(KafkaError::kUnknownTopicOrPartition));
  EXPECT_EQ(Metadata(std::nullopt).Get().topics.size(), 2u) << "a client that begins learns the brokers by it";
  EXPECT_TRUE(Metadata(std::vector<std::string>{}).is(Answer::Kind::kReply)) << "the brokers only";
}

TEST_F(CutOffTest, ANodeWithMostBrokersInReachAnswersThatThereIsNoLeader) {
  fake_.alive = {NodeId(1), NodeId(2)};
  fake_.leaders.clear();
  const auto answer = Metadata({{"t"}}).Get();
  EXPECT_EQ(answer.brokers.size(), 2u);
  EXPECT_EQ(answer.topics.at(0).partitions.at(0).leader_id, -1);
  EXPECT_EQ(answer.topics.at(0).partitions.at(0).error_code, Code(KafkaError::kLeaderNotAvailable));
}

}  // namespace
}  // namespace chronik::api
