// SPDX-License-Identifier: Apache-2.0
// Goal: each path says what the broker knows, and a wrong one says what is wrong. Method: the paths without sockets, a
// broker that answers what the test wants.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <json/json.h>

#include <memory>
#include <optional>

#include "kernel/admin/api.h"
#include "kernel/admin/test_broker_admin.h"
#include "kernel/admin/uri.h"

namespace chronik::admin {
namespace {

using testing::HasSubstr;

class ApiTest : public testing::Test {
 protected:
  std::optional<Response> Ask(const std::string& method, const std::string& target, const std::string& body = "") {
    Request request = *SplitTarget(target);
    request.method = method;
    request.body = body;
    std::optional<Response> answer;
    api_.Handle(std::move(request), [&answer](Response response) { answer = std::move(response); });
    return answer;
  }
  Json::Value Get(const std::string& target, unsigned status = 200) {
    const auto answer = Ask("GET", target);
    if (!answer) return {};
    EXPECT_EQ(answer->status, status) << answer->body;
    return Parse(answer->body);
  }
  static Json::Value Parse(const std::string& text) {
    Json::Value out;
    const std::unique_ptr<Json::CharReader> reader(Json::CharReaderBuilder().newCharReader());
    EXPECT_TRUE(reader->parse(text.data(), text.data() + text.size(), &out, nullptr)) << text;
    return out;
  }

  TestBrokerAdmin broker_;
  Api api_{broker_, {"1.2.3", {{"log_store", "/p/x.so", "x", "0.1", "them", {{"chronik.log_store/1", 96}}}}}};
};

TEST_F(ApiTest, TheClusterIsToldWithItsMembers) {
  broker_.cluster.cluster_id = "abc";
  broker_.cluster.self = NodeId(2);
  broker_.cluster.serving = true;
  broker_.cluster.metadata_leader = NodeId(1);
  broker_.cluster.metadata_term = Term(7);
  broker_.cluster.metadata_voters = {NodeId(1), NodeId(2)};
  broker_.cluster.members = {{NodeId(1), "a", 9092, "r1", true, false, std::nullopt},
                             {NodeId(2), "", 0, "", true, true, (uint64_t{1} << 62) + 1}};
  broker_.cluster.members[0].rpc_address = "a:19092";
  const Json::Value said = Get("/v1/cluster");
  EXPECT_EQ(said["cluster_id"], "abc");
  EXPECT_EQ(said["members"][0]["rpc_address"], "a:19092");
  EXPECT_EQ(said["members"][1]["rpc_address"], "");
  EXPECT_EQ(said["node_id"], 2);
  EXPECT_EQ(said["serving"], true);
  EXPECT_EQ(said["metadata"]["leader"], 1);
  EXPECT_EQ(said["metadata"]["term"], 7);
  EXPECT_EQ(said["metadata"]["voters"].size(), 2u);
  EXPECT_EQ(said["members"][0]["host"], "a");
  EXPECT_EQ(said["members"][0]["port"], 9092);
  EXPECT_EQ(said["members"][0]["rack"], "r1");
  EXPECT_EQ(said["members"][0]["alive"], false);
  EXPECT_EQ(said["members"][0]["registered"], true);
  EXPECT_FALSE(said["members"][0].isMember("incarnation"));
  EXPECT_EQ(said["members"][1]["registered"], false);
  EXPECT_EQ(said["members"][1]["incarnation"], "4611686018427387905");
}

TEST_F(ApiTest, NoLeaderIsNull) { EXPECT_TRUE(Get("/v1/cluster")["metadata"]["leader"].isNull()); }

TEST_F(ApiTest, WrongPathsAndMethodsAreNamed) {
  EXPECT_THAT(Get("/v1/nothing", 404)["message"].asString(), HasSubstr("/v1/nothing"));
  EXPECT_EQ(Get("/", 404)["error"], "not_found");
  EXPECT_EQ(Get("/v1/cluster/", 404)["error"], "not_found");
  const auto refused = Ask("DELETE", "/v1/cluster");
  ASSERT_TRUE(refused);
  EXPECT_EQ(refused->status, 405u);
  EXPECT_EQ(refused->allow, "GET");
}

TEST_F(ApiTest, AStuckBrokerIsWaitedForWithoutBlocking) {
  broker_.stuck = true;
  EXPECT_FALSE(Ask("GET", "/v1/cluster"));
  EXPECT_EQ(broker_.held.size(), 1u);
}

broker::PartitionReport Partition(const std::string& topic, int32_t number, std::vector<NodeId> replicas) {
  broker::PartitionReport out;
  out.topic = topic;
  out.topic_id.bytes[0] = 1;
  out.partition = PartitionId(number);
  out.group = GroupId(7);
  out.leader = {replicas.front(), 4};
  out.in_sync = replicas;
  out.replicas = std::move(replicas);
  return out;
}

TEST_F(ApiTest, PartitionsAreToldWithTheirFollowersWhereTheyAreLed) {
  broker::PartitionReport led = Partition("t", 0, {NodeId(1), NodeId(2)});
  led.min_in_sync = 2;
  led.local = broker::ReplicaReport{};
  led.local->role = raft::Role::kLeader;
  led.local->last_index = LogIndex(10);
  led.local->high_watermark = Offset(90);
  led.local->followers = {{NodeId(2), LogIndex(7), 3, true, false}};
  broker::PartitionReport elsewhere = Partition("t", 1, {NodeId(2), NodeId(3)});
  elsewhere.leader = {};
  broker_.partitions = std::vector{led, elsewhere};
  const Json::Value said = Get("/v1/partitions?topic=t");
  EXPECT_EQ(broker_.asked, "partitions of 't'");
  const Json::Value& first = said["partitions"][0];
  EXPECT_EQ(first["topic"], "t");
  EXPECT_EQ(first["topic_id"], led.topic_id.ToString());
  EXPECT_EQ(first["group"], 7);
  EXPECT_EQ(first["leader"], 1);
  EXPECT_EQ(first["epoch"], 4);
  EXPECT_EQ(first["isr"].size(), 2u);
  EXPECT_EQ(first["min_isr"], 2);
  EXPECT_EQ(first["local"]["role"], "leader");
  EXPECT_EQ(first["local"]["high_watermark"], 90);
  EXPECT_EQ(first["local"]["followers"][0]["match_index"], 7);
  EXPECT_EQ(first["local"]["followers"][0]["lag_entries"], 3);
  EXPECT_TRUE(said["partitions"][1]["leader"].isNull());
  EXPECT_FALSE(said["partitions"][1].isMember("local"));
}

TEST_F(ApiTest, AnUnknownTopicOrParameterIsAnError) {
  broker_.partitions = Error{ErrorCode::kUnknownTopic, "there is no topic 'x'"};
  const Json::Value said = Get("/v1/partitions?topic=x", 404);
  EXPECT_EQ(said["error"], "unknown_topic");
  EXPECT_THAT(said["message"].asString(), HasSubstr("'x'"));
  EXPECT_THAT(Get("/v1/partitions?topik=x", 400)["message"].asString(), HasSubstr("topik"));
}

TEST_F(ApiTest, HealthAndSafeToStopSayYesOrWhyNot) {
  broker_.cluster.self = NodeId(1);
  broker_.cluster.serving = true;
  broker_.cluster.metadata_leader = NodeId(1);
  for (uint64_t id = 1; id <= 3; ++id) {
    broker_.cluster.metadata_voters.emplace_back(id);
    broker_.cluster.members.push_back({NodeId(id), "h", 1, "", true, true, std::nullopt});
  }
  broker_.partitions = std::vector{Partition("t", 0, broker_.cluster.metadata_voters)};
  EXPECT_EQ(Get("/v1/cluster/health")["healthy"], true);
  EXPECT_EQ(Get("/v1/broker/safe-to-stop")["safe"], true);
  broker_.cluster.members[2].alive = false;
  const Json::Value health = Get("/v1/cluster/health");
  EXPECT_EQ(health["healthy"], false);
  EXPECT_EQ(health["counts"]["dead_broker"], 1);
  EXPECT_EQ(health["reasons"][0]["node"], 3);
  const Json::Value stop = Get("/v1/broker/safe-to-stop", 409);
  EXPECT_EQ(stop["safe"], false);
  EXPECT_EQ(stop["reasons"][1]["kind"], "loses_majority");
  EXPECT_EQ(stop["reasons"][1]["topic"], "t");
  EXPECT_EQ(stop["reasons"][1]["partition"], 0);
}

TEST_F(ApiTest, ATransferIsCheckedAndPassedOn) {
  const auto done = Ask("POST", "/v1/partitions/my.topic/3/transfer", "{\"to\": 2}");
  ASSERT_TRUE(done);
  EXPECT_EQ(done->status, 200u);
  EXPECT_EQ(Parse(done->body)["leader"], 2);
  EXPECT_EQ(broker_.asked, "my.topic-3 to 2 in 10000");
  EXPECT_EQ(Ask("POST", "/v1/partitions/t/0/transfer", "{\"to\": 2, \"timeout_ms\": 50}")->status, 200u);
  EXPECT_EQ(broker_.asked, "t-0 to 2 in 50");
  broker_.asked.clear();
  for (const char* bad : {"", "{}", "[]", "{\"to\": 0}", "{\"to\": \"2\"}", "{\"to\": 2, \"from\": 1}", "{\"to\": 2} x",
                          "{\"to\": 2, \"timeout_ms\": 0}", "{\"to\": 2, \"timeout_ms\": 3600000}"})
    EXPECT_EQ(Ask("POST", "/v1/partitions/t/0/transfer", bad)->status, 400u) << bad;
  EXPECT_EQ(Ask("POST", "/v1/partitions/t/-1/transfer", "{\"to\": 2}")->status, 400u);
  EXPECT_EQ(Ask("POST", "/v1/partitions/t/x/transfer", "{\"to\": 2}")->status, 400u);
  EXPECT_EQ(broker_.asked, "");
  EXPECT_EQ(Ask("GET", "/v1/partitions/t/0/transfer")->allow, "POST");
  broker_.transferred = Error{ErrorCode::kTimedOut, "not in time"};
  EXPECT_EQ(Ask("POST", "/v1/partitions/t/0/transfer", "{\"to\": 2}")->status, 504u);
}

TEST_F(ApiTest, ABrokerIsToldToLeaveAndToStay) {
  EXPECT_EQ(Ask("POST", "/v1/brokers/4/decommission")->status, 200u);
  EXPECT_EQ(broker_.asked, "4 leaves");
  EXPECT_EQ(Ask("POST", "/v1/brokers/4/recommission")->status, 200u);
  EXPECT_EQ(broker_.asked, "4 stays");
  EXPECT_EQ(Ask("POST", "/v1/brokers/x/decommission")->status, 400u);
  EXPECT_EQ(Ask("POST", "/v1/brokers/4/decommission", "{}")->status, 400u);
  broker_.left = Error{ErrorCode::kInvalidReplicationFactor, "two brokers would be left"};
  EXPECT_EQ(Ask("POST", "/v1/brokers/4/decommission")->status, 409u);
}

TEST_F(ApiTest, PluginsAndVersionAreTold) {
  const Json::Value plugin = Get("/v1/plugins")["plugins"][0];
  EXPECT_EQ(plugin["kind"], "log_store");
  EXPECT_EQ(plugin["path"], "/p/x.so");
  EXPECT_EQ(plugin["interfaces"][0]["id"], "chronik.log_store/1");
  EXPECT_EQ(plugin["interfaces"][0]["table_size"], 96);
  EXPECT_EQ(Get("/v1/version")["version"], "1.2.3");
}

}  // namespace
}  // namespace chronik::admin
