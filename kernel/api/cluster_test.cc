// SPDX-License-Identifier: Apache-2.0
// Goal: what clients learn about the broker itself: its configs as they really are, the cluster, producer ids, and that
// there is no coordinator. Method: requests against brokers with settings of their own.
#include "kernel/api/test_api.h"

namespace chronik::api {
namespace {

using protocol::DescribeConfigsRequest;
using protocol::DescribeConfigsResponse;

constexpr int8_t kTopicResource = 2;
constexpr int8_t kBrokerResource = 4;
constexpr int8_t kTopicSource = 1;
constexpr int8_t kStaticBrokerSource = 4;
constexpr int8_t kDefaultSource = 5;

class ClusterTest : public ApiTest {
 protected:
  using Config = DescribeConfigsResponse::DescribeConfigsResourceResult;

  DescribeConfigsResponse::DescribeConfigsResult Describe(int8_t type, const std::string& name,
                                                          std::optional<std::vector<std::string>> keys = std::nullopt) {
    DescribeConfigsRequest request;
    request.resources.push_back({type, name, std::move(keys)});
    request.include_synonyms = true;
    request.include_documentation = true;
    return Reply(request, 4).results.at(0);
  }
  Config DescribeOne(int8_t type, const std::string& name, const std::string& key) {
    const auto result = Describe(type, name, std::vector<std::string>{key});
    if (result.configs.size() == 1) return result.configs[0];
    ADD_FAILURE() << key << ": " << result.configs.size() << " configs";
    return {};
  }
};

TEST_F(ClusterTest, ATopicsConfigComesFromTheTopicTheBrokerOrKafka) {
  broker::Settings settings;
  settings.message_max_bytes = 2000000;
  StartBroker(settings);
  CreateTopic("plain");
  CreateTopic("set", 1, {{"max.message.bytes", "3000"}});

  const Config set = DescribeOne(kTopicResource, "set", "max.message.bytes");
  EXPECT_EQ(set.value, "3000");
  EXPECT_EQ(set.config_source, kTopicSource);
  EXPECT_FALSE(set.read_only);
  EXPECT_TRUE(set.documentation.has_value());
  using Synonym = DescribeConfigsResponse::DescribeConfigsSynonym;
  EXPECT_EQ(set.synonyms, (std::vector<Synonym>{{"max.message.bytes", "3000", kTopicSource},
                                                {"message.max.bytes", "2000000", kStaticBrokerSource},
                                                {"message.max.bytes", "1048588", kDefaultSource}}));

  const Config inherited = DescribeOne(kTopicResource, "plain", "max.message.bytes");
  EXPECT_EQ(inherited.value, "2000000") << "what this broker really enforces";
  EXPECT_EQ(inherited.config_source, kStaticBrokerSource);
  EXPECT_EQ(Produce("plain", 0, Batch({std::string(1500000, 'x')})).error_code, 0);

  EXPECT_EQ(DescribeOne(kTopicResource, "plain", "cleanup.policy").config_source, kDefaultSource);
}

TEST_F(ClusterTest, ABrokersConfigIsWhatItRunsWith) {
  broker::Settings settings;
  settings.node_id = NodeId(7);
  settings.rack = "r1";
  settings.auto_create_topics = false;
  settings.default_partitions = 6;
  settings.request_max_bytes = 5 << 20;
  StartBroker(settings);
  const std::map<std::string, std::string> expected{{"broker.id", "7"},
                                                    {"broker.rack", "r1"},
                                                    {"auto.create.topics.enable", "false"},
                                                    {"num.partitions", "6"},
                                                    {"socket.request.max.bytes", "5242880"}};
  for (const auto& [key, value] : expected) {
    const Config config = DescribeOne(kBrokerResource, "7", key);
    EXPECT_EQ(config.value, value) << key;
    EXPECT_EQ(config.config_source, kStaticBrokerSource) << key;
    EXPECT_TRUE(config.read_only) << key;
  }
  EXPECT_EQ(DescribeOne(kBrokerResource, "7", "message.max.bytes").config_source, kDefaultSource);
}

TEST_F(ClusterTest, NoKeysAskForAllConfigs) {
  CreateTopic("t");
  const size_t all = Describe(kTopicResource, "t").configs.size();
  EXPECT_GT(all, 10u);
  EXPECT_EQ(Describe(kTopicResource, "t", std::vector<std::string>{}).configs.size(), all);
  EXPECT_EQ(Describe(kTopicResource, "t", std::vector<std::string>{"no.such.key"}).configs.size(), 0u);
}

TEST_F(ClusterTest, WhatHasNoConfigsSaysSo) {
  EXPECT_EQ(Describe(kTopicResource, "missing").error_code, Code(KafkaError::kUnknownTopicOrPartition));
  EXPECT_EQ(Describe(kBrokerResource, "2").error_code, Code(KafkaError::kInvalidRequest));
  EXPECT_EQ(Describe(kBrokerResource, "x").error_code, Code(KafkaError::kInvalidRequest));
  EXPECT_EQ(Describe(8, "1").error_code, Code(KafkaError::kInvalidRequest));
  EXPECT_EQ(Describe(kBrokerResource, "").error_code, 0) << "whichever broker is asked";
}

TEST_F(ClusterTest, TheClusterIsDescribed) {
  protocol::DescribeClusterRequest request;
  const auto response = Reply(request, 2);
  EXPECT_EQ(response.error_code, 0);
  EXPECT_EQ(response.cluster_id, broker_->image().cluster_id());
  EXPECT_EQ(response.controller_id, 1);
  ASSERT_EQ(response.brokers.size(), 1u);
  EXPECT_EQ(response.brokers[0].port, 9092);
  request.endpoint_type = 2;
  EXPECT_EQ(Reply(request, 2).error_code, Code(KafkaError::kMismatchedEndpointType));
}

TEST_F(ClusterTest, ProducerIdsAreNeverGivenTwice) {
  std::set<int64_t> given;
  const auto ask = [&](ShardId shard) {
    const auto response = Reply(protocol::InitProducerIdRequest{}, 4, shard);
    EXPECT_EQ(response.error_code, 0);
    EXPECT_EQ(response.producer_epoch, 0);
    EXPECT_TRUE(given.insert(response.producer_id).second) << response.producer_id;
  };
  for (uint32_t i = 0; i < 1100; ++i) ask(ShardId(i % 2));  // more than one block
  RestartBroker();
  ask(ShardId(0));
}

TEST_F(ClusterTest, ProducerIdsThatAreAskedForTogetherDiffer) {
  const auto first = Begin(protocol::InitProducerIdRequest{}, 4, ShardId(0));
  const auto second = Begin(protocol::InitProducerIdRequest{}, 4, ShardId(1));
  broker_->threads.Run();
  EXPECT_NE(first.Get().producer_id, second.Get().producer_id);
}

TEST_F(ClusterTest, TransactionalIdsAreRefusedForGood) {
  protocol::InitProducerIdRequest request;
  request.transactional_id = "txn";
  const auto response = Reply(request, 4);
  EXPECT_EQ(response.error_code, Code(KafkaError::kTransactionalIdAuthorizationFailed));
  EXPECT_EQ(response.producer_id, -1);
}

TEST_F(ClusterTest, EveryGroupHasACoordinator) {
  protocol::FindCoordinatorRequest request;
  request.key = "group";
  const auto one = Reply(request, 0);
  EXPECT_EQ(one.error_code, 0);
  EXPECT_EQ(one.node_id, 1);
  EXPECT_EQ(one.port, 9092);
  request.coordinator_keys = {"a", "b", ""};
  const auto response = Reply(request, 4);
  ASSERT_EQ(response.coordinators.size(), 3u);
  EXPECT_EQ(response.coordinators[1].key, "b");
  EXPECT_EQ(response.coordinators[1].error_code, 0);
  EXPECT_EQ(response.coordinators[2].error_code, Code(KafkaError::kInvalidGroupId));
}

TEST_F(ClusterTest, ATransactionalIdIsToldAtOnceThatThereAreNoTransactions) {
  protocol::FindCoordinatorRequest request;
  request.key = "txn";
  request.key_type = 1;
  EXPECT_EQ(Reply(request, 3).error_code, Code(KafkaError::kTransactionalIdAuthorizationFailed));
  request.coordinator_keys = {"txn"};
  EXPECT_EQ(Reply(request, 4).coordinators[0].error_code, Code(KafkaError::kTransactionalIdAuthorizationFailed));
  request.key_type = 2;
  EXPECT_EQ(Reply(request, 6).coordinators[0].error_code, Code(KafkaError::kInvalidRequest));
}

std::vector<std::string>& Logged() {
  static std::vector<std::string> lines;
  return lines;
}

TEST_F(ClusterTest, WhoAsksForACoordinatorInVainIsLoggedOnceAMinute) {
  SetLogLevel(LogLevel::kWarn);
  SetLogSink([](LogLevel, const char*, int, std::string_view text) { Logged().emplace_back(text); });
  protocol::FindCoordinatorRequest request;
  request.key = "first\n";
  request.key_type = 1;
  for (int i = 0; i < 100; ++i) Reply(request, 1);
  EXPECT_THAT(Logged(),
              testing::ElementsAre(testing::HasSubstr("'first?': this version of chronik has no transactions")));
  broker_->threads.Advance(std::chrono::minutes(1));
  request.key = "second";
  Reply(request, 1);
  SetLogSink(nullptr);
  SetLogLevel(LogLevel::kError);
  EXPECT_THAT(Logged(), testing::ElementsAre(testing::_, testing::HasSubstr("'second'")));
}

}  // namespace
}  // namespace chronik::api
