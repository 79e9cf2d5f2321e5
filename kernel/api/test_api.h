// SPDX-License-Identifier: Apache-2.0
// The Kafka API as a client sees it, without sockets: requests are encoded as on the wire, dispatched on a shard of a
// TestBroker, and the answers are decoded with the client's half of the codec.
#pragma once

#include <gtest/gtest.h>

#include <cstring>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "kernel/api/services.h"
#include "kernel/api/table.h"
#include "kernel/base/log.h"
#include "kernel/broker/test_broker.h"
#include "kernel/protocol/errors.h"
#include "kernel/protocol/generated/all_messages.h"
#include "kernel/protocol/header.h"
#include "kernel/records/builder.h"

namespace chronik::api {

using protocol::KafkaError;

// One request on its way, or its answer.
template <class Response>
class Asked {
 public:
  Asked(const protocol::RequestHeader& header, std::shared_ptr<std::optional<Answer>> answer)
      : header_(header), answer_(std::move(answer)) {}

  bool answered() const { return answer_->has_value(); }
  bool is(Answer::Kind kind) const { return answered() && (*answer_)->kind == kind; }
  const std::string& why_closed() const { return (*answer_)->why; }
  size_t frame_bytes() const { return (*answer_)->frame.size(); }

  // The decoded answer; fails the test if there is none, or a byte of it is left. `body_version` if it is not the one
  // that was asked for (KIP-511).
  Response Get(std::optional<int16_t> body_version = std::nullopt) const {
    Response response;
    if (!is(Answer::Kind::kReply)) {
      ADD_FAILURE() << Response::kName << ": " << (answered() ? "closed: " + why_closed() : "no answer");
      return response;
    }
    const int16_t version = body_version.value_or(header_.api_version);
    protocol::Reader reader((*answer_)->frame.Flatten());
    EXPECT_EQ(reader.ReadInt<int32_t>(), static_cast<int32_t>(frame_bytes() - protocol::kFrameSizeBytes));
    protocol::ResponseHeader header;
    EXPECT_TRUE(header.Decode(reader, protocol::ResponseHeaderVersion(header_.api_key, version)).ok());
    EXPECT_EQ(header.correlation_id, header_.correlation_id);
    const Status decoded = response.Decode(reader, version);
    EXPECT_TRUE(decoded.ok()) << Response::kName << " version " << version << ": " << decoded.error();
    EXPECT_EQ(reader.remaining(), 0u) << Response::kName << " version " << version;
    return response;
  }

 private:
  const protocol::RequestHeader header_;
  const std::shared_ptr<std::optional<Answer>> answer_;
};

// The response that belongs to a request.
template <class Request>
struct ResponseOf;
#define CHRONIK_API_PAIR(Api)                 \
  template <>                                 \
  struct ResponseOf<protocol::Api##Request> { \
    using type = protocol::Api##Response;     \
  }
CHRONIK_API_PAIR(Produce);
CHRONIK_API_PAIR(Fetch);
CHRONIK_API_PAIR(ListOffsets);
CHRONIK_API_PAIR(Metadata);
CHRONIK_API_PAIR(FindCoordinator);
CHRONIK_API_PAIR(OffsetCommit);
CHRONIK_API_PAIR(OffsetFetch);
CHRONIK_API_PAIR(JoinGroup);
CHRONIK_API_PAIR(Heartbeat);
CHRONIK_API_PAIR(LeaveGroup);
CHRONIK_API_PAIR(SyncGroup);
CHRONIK_API_PAIR(DescribeGroups);
CHRONIK_API_PAIR(ListGroups);
CHRONIK_API_PAIR(DeleteGroups);
CHRONIK_API_PAIR(OffsetDelete);
CHRONIK_API_PAIR(ConsumerGroupHeartbeat);
CHRONIK_API_PAIR(ConsumerGroupDescribe);
CHRONIK_API_PAIR(ApiVersions);
CHRONIK_API_PAIR(CreateTopics);
CHRONIK_API_PAIR(DeleteRecords);
CHRONIK_API_PAIR(DeleteTopics);
CHRONIK_API_PAIR(InitProducerId);
CHRONIK_API_PAIR(OffsetForLeaderEpoch);
CHRONIK_API_PAIR(DescribeConfigs);
CHRONIK_API_PAIR(CreatePartitions);
CHRONIK_API_PAIR(ElectLeaders);
CHRONIK_API_PAIR(AlterPartitionReassignments);
CHRONIK_API_PAIR(ListPartitionReassignments);
CHRONIK_API_PAIR(DescribeCluster);
#undef CHRONIK_API_PAIR

inline Bytes Batch(const std::vector<std::string>& values, records::BatchOptions options = {},
                   int64_t first_timestamp_ms = 1'700'000'000'000) {
  records::BatchBuilder builder(options);
  for (const std::string& value : values) {
    builder.Add(WallTime(std::chrono::milliseconds(first_timestamp_ms++)), std::nullopt, AsBytes(value));
  }
  return builder.Build();
}

class ApiTest : public ::testing::Test {
 protected:
  static constexpr int16_t kProduceVersion = 12;
  static constexpr int16_t kFetchVersion = 12;  // the last one with topic names

  void SetUp() override {
    SetLogLevel(LogLevel::kError);
    StartBroker({});
  }
  void TearDown() override {
    if (broker_) broker_->Stop();
  }

  void StartBroker(const broker::Settings& settings) {
    services_.reset();
    broker_ = std::make_unique<broker::TestBroker>(2, settings);
    ServeAgain();
  }
  // Every partition gets a new leader epoch.
  void RestartBroker() {
    broker_->Stop();
    ServeAgain();
  }
  void ServeAgain() {
    const auto started = broker_->Start();
    ASSERT_TRUE(started && started->ok());
    const std::vector<const Clock*> clocks(broker_->shards.begin(), broker_->shards.end());
    services_ = std::make_unique<Services>(*broker_->broker, clocks);
  }

  // Dispatches; runs nothing but the handler itself.
  template <class Request, class Response = typename ResponseOf<Request>::type>
  Asked<Response> Begin(const Request& request, int16_t version, ShardId shard = ShardId(0)) {
    const protocol::RequestHeader header{Request::kApiKey, version, ++correlation_id_, "test"};
    return BeginFrame<Response>(header, protocol::EncodeRequestFrame(header, request).Flatten(), shard);
  }
  template <class Response>
  Asked<Response> BeginFrame(const protocol::RequestHeader& header, const Bytes& with_size, ShardId shard) {
    auto answer = std::make_shared<std::optional<Answer>>();
    // A block of its own, as a connection would give: the broker patches batches in place.
    const Bytes frame = Bytes::Copy(with_size.view().subspan(protocol::kFrameSizeBytes));
    broker_->shards[shard.value]->Post([this, shard, frame, answer]() mutable {
      Dispatch(*services_, shard, std::move(frame), [answer](Answer a) {
        EXPECT_FALSE(answer->has_value()) << "answered twice";
        *answer = std::move(a);
      });
    });
    return {header, std::move(answer)};
  }
  // The same, and runs until nothing is left to do at this point of time.
  template <class Request>
  auto Ask(const Request& request, int16_t version, ShardId shard = ShardId(0)) {
    auto asked = Begin(request, version, shard);
    broker_->threads.Run();
    return asked;
  }
  template <class Request>
  auto Reply(const Request& request, int16_t version, ShardId shard = ShardId(0)) {
    return Ask(request, version, shard).Get();
  }

  metadata::TopicPtr CreateTopic(const std::string& name, int32_t partitions = 1,
                                 std::vector<std::pair<std::string, std::optional<std::string>>> configs = {}) {
    metadata::TopicPtr topic = broker_->CreateTopic(name, partitions, std::move(configs));
    EXPECT_NE(topic, nullptr) << name;
    return topic;
  }

  static protocol::ProduceRequest ProduceTo(const std::string& topic, int32_t partition, Bytes records,
                                            int16_t acks = -1) {
    protocol::ProduceRequest request;
    request.acks = acks;
    request.timeout_ms = 30000;
    auto& data = request.topic_data.emplace_back();
    data.name = topic;
    data.partition_data.push_back({partition, std::move(records)});
    return request;
  }
  // The answer of the one partition.
  protocol::ProduceResponse::PartitionProduceResponse Produce(const std::string& topic, int32_t partition,
                                                              Bytes records, int16_t acks = -1) {
    const auto response = Reply(ProduceTo(topic, partition, std::move(records), acks), kProduceVersion);
    if (response.responses.size() != 1 || response.responses[0].partition_responses.size() != 1) {
      ADD_FAILURE() << "one partition was asked for";
      return {};
    }
    return response.responses[0].partition_responses[0];
  }

  static protocol::FetchRequest FetchFrom(const std::string& topic, int32_t partition, int64_t offset,
                                          int32_t max_wait_ms = 0) {
    protocol::FetchRequest request;
    request.max_wait_ms = max_wait_ms;
    request.min_bytes = 1;
    request.max_bytes = 50 << 20;
    AddFetch(request, topic, partition, offset);
    return request;
  }
  static void AddFetch(protocol::FetchRequest& request, const std::string& topic, int32_t partition, int64_t offset,
                       int32_t max_bytes = 1 << 20) {
    if (request.topics.empty() || request.topics.back().topic != topic) request.topics.emplace_back().topic = topic;
    protocol::FetchRequest::FetchPartition p;
    p.partition = partition;
    p.fetch_offset = offset;
    p.partition_max_bytes = max_bytes;
    request.topics.back().partitions.push_back(p);
  }

  std::unique_ptr<broker::TestBroker> broker_;
  std::unique_ptr<Services> services_;
  int32_t correlation_id_ = 100;
};

// The only partition of a Fetch response.
inline protocol::FetchResponse::PartitionData OnlyPartition(const protocol::FetchResponse& response) {
  if (response.responses.size() != 1 || response.responses[0].partitions.size() != 1) {
    ADD_FAILURE() << "one partition was asked for";
    return {};
  }
  return response.responses[0].partitions[0];
}

inline int16_t Code(KafkaError error) { return protocol::ToInt16(error); }

}  // namespace chronik::api
