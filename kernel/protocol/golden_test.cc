// SPDX-License-Identifier: Apache-2.0
// Goal: the bytes are Kafka's, not merely what our own decoder likes. Method: frames written by hand, field by field,
// from the protocol's definition; each is decoded, compared, encoded again and compared.
#include <gtest/gtest.h>

#include "kernel/protocol/errors.h"
#include "kernel/protocol/generated/api_keys.h"
#include "kernel/protocol/generated/api_versions.h"
#include "kernel/protocol/generated/create_topics.h"
#include "kernel/protocol/generated/fetch.h"
#include "kernel/protocol/generated/metadata.h"
#include "kernel/protocol/generated/produce.h"
#include "kernel/protocol/header.h"
#include "kernel/protocol/hex_bytes.h"

namespace chronik::protocol {
namespace {

template <class Message>
void ExpectBody(const Message& message, int16_t version, std::string_view hex) {
  SCOPED_TRACE(std::string(Message::kName) + " version " + std::to_string(version));
  const Bytes golden = FromHex(hex);
  Writer writer;
  message.Encode(writer, version);
  EXPECT_EQ(ToHex(std::move(writer).Finish().Flatten()), ToHex(golden));
  Reader reader(golden);
  Message decoded;
  const Status status = decoded.Decode(reader, version);
  EXPECT_TRUE(status.ok()) << (status.ok() ? "" : status.error().message);
  EXPECT_EQ(reader.remaining(), 0u);
  EXPECT_TRUE(decoded == message);
}

Bytes Flat(const ByteChain& chain) { return chain.Flatten(); }

ByteChain Chain(std::string_view text) {
  ByteChain chain;
  chain.Append(Bytes::Copy(text));
  return chain;
}

TEST(Golden, ApiVersionsRequestFrames) {
  EXPECT_EQ(ToHex(Flat(EncodeRequestFrame(RequestHeader{18, 0, 7, "kcat"}, ApiVersionsRequest()))),
            ToHex(FromHex("0000000e  0012 0000 00000007 0004 6b636174")));
  // Header 2 keeps the classic client id and adds tagged fields.
  ApiVersionsRequest request;
  request.client_software_name = "rdk";
  request.client_software_version = "2.3";
  EXPECT_EQ(ToHex(Flat(EncodeRequestFrame(RequestHeader{18, 3, 1, std::nullopt}, request))),
            ToHex(FromHex("00000014  0012 0003 00000001 ffff 00  04 72646b 04 322e33 00")));
}

TEST(Golden, ApiVersionsResponseFramesHaveHeaderZero) {
  ApiVersionsResponse refused;
  refused.error_code = ToInt16(KafkaError::kUnsupportedVersion);
  refused.api_keys.push_back({.api_key = 18, .min_version = 0, .max_version = 4});
  EXPECT_EQ(ToHex(Flat(EncodeResponseFrame(RequestHeader{18, 9, 5, std::nullopt}, refused, 0))),
            ToHex(FromHex("00000010  00000005  0023 00000001 0012 0000 0004")));

  ApiVersionsResponse answer;
  answer.api_keys.push_back({.api_key = 0, .min_version = 3, .max_version = 13});
  answer.supported_features.push_back({.name = "f", .min_version = 1, .max_version = 2});
  answer.finalized_features_epoch = 5;
  EXPECT_EQ(ToHex(Flat(EncodeResponseFrame(RequestHeader{18, 3, 5, std::nullopt}, answer))),
            ToHex(FromHex("00000027  00000005  0000 02 0000 0003 000d 00 00000000"
                          " 02  00 08 02 02 66 0001 0002 00  01 08 0000000000000005")));
}

// Nothing follows the error message before version 5: another broker's answers had a byte too many.
TEST(Golden, CreateTopicsResponsesBeforeVersionFive) {
  CreateTopicsResponse response;
  CreateTopicsResponse::CreatableTopicResult topic;
  topic.name = "t";
  topic.error_code = 36;
  response.topics.push_back(topic);
  ExpectBody(response, 2, "00000000 00000001 0001 74 0024 ffff");
  ExpectBody(response, 4, "00000000 00000001 0001 74 0024 ffff");
  response.topics[0].error_message = "x";
  ExpectBody(response, 3, "00000000 00000001 0001 74 0024 0001 78");
}

TEST(Golden, MetadataRequestTellsNullFromEmpty) {
  MetadataRequest all;
  ExpectBody(all, 1, "ffffffff");
  MetadataRequest none;
  none.topics.emplace();
  ExpectBody(none, 1, "00000000");
  ExpectBody(none, 0, "00000000");
  MetadataRequest one;
  one.topics.emplace().push_back({.topic_id = {}, .name = "t"});
  ExpectBody(one, 1, "00000001 0001 74");
  ExpectBody(one, 9, "02 02 74 00  01 00 00  00");
  ExpectBody(one, 12, "02 00000000000000000000000000000000 02 74 00  01 00  00");
}

TEST(Golden, NullInAVersionWithoutNullIsWrittenAsEmpty) {
  Writer writer;
  MetadataRequest().Encode(writer, 0);
  EXPECT_EQ(ToHex(std::move(writer).Finish().Flatten()), "00000000");
}

TEST(Golden, MetadataResponseVersion1) {
  MetadataResponse response;
  response.brokers.push_back({.node_id = 1, .host = "h", .port = 9092, .rack = std::nullopt});
  response.controller_id = 1;
  auto& topic = response.topics.emplace_back();
  topic.name = "t";
  auto& partition = topic.partitions.emplace_back();
  partition.leader_id = 1;
  partition.replica_nodes = {1, 2};
  partition.isr_nodes = {1};
  ExpectBody(response, 1,
             "00000001 00000001 0001 68 00002384 ffff  00000001"
             "00000001 0000 0001 74 00"
             "00000001 0000 00000000 00000001 00000002 00000001 00000002 00000001 00000001");
}

TEST(Golden, ProduceRequestVersion7SharesTheFramesMemory) {
  const Bytes frame = FromHex("ffff ffff 00007530 00000001 0001 74 00000001 00000002 00000003 616263");
  Reader reader(frame);
  ProduceRequest request;
  ASSERT_TRUE(request.Decode(reader, 7).ok());
  EXPECT_EQ(request.transactional_id, std::nullopt);
  EXPECT_EQ(request.acks, -1);
  EXPECT_EQ(request.timeout_ms, 30'000);
  ASSERT_EQ(request.topic_data.size(), 1u);
  EXPECT_EQ(request.topic_data[0].name, "t");
  ASSERT_EQ(request.topic_data[0].partition_data.size(), 1u);
  const auto& partition = request.topic_data[0].partition_data[0];
  EXPECT_EQ(partition.index, 2);
  ASSERT_TRUE(partition.records.has_value());
  EXPECT_EQ(partition.records->text(), "abc");
  EXPECT_EQ(partition.records->data(), frame.data() + frame.size() - 3);
  ExpectBody(request, 7, ToHex(frame));
}

TEST(Golden, ProduceRequestVersion13NamesTopicsById) {
  ProduceRequest request;
  request.acks = 1;
  auto& topic = request.topic_data.emplace_back();
  for (uint8_t i = 0; i < 16; ++i) topic.topic_id.bytes[i] = i;
  topic.partition_data.push_back({.index = 0, .records = Bytes::Copy("r")});
  ExpectBody(request, 13, "00 0001 00000000 02 000102030405060708090a0b0c0d0e0f 02 00000000 02 72 00 00 00");
}

TEST(Golden, ProduceResponseWithLeaderHint) {
  ProduceResponse response;
  auto& topic = response.responses.emplace_back();
  topic.name = "t";
  auto& partition = topic.partition_responses.emplace_back();
  partition.error_code = ToInt16(KafkaError::kNotLeaderOrFollower);
  partition.base_offset = -1;
  partition.current_leader = {.leader_id = 2, .leader_epoch = 7};
  response.node_endpoints.push_back({.node_id = 2, .host = "h", .port = 9092, .rack = std::nullopt});
  ExpectBody(response, 10,
             "02 02 74 02 00000000 0006 ffffffffffffffff ffffffffffffffff ffffffffffffffff 01 00"
             "01 00 09 00000002 00000007 00  00  00000000"
             "01 00 0d 02 00000002 02 68 00002384 00 00");
}

TEST(Golden, FetchRequestVersion11) {
  FetchRequest request;
  request.max_wait_ms = 500;
  request.min_bytes = 1;
  request.session_epoch = 0;
  auto& topic = request.topics.emplace_back();
  topic.topic = "t";
  auto& partition = topic.partitions.emplace_back();
  partition.current_leader_epoch = 3;
  partition.fetch_offset = 16;
  partition.partition_max_bytes = 1 << 20;
  request.rack_id = "r";
  ExpectBody(request, 11,
             "ffffffff 000001f4 00000001 7fffffff 00 00000000 00000000"
             "00000001 0001 74 00000001 00000000 00000003 0000000000000010 ffffffffffffffff 00100000"
             "00000000 0001 72");
}

TEST(Golden, FetchResponseVersions11And12) {
  FetchResponse response;
  response.session_id = 9;
  auto& topic = response.responses.emplace_back();
  topic.topic = "t";
  auto& partition = topic.partitions.emplace_back();
  partition.high_watermark = 5;
  partition.last_stable_offset = 4;
  partition.log_start_offset = 0;
  partition.aborted_transactions.emplace().push_back({.producer_id = 77, .first_offset = 2});
  partition.records = Chain("abc");
  ExpectBody(response, 11,
             "00000000 0000 00000009 00000001 0001 74 00000001"
             "00000000 0000 0000000000000005 0000000000000004 0000000000000000"
             "00000001 000000000000004d 0000000000000002 ffffffff 00000003 616263");

  partition.current_leader = {.leader_id = 2, .leader_epoch = 7};
  ExpectBody(response, 12,
             "00000000 0000 00000009 02 02 74 02"
             "00000000 0000 0000000000000005 0000000000000004 0000000000000000"
             "02 000000000000004d 0000000000000002 00 ffffffff 04 616263"
             "01 01 09 00000002 00000007 00"
             "00 00");
}

TEST(Golden, FetchResponseWithoutRecordsIsEmptyNotNull) {
  FetchResponse response;
  response.responses.emplace_back().partitions.emplace_back();
  ExpectBody(response, 4,
             "00000000 00000001 0000 00000001 00000000 0000 0000000000000000 ffffffffffffffff ffffffff 00000000");
}

TEST(Header, VersionsFollowTheApiAndApiVersionsIsAnsweredWithZero) {
  EXPECT_EQ(RequestHeaderVersion(0, 8), 1);
  EXPECT_EQ(RequestHeaderVersion(0, 9), 2);
  EXPECT_EQ(ResponseHeaderVersion(0, 8), 0);
  EXPECT_EQ(ResponseHeaderVersion(0, 9), 1);
  EXPECT_EQ(RequestHeaderVersion(18, 2), 1);
  EXPECT_EQ(RequestHeaderVersion(18, 99), 2);
  for (int16_t version = 0; version < 10; ++version) EXPECT_EQ(ResponseHeaderVersion(18, version), 0);
  EXPECT_EQ(RequestHeaderVersion(9999, 0), 1);
}

TEST(Header, RequestIsReadUpToTheBody) {
  Reader reader(FromHex("0001 000c 0000002a 0002 6964 01 00 01 ff  aa"));  // an unknown tagged field
  RequestHeader header;
  ASSERT_TRUE(header.Decode(reader).ok());
  EXPECT_EQ(header, (RequestHeader{1, 12, 42, "id"}));
  EXPECT_EQ(reader.remaining(), 1u);
}

TEST(Header, ResponseRoundTrips) {
  for (int16_t version : {int16_t{0}, int16_t{1}}) {
    Writer writer;
    ResponseHeader{77}.Encode(writer, version);
    const Bytes bytes = std::move(writer).Finish().Flatten();
    EXPECT_EQ(ToHex(bytes), version == 0 ? "0000004d" : "0000004d00");
    Reader reader(bytes);
    ResponseHeader header;
    ASSERT_TRUE(header.Decode(reader, version).ok());
    EXPECT_EQ(header.correlation_id, 77);
    EXPECT_EQ(reader.remaining(), 0u);
  }
}

TEST(Header, FrameSizeMustLieBetweenTheSmallestHeaderAndTheLimit) {
  EXPECT_TRUE(CheckRequestFrameSize(kRequestFrameBytesMin, 1000).ok());
  EXPECT_TRUE(CheckRequestFrameSize(1000, 1000).ok());
  for (int32_t size : {-1, 0, kRequestFrameBytesMin - 1, 1001, INT32_MIN, INT32_MAX}) {
    EXPECT_FALSE(CheckRequestFrameSize(size, 1000).ok()) << size;
  }
}

TEST(KafkaErrors, NamesAndCodes) {
  EXPECT_EQ(ToInt16(KafkaError::kNotLeaderOrFollower), 6);
  EXPECT_EQ(ToInt16(KafkaError::kInvalidRecord), 87);
  EXPECT_EQ(KafkaErrorName(KafkaError::kRebootstrapRequired), "REBOOTSTRAP_REQUIRED");
  EXPECT_EQ(KafkaErrorName(static_cast<KafkaError>(9999)), "UNKNOWN_ERROR_CODE");
}

}  // namespace
}  // namespace chronik::protocol
