// SPDX-License-Identifier: Apache-2.0
// Goal: topics are created, grown, deleted and shown as clients expect, and refused with the code that tells them why.
// Method: CreateTopics, CreatePartitions, DeleteTopics and Metadata requests against a broker with one node.
#include "kernel/api/test_api.h"

namespace chronik::api {
namespace {

using protocol::CreatePartitionsRequest;
using protocol::CreateTopicsRequest;
using protocol::CreateTopicsResponse;
using protocol::DeleteTopicsRequest;
using protocol::MetadataRequest;
using protocol::MetadataResponse;

constexpr int16_t kCreateVersion = 7;
constexpr int16_t kMetadataVersion = 12;

class TopicsTest : public ApiTest {
 protected:
  static CreateTopicsRequest::CreatableTopic New(const std::string& name, int32_t partitions = 1, int16_t factor = 1) {
    return {name, partitions, factor, {}, {}};
  }
  CreateTopicsResponse::CreatableTopicResult Create(CreateTopicsRequest::CreatableTopic topic,
                                                    bool validate_only = false) {
    CreateTopicsRequest request;
    request.topics = {std::move(topic)};
    request.timeout_ms = 1000;
    request.validate_only = validate_only;
    return Reply(request, kCreateVersion).topics.at(0);
  }
  int16_t CodeFor(CreateTopicsRequest::CreatableTopic topic) {
    const auto answer = Create(std::move(topic));
    EXPECT_EQ(answer.error_message.has_value(), answer.error_code != 0);
    EXPECT_EQ(answer.topic_id.IsZero(), answer.error_code != 0);
    return answer.error_code;
  }
  MetadataResponse Metadata(std::optional<std::vector<std::string>> names, bool may_create = false) {
    MetadataRequest request;
    if (names) {
      request.topics.emplace();
      for (const std::string& name : *names) request.topics->emplace_back().name = name;
    }
    request.allow_auto_topic_creation = may_create;
    return Reply(request, kMetadataVersion);
  }
  int16_t Grow(const std::string& name, int32_t count, bool validate_only = false) {
    CreatePartitionsRequest request;
    request.topics.push_back({name, count, std::nullopt});
    request.timeout_ms = 1000;
    request.validate_only = validate_only;
    return Reply(request, 3).results.at(0).error_code;
  }
  size_t PartitionCount(const std::string& name) { return broker_->image().FindTopic(name)->partitions.size(); }
};

TEST_F(TopicsTest, ACreatedTopicIsDescribedAndReady) {
  auto wanted = New("orders", 3);
  wanted.configs.push_back({"max.message.bytes", "5000"});
  const auto created = Create(wanted);
  EXPECT_EQ(created.error_code, 0);
  EXPECT_EQ(created.num_partitions, 3);
  EXPECT_EQ(created.replication_factor, 1);
  EXPECT_FALSE(created.topic_id.IsZero());
  bool found = false;
  for (const auto& config : *created.configs) {
    if (config.name != "max.message.bytes") continue;
    found = true;
    EXPECT_EQ(config.value, "5000");
    EXPECT_EQ(config.config_source, 1);
  }
  EXPECT_TRUE(found);
  EXPECT_EQ(Produce("orders", 2, Batch({"a"})).error_code, 0) << "answered only once it can be used";
  EXPECT_EQ(Produce("orders", 2, Batch({std::string(5000, 'x')})).error_code, Code(KafkaError::kMessageTooLarge));
}

TEST_F(TopicsTest, DefaultsFillInWhatTheClientLeavesOut) {
  broker::Settings settings;
  settings.default_partitions = 5;
  StartBroker(settings);
  EXPECT_EQ(Create(New("d", -1, -1)).num_partitions, 5);
}

TEST_F(TopicsTest, ImpossibleTopicsAreRefusedEachForItsReason) {
  ASSERT_EQ(CodeFor(New("taken.name")), 0);
  EXPECT_EQ(CodeFor(New("taken.name")), Code(KafkaError::kTopicAlreadyExists));
  EXPECT_EQ(CodeFor(New("taken_name")), Code(KafkaError::kInvalidTopicException)) << "differs in '.' and '_' only";
  for (const std::string& name : {std::string(), std::string("."), std::string(".."), std::string("a b"),
                                  std::string("a/b"), std::string(250, 'a'), std::string("\xc3\xa4")}) {
    EXPECT_EQ(CodeFor(New(name)), Code(KafkaError::kInvalidTopicException)) << name;
  }
  EXPECT_EQ(CodeFor(New("p", 0)), Code(KafkaError::kInvalidPartitions));
  EXPECT_EQ(CodeFor(New("p", -2)), Code(KafkaError::kInvalidPartitions));
  EXPECT_EQ(CodeFor(New("p", INT32_MAX)), Code(KafkaError::kInvalidPartitions));
  EXPECT_EQ(CodeFor(New("p", 1, 2)), Code(KafkaError::kInvalidReplicationFactor));
  EXPECT_EQ(CodeFor(New("p", 1, 0)), Code(KafkaError::kInvalidReplicationFactor));
  auto configured = New("p");
  configured.configs = {{"no.such.config", "1"}};
  EXPECT_EQ(CodeFor(configured), Code(KafkaError::kInvalidConfig));
  configured.configs = {{"max.message.bytes", "many"}};
  EXPECT_EQ(CodeFor(configured), Code(KafkaError::kInvalidConfig));
  configured.configs = {{"max.message.bytes", "1"}, {"max.message.bytes", "2"}};
  EXPECT_EQ(CodeFor(configured), Code(KafkaError::kInvalidConfig));
  EXPECT_EQ(broker_->image().topic_count(), 1u);
}

TEST_F(TopicsTest, AssignmentsAreChecked) {
  auto assigned = New("assigned", -1, -1);
  assigned.assignments = {{1, {1}}, {0, {1}}};
  EXPECT_EQ(Create(assigned).num_partitions, 2);
  const auto code = [&](std::vector<CreateTopicsRequest::CreatableReplicaAssignment> assignments, int32_t count = -1) {
    auto topic = New("refused", count, -1);
    topic.assignments = std::move(assignments);
    return CodeFor(topic);
  };
  const int16_t invalid = Code(KafkaError::kInvalidReplicaAssignment);
  EXPECT_EQ(code({{0, {2}}}), invalid) << "no such broker";
  EXPECT_EQ(code({{0, {1}}, {2, {1}}}), invalid) << "a gap";
  EXPECT_EQ(code({{0, {1}}, {0, {1}}}), invalid) << "twice";
  EXPECT_EQ(code({{0, {}}, {0, {}}}), invalid) << "twice, and empty";
  EXPECT_EQ(code({{0, {}}}), invalid) << "nobody";
  EXPECT_EQ(code({{0, {1, 1}}}), invalid) << "the same broker twice";
  EXPECT_EQ(code({{0, {-1}}}), invalid);
  EXPECT_EQ(code({{0, {1}}}, 1), Code(KafkaError::kInvalidRequest)) << "count and assignment";
}

TEST_F(TopicsTest, ValidateOnlyFindsEveryFaultAndCreatesNothing) {
  EXPECT_EQ(Create(New("a.b", 4), true).error_code, 0);
  EXPECT_EQ(Create(New("a.b", 4), true).num_partitions, 4);
  EXPECT_EQ(broker_->image().topic_count(), 0u);
  EXPECT_EQ(Create(New("a.b", 1, 3), true).error_code, Code(KafkaError::kInvalidReplicationFactor));
  CreateTopic("a_b");
  EXPECT_EQ(Create(New("a.b"), true).error_code, Code(KafkaError::kInvalidTopicException));
}

TEST_F(TopicsTest, ATopicThatIsNamedTwiceInOneRequestIsNotCreated) {
  CreateTopicsRequest request;
  request.topics = {New("twice"), New("once"), New("twice", 2)};
  const auto response = Reply(request, kCreateVersion);
  ASSERT_EQ(response.topics.size(), 3u);
  EXPECT_EQ(response.topics[0].error_code, Code(KafkaError::kInvalidRequest));
  EXPECT_EQ(response.topics[1].error_code, 0);
  EXPECT_EQ(response.topics[2].error_code, Code(KafkaError::kInvalidRequest));
  EXPECT_EQ(broker_->image().FindTopic("twice"), nullptr);
}

TEST_F(TopicsTest, CreationTimesOutWhenThePartitionsDoNotGetReady) {
  broker_->control.Hold(true);  // which opens groups
  CreateTopicsRequest request;
  request.topics = {New("slow")};
  request.timeout_ms = 1000;
  const auto asked = Ask(request, kCreateVersion);
  EXPECT_FALSE(asked.answered());
  broker_->threads.Advance(std::chrono::seconds(1));
  EXPECT_EQ(asked.Get().topics[0].error_code, Code(KafkaError::kRequestTimedOut));
  broker_->control.Hold(false);
  broker_->threads.Run();
  EXPECT_EQ(Produce("slow", 0, Batch({"a"})).error_code, 0) << "it is there after all";
}

TEST_F(TopicsTest, PartitionsAreAddedAndNeverTakenAway) {
  CreateTopic("t", 2);
  EXPECT_EQ(Grow("t", 4), 0);
  EXPECT_EQ(PartitionCount("t"), 4u);
  EXPECT_EQ(Produce("t", 3, Batch({"a"})).error_code, 0);
  EXPECT_EQ(Grow("t", 4), Code(KafkaError::kInvalidPartitions));
  EXPECT_EQ(Grow("t", 3), Code(KafkaError::kInvalidPartitions));
  EXPECT_EQ(Grow("t", -1), Code(KafkaError::kInvalidPartitions));
  EXPECT_EQ(Grow("t", INT32_MAX), Code(KafkaError::kInvalidPartitions));
  EXPECT_EQ(Grow("missing", 4), Code(KafkaError::kUnknownTopicOrPartition));
  EXPECT_EQ(Grow("t", 5, true), 0);
  EXPECT_EQ(PartitionCount("t"), 4u) << "validated only";
}

TEST_F(TopicsTest, NewPartitionsMayBeAssigned) {
  CreateTopic("t", 1);
  const auto grow = [&](std::vector<CreatePartitionsRequest::CreatePartitionsAssignment> assignments) {
    CreatePartitionsRequest request;
    request.topics.push_back({"t", 3, std::move(assignments)});
    return Reply(request, 3).results.at(0).error_code;
  };
  EXPECT_EQ(grow({{{1}}}), Code(KafkaError::kInvalidReplicaAssignment)) << "two are new";
  EXPECT_EQ(grow({{{1}}, {{2}}}), Code(KafkaError::kInvalidReplicaAssignment));
  EXPECT_EQ(grow({{{1}}, {{-1}}}), Code(KafkaError::kInvalidReplicaAssignment));
  EXPECT_EQ(grow({{{1}}, {{1}}}), 0);
  EXPECT_EQ(PartitionCount("t"), 3u);
}

TEST_F(TopicsTest, TwoRequestsForTheSameCountDoNotAddUp) {
  CreateTopic("t", 2);
  CreatePartitionsRequest request;
  request.topics.push_back({"t", 4, std::nullopt});
  request.topics.push_back({"t", 4, std::nullopt});
  request.timeout_ms = 1000;
  const auto both = Reply(request, 3);
  EXPECT_EQ(PartitionCount("t"), 4u);
  EXPECT_EQ(both.results.at(0).error_code, 0);
  EXPECT_NE(both.results.at(1).error_code, 0);
}

TEST_F(TopicsTest, TopicsAreDeletedByNameAndById) {
  CreateTopic("a");
  const metadata::TopicPtr b = CreateTopic("b", 2);
  Produce("b", 0, Batch({"x"}));
  DeleteTopicsRequest request;
  request.timeout_ms = 1000;
  TopicId unknown;
  unknown.bytes[2] = 9;
  request.topics = {{"a", {}}, {std::nullopt, b->id}, {"missing", {}}, {std::nullopt, unknown}, {"a", {}}};
  const auto response = Reply(request, 6);
  std::vector<int16_t> codes;
  for (const auto& r : response.responses) codes.push_back(r.error_code);
  EXPECT_EQ(codes[0], 0);
  EXPECT_EQ(codes[1], 0);
  EXPECT_EQ(response.responses[1].name, "b");
  EXPECT_EQ(codes[2], Code(KafkaError::kUnknownTopicOrPartition));
  EXPECT_EQ(codes[3], Code(KafkaError::kUnknownTopicId));
  EXPECT_EQ(response.responses[3].name, std::nullopt);
  EXPECT_NE(codes[4], 0) << "deleted already by the same request";
  EXPECT_EQ(broker_->image().topic_count(), 0u);
  for (const metadata::Partition& p : b->partitions) EXPECT_FALSE(broker_->disk.Holds(p.group.value));
  EXPECT_EQ(Produce("b", 0, Batch({"x"})).error_code, Code(KafkaError::kUnknownTopicOrPartition));

  const metadata::TopicPtr again = CreateTopic("b");
  EXPECT_NE(again->id, b->id);
  EXPECT_EQ(Produce("b", 0, Batch({"x"})).base_offset, 0) << "nothing of the old one is left";
}

TEST_F(TopicsTest, MetadataOfAllSomeAndNoTopics) {
  CreateTopic("a", 2);
  CreateTopic("b");
  EXPECT_EQ(Metadata(std::nullopt).topics.size(), 2u);
  EXPECT_EQ(Metadata(std::vector<std::string>{}).topics.size(), 0u);
  const MetadataResponse some = Metadata(std::vector<std::string>{"a", "missing", "in valid"});
  ASSERT_EQ(some.topics.size(), 3u);
  ASSERT_EQ(some.topics[0].partitions.size(), 2u);
  for (const auto& p : some.topics[0].partitions) {
    EXPECT_EQ(p.error_code, 0);
    EXPECT_EQ(p.leader_id, 1);
    EXPECT_EQ(p.leader_epoch, 1);
    EXPECT_EQ(p.replica_nodes, std::vector<int32_t>{1});
    EXPECT_EQ(p.isr_nodes, std::vector<int32_t>{1});
  }
  EXPECT_EQ(some.topics[1].error_code, Code(KafkaError::kUnknownTopicOrPartition));
  EXPECT_EQ(some.topics[2].error_code, Code(KafkaError::kInvalidTopicException));
  EXPECT_EQ(broker_->image().topic_count(), 2u) << "creation was not allowed";

  MetadataRequest version_0;
  version_0.topics.emplace();
  EXPECT_EQ(Reply(version_0, 0).topics.size(), 2u) << "in version 0 none means all";
}

TEST_F(TopicsTest, MetadataNamesTheClusterAndItsBrokers) {
  const MetadataResponse response = Metadata(std::vector<std::string>{});
  EXPECT_EQ(response.cluster_id, broker_->image().cluster_id());
  EXPECT_EQ(response.controller_id, 1);
  ASSERT_EQ(response.brokers.size(), 1u);
  EXPECT_EQ(response.brokers[0].node_id, 1);
  EXPECT_EQ(response.brokers[0].host, "127.0.0.1");
  EXPECT_EQ(response.brokers[0].port, 9092);
  EXPECT_EQ(response.brokers[0].rack, std::nullopt);
}

TEST_F(TopicsTest, MetadataFindsTopicsById) {
  const metadata::TopicPtr topic = CreateTopic("a");
  MetadataRequest request;
  request.topics.emplace().push_back({topic->id, std::nullopt});
  TopicId unknown;
  unknown.bytes[2] = 9;
  request.topics->push_back({unknown, std::nullopt});
  const MetadataResponse response = Reply(request, kMetadataVersion);
  EXPECT_EQ(response.topics[0].name, "a");
  EXPECT_EQ(response.topics[1].error_code, Code(KafkaError::kUnknownTopicId));
  EXPECT_EQ(response.topics[1].topic_id, unknown);
  EXPECT_EQ(response.topics[1].name, std::nullopt);
}

TEST_F(TopicsTest, MetadataCreatesWhatItMay) {
  const MetadataResponse response = Metadata(std::vector<std::string>{"new", "new", "not ok"}, true);
  ASSERT_EQ(response.topics.size(), 3u);
  EXPECT_EQ(response.topics[0].error_code, 0);
  ASSERT_EQ(response.topics[0].partitions.size(), 1u);
  EXPECT_EQ(response.topics[0].partitions[0].leader_id, 1);
  EXPECT_EQ(response.topics[2].error_code, Code(KafkaError::kInvalidTopicException));
  EXPECT_EQ(Produce("new", 0, Batch({"a"})).error_code, 0);

  MetadataRequest old;
  old.topics.emplace().emplace_back().name = "by-version-1";
  EXPECT_EQ(Reply(old, 1).topics[0].error_code, 0) << "older versions cannot say whether they want it";

  broker::Settings settings;
  settings.auto_create_topics = false;
  StartBroker(settings);
  EXPECT_EQ(Metadata(std::vector<std::string>{"new"}, true).topics[0].error_code,
            Code(KafkaError::kUnknownTopicOrPartition));
}

TEST_F(TopicsTest, TwoClientsThatCreateTheSameTopicBothGetIt) {
  MetadataRequest request;
  request.topics.emplace().emplace_back().name = "shared";
  const auto first = Begin(request, kMetadataVersion, ShardId(0));
  const auto second = Begin(request, kMetadataVersion, ShardId(1));
  broker_->threads.Run();
  EXPECT_EQ(first.Get().topics[0].error_code, 0);
  EXPECT_EQ(second.Get().topics[0].error_code, 0);
  EXPECT_EQ(first.Get().topics[0].topic_id, second.Get().topics[0].topic_id);
  EXPECT_EQ(broker_->image().topic_count(), 1u);
}

}  // namespace
}  // namespace chronik::api
