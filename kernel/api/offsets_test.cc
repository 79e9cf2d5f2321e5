// SPDX-License-Identifier: Apache-2.0
// Goal: ListOffsets and OffsetForLeaderEpoch find what is in the log. Method: a log of known offsets and times, one
// restart in the middle for a second leader epoch.
#include "kernel/api/test_api.h"

namespace chronik::api {
namespace {

using protocol::ListOffsetsRequest;

constexpr int64_t kStart = 1'700'000'000'000;

class OffsetsTest : public ApiTest {
 protected:
  // Offsets 0..2 at kStart + {10, 11, 12}, offset 3 at +50, offset 4 at +20, the last two in leader epoch 2.
  void SetUp() override {
    ApiTest::SetUp();
    CreateTopic("t", 2);
    Produce("t", 0, Batch({"a", "b", "c"}, {}, kStart + 10));
    RestartBroker();
    Produce("t", 0, Batch({"d"}, {}, kStart + 50));
    Produce("t", 0, Batch({"e"}, {}, kStart + 20));
  }
  protocol::ListOffsetsResponse::ListOffsetsPartitionResponse List(int64_t timestamp, int32_t partition = 0,
                                                                   int32_t epoch = -1) {
    ListOffsetsRequest request;
    request.replica_id = -1;
    auto& topic = request.topics.emplace_back();
    topic.name = "t";
    topic.partitions.push_back({partition, epoch, timestamp});
    return Reply(request, 10).topics.at(0).partitions.at(0);
  }
  protocol::OffsetForLeaderEpochResponse::EpochEndOffset EndOf(int32_t epoch, int32_t current = -1) {
    protocol::OffsetForLeaderEpochRequest request;
    auto& topic = request.topics.emplace_back();
    topic.topic = "t";
    topic.partitions.push_back({0, current, epoch});
    return Reply(request, 4).topics.at(0).partitions.at(0);
  }
};

TEST_F(OffsetsTest, EarliestAndLatest) {
  EXPECT_EQ(List(-2).offset, 0);
  EXPECT_EQ(List(-4).offset, 0);
  const auto latest = List(-1);
  EXPECT_EQ(latest.offset, 5);
  EXPECT_EQ(latest.timestamp, -1);
  EXPECT_EQ(latest.leader_epoch, 2);
  EXPECT_EQ(List(-1, 1).offset, 0) << "an empty partition";
}

TEST_F(OffsetsTest, ATimestampFindsTheFirstRecordAtOrAfterIt) {
  EXPECT_EQ(List(0).offset, 0);
  const auto inside = List(kStart + 11);
  EXPECT_EQ(inside.offset, 1) << "in the middle of a batch";
  EXPECT_EQ(inside.timestamp, kStart + 11);
  EXPECT_EQ(inside.leader_epoch, 1);
  EXPECT_EQ(List(kStart + 13).offset, 3);
  EXPECT_EQ(List(kStart + 20).offset, 3) << "the first in the log, not the nearest in time";
  const auto none = List(kStart + 51);
  EXPECT_EQ(none.error_code, 0);
  EXPECT_EQ(none.offset, -1);
  EXPECT_EQ(none.timestamp, -1);
  EXPECT_EQ(none.leader_epoch, -1);
}

TEST_F(OffsetsTest, TheLargestTimestampIsFoundWhereverItIs) {
  const auto largest = List(-3);
  EXPECT_EQ(largest.offset, 3);
  EXPECT_EQ(largest.timestamp, kStart + 50);
  EXPECT_EQ(List(-3, 1).offset, -1) << "an empty partition";
}

TEST_F(OffsetsTest, WhatCannotBeListedSaysWhy) {
  EXPECT_EQ(List(-1, 9).error_code, Code(KafkaError::kUnknownTopicOrPartition));
  EXPECT_EQ(List(-1, 9).offset, -1);
  EXPECT_EQ(List(-1, 0, 1).error_code, Code(KafkaError::kFencedLeaderEpoch));
  EXPECT_EQ(List(-1, 0, 3).error_code, Code(KafkaError::kUnknownLeaderEpoch));
  EXPECT_EQ(List(-77).error_code, Code(KafkaError::kUnsupportedVersion));
}

TEST_F(OffsetsTest, AnUncommittedRecordIsNotTheLatest) {
  broker_->disk_thread.Hold(true);
  const auto produce = Ask(ProduceTo("t", 0, Batch({"f"})), kProduceVersion);
  EXPECT_FALSE(produce.answered());
  EXPECT_EQ(List(-1).offset, 5);
  broker_->disk_thread.Hold(false);
  broker_->threads.Run();
  EXPECT_EQ(List(-1).offset, 6);
}

TEST_F(OffsetsTest, EachEpochEndsWhereTheNextBegins) {
  EXPECT_EQ(EndOf(1).leader_epoch, 1);
  EXPECT_EQ(EndOf(1).end_offset, 3);
  EXPECT_EQ(EndOf(2).leader_epoch, 2);
  EXPECT_EQ(EndOf(2).end_offset, 5) << "the current one ends with the log";
  EXPECT_EQ(EndOf(3).end_offset, -1) << "not known here";
  EXPECT_EQ(EndOf(3).leader_epoch, -1);
  EXPECT_EQ(EndOf(0).leader_epoch, 0);
  EXPECT_EQ(EndOf(0).end_offset, 0) << "before the first one";
  EXPECT_EQ(EndOf(1, 1).error_code, Code(KafkaError::kFencedLeaderEpoch));
  EXPECT_EQ(EndOf(1, 7).error_code, Code(KafkaError::kUnknownLeaderEpoch));
}

}  // namespace
}  // namespace chronik::api
