// SPDX-License-Identifier: Apache-2.0
// Goal: the table promises nothing that is not kept: every version of every API is answered with a frame that this
// version's decoder reads to its last byte, whatever a well-formed request asks. Method: a sensible request of each
// kind, then random ones by fixed seeds; and the edges of the table itself.
#include "kernel/api/table.h"

#include <set>
#include <type_traits>

#include "kernel/api/test_api.h"
#include "kernel/protocol/generated/random_messages.h"

namespace chronik::api {
namespace {

using protocol::ApiVersionsRequest;
using protocol::ApiVersionsResponse;

constexpr int16_t kProduceServedFrom = 3;

const ApiEntry* FindApi(int16_t key) {
  for (const ApiEntry& api : Apis()) {
    if (api.key == key) return &api;
  }
  return nullptr;
}

// What a client would ask of topic "t", which has two partitions.
class Sensible {
 public:
  Sensible(const metadata::Topic& topic, int16_t version) : topic_(topic), version_(version) {}

  void Fill(protocol::ProduceRequest& r) const {
    r.acks = -1;
    r.timeout_ms = 1000;
    r.topic_data.push_back({topic_.name, topic_.id, {{0, Batch({"a"})}, {1, Batch({"b"})}}});
  }
  void Fill(protocol::FetchRequest& r) const {
    r.max_bytes = 1 << 20;
    auto& t = r.topics.emplace_back();
    t.topic = topic_.name;
    t.topic_id = topic_.id;
    t.partitions.emplace_back().partition_max_bytes = 1 << 20;
  }
  void Fill(protocol::ListOffsetsRequest& r) const {
    r.replica_id = -1;
    auto& t = r.topics.emplace_back();
    t.name = topic_.name;
    t.partitions.emplace_back().timestamp = -1;
    t.partitions.emplace_back().timestamp = -2;
  }
  void Fill(protocol::MetadataRequest& r) const { r.topics.emplace().emplace_back().name = topic_.name; }
  void Fill(protocol::FindCoordinatorRequest& r) const {
    r.key = "group";
    r.coordinator_keys = {"group"};
  }
  void Fill(protocol::JoinGroupRequest& r) const {
    r.group_id = "joined-by-version-" + std::to_string(version_);
    r.session_timeout_ms = r.rebalance_timeout_ms = 10000;
    r.protocol_type = "consumer";
    r.protocols.push_back({"range", Bytes()});
  }
  void Fill(protocol::SyncGroupRequest& r) const { r.group_id = "group"; }
  void Fill(protocol::HeartbeatRequest& r) const { r.group_id = "group"; }
  void Fill(protocol::LeaveGroupRequest& r) const { r.group_id = "group"; }
  void Fill(protocol::OffsetCommitRequest& r) const {
    r.group_id = "group";
    auto& t = r.topics.emplace_back();
    t.name = topic_.name;
    t.topic_id = topic_.id;
    t.partitions.push_back({0, 7, -1, "note"});
  }
  void Fill(protocol::OffsetFetchRequest& r) const {
    r.group_id = "group";
    r.topics.emplace().push_back({topic_.name, {0}});
    r.groups.emplace_back().group_id = "group";
    r.groups.back().topics.emplace().push_back({topic_.name, topic_.id, {0}});
  }
  void Fill(protocol::OffsetDeleteRequest& r) const {
    r.group_id = "group";
    r.topics.push_back({topic_.name, {{0}}});
  }
  void Fill(protocol::DescribeGroupsRequest& r) const { r.groups = {"group", "missing"}; }
  void Fill(protocol::ListGroupsRequest& r) const { r.states_filter = {"Empty", "Stable"}; }
  void Fill(protocol::DeleteGroupsRequest& r) const { r.groups_names = {"missing"}; }
  void Fill(protocol::ConsumerGroupHeartbeatRequest& r) const {
    r.group_id = "consumers";
    r.member_id = "member-" + std::to_string(version_);
    r.rebalance_timeout_ms = 1000;
    r.subscribed_topic_names.emplace().push_back(topic_.name);
    r.topic_partitions.emplace();
  }
  void Fill(protocol::ConsumerGroupDescribeRequest& r) const { r.group_ids = {"consumers", "missing"}; }
  void Fill(ApiVersionsRequest& r) const {
    r.client_software_name = "test";
    r.client_software_version = "1.0";
  }
  void Fill(protocol::CreateTopicsRequest& r) const {
    auto& t = r.topics.emplace_back();
    t.name = "created-by-version-" + std::to_string(version_);
    t.num_partitions = 1;
    t.replication_factor = 1;
    r.timeout_ms = 1000;
  }
  void Fill(protocol::DeleteRecordsRequest& r) const {
    auto& t = r.topics.emplace_back();
    t.name = topic_.name;
    t.partitions.push_back({0, -1});
    r.timeout_ms = 1000;
  }
  void Fill(protocol::DeleteTopicsRequest& r) const {
    r.topic_names = {"missing"};
    r.topics.push_back({"missing", {}});
    r.timeout_ms = 1000;
  }
  void Fill(protocol::InitProducerIdRequest& r) const { r.transaction_timeout_ms = 1000; }
  void Fill(protocol::OffsetForLeaderEpochRequest& r) const {
    auto& t = r.topics.emplace_back();
    t.topic = topic_.name;
    t.partitions.emplace_back().leader_epoch = 1;
  }
  void Fill(protocol::DescribeConfigsRequest& r) const {
    r.resources.push_back({2, topic_.name, std::nullopt});
    r.resources.push_back({4, "1", std::nullopt});
    r.include_synonyms = true;
    r.include_documentation = true;
  }
  void Fill(protocol::CreatePartitionsRequest& r) const {
    auto& t = r.topics.emplace_back();
    t.name = topic_.name;
    t.count = 100 + version_;
    r.timeout_ms = 1000;
  }
  void Fill(protocol::ElectLeadersRequest& r) const { r.topic_partitions.emplace().push_back({topic_.name, {0, 1}}); }
  void Fill(protocol::AlterPartitionReassignmentsRequest& r) const {
    r.topics.push_back({topic_.name, {{0, std::vector<int32_t>{1}}, {1, std::nullopt}}});
  }
  void Fill(protocol::ListPartitionReassignmentsRequest&) const {}
  void Fill(protocol::DescribeClusterRequest&) const {}

 private:
  const metadata::Topic& topic_;
  const int16_t version_;
};

// Nobody is a member of the group: those who say they are hear that.
KafkaError ExpectedOf(int16_t key, int16_t version) {
  switch (key) {
    case protocol::JoinGroupRequest::kApiKey: return version >= 4 ? KafkaError::kMemberIdRequired : KafkaError::kNone;
    case protocol::LeaveGroupRequest::kApiKey: return version < 3 ? KafkaError::kUnknownMemberId : KafkaError::kNone;
    case protocol::SyncGroupRequest::kApiKey:
    case protocol::HeartbeatRequest::kApiKey: return KafkaError::kUnknownMemberId;
    default: return KafkaError::kNone;
  }
}

class TableTest : public ApiTest {
 protected:
  void SetUp() override {
    SetLogLevel(LogLevel::kError);
    broker::Settings settings;
    settings.groups.initial_rebalance_delay = Duration(0);
    StartBroker(settings);
    topic_ = CreateTopic("t", 2);
    protocol::FindCoordinatorRequest find;
    find.key = "group";
    ASSERT_EQ(Reply(find, 0).error_code, 0);
  }
  metadata::TopicPtr topic_;
};

TEST_F(TableTest, EveryAdvertisedVersionAnswersASensibleRequest) {
  std::set<int16_t> seen;
  protocol::ForEachRequest([&]<class Request>(std::type_identity<Request>) {
    const ApiEntry* api = FindApi(Request::kApiKey);
    ASSERT_NE(api, nullptr) << Request::kName << " has a codec and no row";
    seen.insert(api->key);
    for (int16_t v = std::max(api->min_version, Request::kLowestVersion); v <= api->max_version; ++v) {
      SCOPED_TRACE(std::string(api->name) + " version " + std::to_string(v));
      Request request;
      if constexpr (requires(Sensible s) { s.Fill(request); }) {
        Sensible(*topic_, v).Fill(request);
      } else {
        ADD_FAILURE() << "nothing sensible to ask";
      }
      auto asked = Begin(request, v);
      broker_->threads.Advance(std::chrono::milliseconds(1));  // a group begins without delay, by a timer
      const auto response = asked.Get();
      if constexpr (requires { response.error_code; }) {
        EXPECT_EQ(response.error_code, Code(ExpectedOf(Request::kApiKey, v)));
      }
    }
  });
  EXPECT_EQ(seen.size(), Apis().size()) << "a row without a codec";
}

TEST_F(TableTest, EveryWellFormedRequestIsAnswered) {
  protocol::ForEachRequest([&]<class Request>(std::type_identity<Request>) {
    const ApiEntry* api = FindApi(Request::kApiKey);
    for (int16_t v = std::max(api->min_version, Request::kLowestVersion); v <= api->max_version; ++v) {
      for (uint64_t seed = 0; seed < 40; ++seed) {
        SCOPED_TRACE(std::string(api->name) + " version " + std::to_string(v) + " seed " + std::to_string(seed));
        Request request;
        protocol::RandomValues random(seed);
        protocol::FillRandom(request, v, random);
        auto asked = Begin(request, v, ShardId(static_cast<uint32_t>(seed % 2)));
        broker_->threads.Advance(std::chrono::minutes(10));  // a Fetch may wait for five
        ASSERT_TRUE(asked.answered());
        if constexpr (Request::kApiKey == protocol::ProduceRequest::kApiKey) {
          if (request.acks == 0) continue;  // silence, or the connection closes
        }
        (void)asked.Get();
      }
    }
  });
}

// librdkafka compresses only if Produce 0 is advertised, and never sends it. Apache Kafka 4 does the same: the versions
// are in ApiVersions, and a request that uses one ends the connection (KAFKA-18659).
TEST_F(TableTest, ProduceIsAdvertisedFromZeroAndClosesTheConnectionBelowThree) {
  ASSERT_EQ(FindApi(0)->min_version, 0);
  for (int16_t v = 0; v < kProduceServedFrom; ++v) {
    protocol::FrameWriter frame;
    const protocol::RequestHeader header{0, v, 1, "old"};
    header.Encode(frame.writer());
    frame.writer().WriteInt<int16_t>(1);     // acks
    frame.writer().WriteInt<int32_t>(1000);  // timeout
    frame.writer().WriteInt<int32_t>(0);     // topics
    const auto asked = BeginFrame<protocol::ProduceResponse>(header, std::move(frame).Finish().Flatten(), ShardId(0));
    broker_->threads.Run();
    ASSERT_TRUE(asked.is(Answer::Kind::kClose)) << v;
    EXPECT_THAT(asked.why_closed(), testing::HasSubstr("version 3"));
  }
}

TEST_F(TableTest, FetchAloneMayAnswerFarMoreThanItIsAsked) {
  for (const ApiEntry& api : Apis()) {
    protocol::FrameWriter frame;
    const protocol::RequestHeader header{api.key, api.max_version, 1, "client"};
    header.Encode(frame.writer());
    const Bytes bytes = std::move(frame).Finish().Flatten();
    EXPECT_EQ(AnswerMayBeLarge(bytes.Slice(4, bytes.size() - 4)), api.name == "Fetch") << api.name;
  }
  EXPECT_FALSE(AnswerMayBeLarge(ByteView()));
}

TEST_F(TableTest, ApiVersionsRepeatsTheTable) {
  ApiVersionsRequest request;
  request.client_software_name = "librdkafka";
  request.client_software_version = "2.0.2";
  const auto response = Reply(request, 4);
  EXPECT_EQ(response.error_code, 0);
  ASSERT_EQ(response.api_keys.size(), Apis().size());
  for (size_t i = 0; i < Apis().size(); ++i) {
    EXPECT_EQ(response.api_keys[i].api_key, Apis()[i].key);
    EXPECT_EQ(response.api_keys[i].min_version, Apis()[i].min_version);
    EXPECT_EQ(response.api_keys[i].max_version, Apis()[i].max_version);
  }
}

TEST_F(TableTest, ANewerApiVersionsIsToldInVersionZeroWhatIsSpoken) {
  for (const int16_t v : {int16_t{5}, int16_t{32767}, int16_t{-1}}) {
    const protocol::RequestHeader header{ApiVersionsRequest::kApiKey, v, 9, "future"};
    protocol::FrameWriter frame;
    header.Encode(frame.writer());
    frame.writer().WriteInt<int64_t>(-1);  // a body that nobody here can read
    const auto asked = BeginFrame<ApiVersionsResponse>(header, std::move(frame).Finish().Flatten(), ShardId(0));
    broker_->threads.Run();
    const ApiVersionsResponse response = asked.Get(int16_t{0});
    EXPECT_EQ(response.error_code, Code(KafkaError::kUnsupportedVersion));
    ASSERT_EQ(response.api_keys.size(), 1u);
    EXPECT_EQ(response.api_keys[0].api_key, ApiVersionsRequest::kApiKey);
    EXPECT_EQ(response.api_keys[0].max_version, FindApi(ApiVersionsRequest::kApiKey)->max_version);
  }
}

TEST_F(TableTest, AClientThatMisspellsItsNameIsTold) {
  const auto code = [&](const std::string& name, const std::string& version, int16_t v) {
    ApiVersionsRequest request;
    request.client_software_name = name;
    request.client_software_version = version;
    return Reply(request, v).error_code;
  };
  const int16_t refused = Code(KafkaError::kInvalidRequest);
  EXPECT_EQ(code("apache-kafka.java", "4.0.0", 3), 0);
  EXPECT_EQ(code("a", "1", 3), 0);
  EXPECT_EQ(code("", "1", 3), refused);
  EXPECT_EQ(code("-kafka", "1", 3), refused);
  EXPECT_EQ(code("kafka.", "1", 3), refused);
  EXPECT_EQ(code("ka fka", "1", 4), refused);
  EXPECT_EQ(code("kafka", "1\n2", 4), refused);
  EXPECT_EQ(code("kafka", "", 4), refused);
  EXPECT_EQ(code("", "", 2), 0) << "below version 3 there are no names";
}

TEST_F(TableTest, UnknownKeysAndVersionsCloseTheConnection) {
  struct Case {
    int16_t key;
    int16_t version;
  };
  for (const Case& c : {Case{8, 0}, Case{-1, 0}, Case{1000, 0}, Case{1, 3}, Case{1, 18}, Case{3, -1}, Case{0, 14}}) {
    const protocol::RequestHeader header{c.key, c.version, 1, "x"};
    protocol::FrameWriter frame;
    header.Encode(frame.writer());
    const auto asked = BeginFrame<ApiVersionsResponse>(header, std::move(frame).Finish().Flatten(), ShardId(0));
    broker_->threads.Run();
    EXPECT_TRUE(asked.is(Answer::Kind::kClose)) << c.key << " version " << c.version;
  }
}

TEST_F(TableTest, AMalformedBodyClosesTheConnection) {
  const protocol::RequestHeader header{3, 4, 1, "x"};
  protocol::FrameWriter frame;
  header.Encode(frame.writer());
  frame.writer().WriteInt<int32_t>(1 << 30);  // so many topics, and no byte of them
  const auto asked = BeginFrame<protocol::MetadataResponse>(header, std::move(frame).Finish().Flatten(), ShardId(0));
  broker_->threads.Run();
  EXPECT_TRUE(asked.is(Answer::Kind::kClose));
}

}  // namespace
}  // namespace chronik::api
