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
  Api api_{broker_};
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
  const Json::Value said = Get("/v1/cluster");
  EXPECT_EQ(said["cluster_id"], "abc");
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

}  // namespace
}  // namespace chronik::admin
