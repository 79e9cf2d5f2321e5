// SPDX-License-Identifier: Apache-2.0
// Goal: moves of partitions and elections of leaders are asked for as the client said, listed while they are under way,
// and refused with Kafka's codes. Method: requests to one broker of five, and to a real one that is alone.
#include <gmock/gmock.h>

#include "kernel/api/test_fake_broker.h"

namespace chronik::api {
namespace {

using protocol::AlterPartitionReassignmentsRequest;
using protocol::ElectLeadersRequest;
using protocol::ListPartitionReassignmentsRequest;
using testing::ElementsAre;
using testing::IsEmpty;

using Replicas = std::optional<std::vector<int32_t>>;

Replicas To(std::vector<int32_t> nodes) { return nodes; }

class ReassignTest : public FakeBrokerTest {
 protected:
  ReassignTest() : FakeBrokerTest(5) {}
  void SetUp() override {
    FakeBrokerTest::SetUp();
    topic_ = fake_.AddTopic("t", {Nodes({1, 2, 3}), Nodes({2, 3, 1})});
  }

  static AlterPartitionReassignmentsRequest Move(const std::string& topic, int32_t partition, Replicas replicas) {
    AlterPartitionReassignmentsRequest request;
    auto& t = request.topics.emplace_back();
    t.name = topic;
    t.partitions.push_back({partition, std::move(replicas)});
    return request;
  }
  // The code of the one partition that was asked for.
  int16_t CodeFor(const AlterPartitionReassignmentsRequest& request) {
    const auto response = Reply(request, 1);
    EXPECT_EQ(response.error_code, 0);
    EXPECT_EQ(response.allow_replication_factor_change, request.allow_replication_factor_change);
    const auto& answer = response.responses.at(0).partitions.at(0);
    EXPECT_EQ(answer.partition_index, request.topics[0].partitions[0].partition_index);
    EXPECT_EQ(answer.error_message.has_value(), answer.error_code != 0);
    return answer.error_code;
  }
  static ElectLeadersRequest Elect(int32_t partition, int8_t type = 0) {
    ElectLeadersRequest request;
    request.election_type = type;
    request.topic_partitions.emplace().push_back({"t", {partition}});
    return request;
  }

  metadata::TopicPtr topic_;
};

TEST_F(ReassignTest, AMoveIsAskedForWithItsReplicasInOrderAndNullCallsItOff) {
  EXPECT_EQ(CodeFor(Move("t", 1, To({5, 2, 4}))), 0);
  ASSERT_EQ(fake_.moves.size(), 1u);
  EXPECT_EQ(fake_.moves[0].topic, topic_->id);
  EXPECT_EQ(fake_.moves[0].partition, PartitionId(1));
  EXPECT_EQ(fake_.moves[0].replicas, Nodes({5, 2, 4}));
  EXPECT_EQ(CodeFor(Move("t", 1, std::nullopt)), 0);
  EXPECT_EQ(fake_.moves.at(0).replicas, std::nullopt);
}

TEST_F(ReassignTest, EachPartitionHasItsOwnOutcome) {
  auto request = Move("t", 0, To({4, 5, 1}));
  request.topics[0].partitions.push_back({7, To({1})});
  request.topics[0].partitions.push_back({1, std::nullopt});
  request.topics.push_back({"missing", {{0, To({1})}}});
  fake_.outcomes = {std::nullopt, Error{ErrorCode::kNoReassignmentInProgress, "none"}};
  const auto response = Reply(request, 0);
  ASSERT_EQ(response.responses.size(), 2u);
  const auto& answers = response.responses[0].partitions;
  EXPECT_EQ(answers.at(0).error_code, 0);
  EXPECT_EQ(answers.at(1).error_code, Code(KafkaError::kUnknownTopicOrPartition));
  EXPECT_EQ(answers.at(2).error_code, Code(KafkaError::kNoReassignmentInProgress));
  EXPECT_EQ(answers.at(2).error_message, "none");
  EXPECT_EQ(response.responses[1].partitions.at(0).error_code, Code(KafkaError::kUnknownTopicOrPartition));
  EXPECT_EQ(fake_.moves.size(), 2u) << "the others are not asked for";
}

TEST_F(ReassignTest, TheReplicationFactorChangesOnlyIfTheRequestAllowsIt) {
  auto request = Move("t", 0, To({1, 2}));
  EXPECT_EQ(CodeFor(request), 0);
  request.allow_replication_factor_change = false;
  EXPECT_EQ(CodeFor(request), Code(KafkaError::kInvalidReplicationFactor));
  request.topics[0].partitions[0].replicas = {4, 5, 1};
  EXPECT_EQ(CodeFor(request), 0);
  fake_.Apply(metadata::ReassignPartitions{topic_->id, {{PartitionId(0), Nodes({1, 2})}}});
  EXPECT_EQ(CodeFor(request), 0) << "it has three until the move is finished";
  EXPECT_EQ(CodeFor(Move("t", 0, To({-1, 2, 3}))), Code(KafkaError::kInvalidReplicaAssignment));
}

TEST_F(ReassignTest, WhatMovesIsListedUntilItIsCalledOff) {
  ListPartitionReassignmentsRequest all;
  EXPECT_THAT(Reply(all, 0).topics, IsEmpty());
  fake_.Apply(metadata::ReassignPartitions{topic_->id, {{PartitionId(1), Nodes({4, 2, 5})}}});
  const auto listed = Reply(all, 0);
  ASSERT_EQ(listed.topics.size(), 1u);
  EXPECT_EQ(listed.topics[0].name, "t");
  ASSERT_EQ(listed.topics[0].partitions.size(), 1u);
  const auto& p = listed.topics[0].partitions[0];
  EXPECT_EQ(p.partition_index, 1);
  EXPECT_THAT(p.replicas, ElementsAre(4, 2, 5, 1, 3));
  EXPECT_THAT(p.adding_replicas, ElementsAre(4, 5));
  EXPECT_THAT(p.removing_replicas, ElementsAre(1, 3));

  ListPartitionReassignmentsRequest some;
  some.topics.emplace().push_back({"t", {0}});
  some.topics->push_back({"missing", {0}});
  EXPECT_THAT(Reply(some, 0).topics, IsEmpty()) << "it was not asked for";
  some.topics->front().partition_indexes = {0, 1};
  EXPECT_EQ(Reply(some, 0).topics.size(), 1u);
  fake_.Apply(metadata::ReassignPartitions{topic_->id, {{PartitionId(1), {}}}});
  EXPECT_THAT(Reply(all, 0).topics, IsEmpty());
}

TEST_F(ReassignTest, ElectionsAreAskedForAndAnsweredOneByOne) {
  auto request = Elect(1);
  request.topic_partitions->front().partitions = {1, 9, 0};
  fake_.outcomes = {std::nullopt, Error{ErrorCode::kPreferredLeaderNotAvailable, "away"}};
  for (const int16_t version : {0, 1, 2}) {
    fake_.outcomes = {std::nullopt, Error{ErrorCode::kPreferredLeaderNotAvailable, "away"}};
    const auto response = Reply(request, version);
    EXPECT_EQ(response.error_code, 0);
    const auto& answers = response.replica_election_results.at(0).partition_result;
    ASSERT_EQ(answers.size(), 3u);
    EXPECT_EQ(answers[0].error_code, 0);
    EXPECT_EQ(answers[1].error_code, Code(KafkaError::kUnknownTopicOrPartition));
    EXPECT_EQ(answers[2].error_code, Code(KafkaError::kPreferredLeaderNotAvailable));
    EXPECT_EQ(answers[2].error_message, "away");
    ASSERT_EQ(fake_.elections.size(), 2u);
    EXPECT_EQ(fake_.elections[0].partition, PartitionId(1));
    EXPECT_FALSE(fake_.elections[0].unclean);
  }
  EXPECT_EQ(Reply(Elect(0, 1), 2).error_code, 0);
  EXPECT_TRUE(fake_.elections.at(0).unclean);
  EXPECT_EQ(Reply(Elect(0, 7), 2).error_code, Code(KafkaError::kInvalidRequest));
}

TEST_F(ReassignTest, OfAllPartitionsOnlyThoseWithSomethingToDoAreTold) {
  ElectLeadersRequest all;
  fake_.outcomes = {Error{ErrorCode::kElectionNotNeeded, "it leads"}, std::nullopt};
  const auto response = Reply(all, 2);
  ASSERT_EQ(response.replica_election_results.size(), 1u);
  ASSERT_EQ(response.replica_election_results[0].partition_result.size(), 1u);
  EXPECT_EQ(response.replica_election_results[0].partition_result[0].partition_id, 1);
  fake_.outcomes.assign(2, Error{ErrorCode::kElectionNotNeeded, "it leads"});
  EXPECT_THAT(Reply(all, 2).replica_election_results, IsEmpty());
}

// A real broker, alone.
class AloneTest : public ApiTest {
 protected:
  int16_t Reassign(Replicas replicas) {
    AlterPartitionReassignmentsRequest request;
    request.topics.push_back({"t", {{0, std::move(replicas)}}});
    return Reply(request, 1).responses.at(0).partitions.at(0).error_code;
  }
};

TEST_F(AloneTest, ReplicasThatCannotBeAreRefused) {
  CreateTopic("t");
  EXPECT_EQ(Reassign(std::nullopt), Code(KafkaError::kNoReassignmentInProgress));
  EXPECT_EQ(Reassign(To({})), Code(KafkaError::kInvalidReplicaAssignment));
  EXPECT_EQ(Reassign(To({1, 1})), Code(KafkaError::kInvalidReplicaAssignment));
  EXPECT_EQ(Reassign(To({2})), Code(KafkaError::kInvalidReplicaAssignment));
  EXPECT_EQ(Reassign(To({1})), 0) << "it is there already";
}

TEST_F(AloneTest, WhoLeadsNeedsNoElection) {
  CreateTopic("t");
  for (const int8_t type : {0, 1}) {
    ElectLeadersRequest request;
    request.election_type = type;
    request.topic_partitions.emplace().push_back({"t", {0}});
    const auto response = Reply(request, 2);
    EXPECT_EQ(response.replica_election_results.at(0).partition_result.at(0).error_code,
              Code(KafkaError::kElectionNotNeeded));
  }
}

}  // namespace
}  // namespace chronik::api
