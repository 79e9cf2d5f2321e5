// SPDX-License-Identifier: Apache-2.0
// Goal: what DeleteRecords and retention took away is gone for every kind of reader, and stays so; the rest is there.
// Method: a log of known offsets and times in a whole broker, on a virtual clock.
#include "kernel/api/test_api.h"

namespace chronik::api {
namespace {

constexpr int64_t kStart = 1'700'000'000'000;

class DeleteRecordsTest : public ApiTest {
 protected:
  // Batches at offsets [0, 3), [3, 4), [4, 6), at kStart + {10, 11, 12}, {50}, {60, 61}.
  void SetUp() override {
    ApiTest::SetUp();
    CreateTopic("t", 2);
    Produce("t", 0, Batch({"a", "b", "c"}, {}, kStart + 10));
    Produce("t", 0, Batch({"d"}, {}, kStart + 50));
    Produce("t", 0, Batch({"e", "f"}, {}, kStart + 60));
  }
  protocol::DeleteRecordsResponse::DeleteRecordsPartitionResult Delete(int64_t before, int32_t partition = 0,
                                                                       const std::string& name = "t") {
    protocol::DeleteRecordsRequest request;
    auto& topic = request.topics.emplace_back();
    topic.name = name;
    topic.partitions.push_back({partition, before});
    request.timeout_ms = 1000;
    return Reply(request, 2).topics.at(0).partitions.at(0);
  }
  int64_t Find(int64_t timestamp) {
    protocol::ListOffsetsRequest request;
    request.replica_id = -1;
    auto& topic = request.topics.emplace_back();
    topic.name = "t";
    topic.partitions.push_back({0, -1, timestamp});
    return Reply(request, 10).topics.at(0).partitions.at(0).offset;
  }
  auto Fetch(int64_t offset) { return OnlyPartition(Reply(FetchFrom("t", 0, offset), kFetchVersion)); }
};

TEST_F(DeleteRecordsTest, RecordsBeforeTheOffsetAreGoneAndTheRestIsThere) {
  const auto deleted = Delete(3);
  EXPECT_EQ(deleted.error_code, 0);
  EXPECT_EQ(deleted.low_watermark, 3);
  EXPECT_EQ(Fetch(2).error_code, Code(KafkaError::kOffsetOutOfRange));
  const auto kept = Fetch(3);
  EXPECT_EQ(kept.error_code, 0);
  EXPECT_EQ(kept.log_start_offset, 3);
  EXPECT_EQ(kept.high_watermark, 6);
  EXPECT_EQ(Find(-2), 3);
  EXPECT_EQ(Find(-1), 6);
}

TEST_F(DeleteRecordsTest, AnOffsetWithinABatchHidesItsFirstRecords) {
  EXPECT_EQ(Delete(5).low_watermark, 5);
  EXPECT_EQ(Find(-2), 5);
  EXPECT_EQ(Fetch(4).error_code, Code(KafkaError::kOffsetOutOfRange));
  EXPECT_GT(Fetch(5).records->size(), 0u) << "the whole batch; the client skips what it did not ask for";
  EXPECT_EQ(Find(kStart), 5) << "older ones are not found by their time either";
  EXPECT_EQ(Find(kStart + 61), 5);
  EXPECT_EQ(Find(kStart + 62), -1);
}

TEST_F(DeleteRecordsTest, AllOfItMayGoAndTheNextRecordFollows) {
  EXPECT_EQ(Delete(-1).low_watermark, 6);
  EXPECT_EQ(Find(-2), 6);
  EXPECT_EQ(Find(0), -1);
  EXPECT_EQ(Fetch(6).error_code, 0);
  EXPECT_EQ(Produce("t", 0, Batch({"g"})).base_offset, 6);
  EXPECT_GT(Fetch(6).records->size(), 0u);
}

TEST_F(DeleteRecordsTest, WhatIsDeletedIsDeletedAfterARestartToo) {
  Delete(4);
  RestartBroker();
  EXPECT_EQ(Find(-2), 4);
  EXPECT_EQ(Fetch(3).error_code, Code(KafkaError::kOffsetOutOfRange));
  EXPECT_EQ(Fetch(4).error_code, 0);
  Produce("t", 0, Batch({"g"}));
  RestartBroker();
  EXPECT_EQ(Find(-2), 4) << "from the checkpoint of the last stop";
  EXPECT_EQ(Find(-1), 7);
}

TEST_F(DeleteRecordsTest, WhatMakesNoSenseIsRefusedAndDeletesNothing) {
  EXPECT_EQ(Delete(7).error_code, Code(KafkaError::kOffsetOutOfRange));
  EXPECT_EQ(Delete(7).low_watermark, -1);
  EXPECT_EQ(Delete(-2).error_code, Code(KafkaError::kOffsetOutOfRange));
  EXPECT_EQ(Delete(0, 9).error_code, Code(KafkaError::kUnknownTopicOrPartition));
  EXPECT_EQ(Delete(0, 0, "missing").error_code, Code(KafkaError::kUnknownTopicOrPartition));
  Delete(3);
  EXPECT_EQ(Delete(1).error_code, 0) << "that is so already";
  EXPECT_EQ(Delete(1).low_watermark, 3);
  EXPECT_EQ(Find(-2), 3);
}

class RetentionTest : public DeleteRecordsTest {
 protected:
  // Checked every minute; the virtual clock begins at kNow.
  void Start(int64_t retention_ms, int64_t retention_bytes) {
    broker_->Stop();
    broker::Settings settings;
    settings.retention_ms = retention_ms;
    settings.retention_bytes = retention_bytes;
    settings.retention_check_interval = std::chrono::minutes(1);
    StartBroker(settings);
    CreateTopic("t", 1);
  }
  int64_t Now() { return broker_->shards[0]->WallNow().time_since_epoch().count(); }
};

TEST_F(RetentionTest, RecordsGoWhenTheyAreOldEnough) {
  Start(60 * 60 * 1000, -1);
  const int64_t now = Now();
  Produce("t", 0, Batch({"old", "old"}, {}, now - 59 * 60 * 1000));
  Produce("t", 0, Batch({"new"}, {}, now));
  broker_->threads.Advance(std::chrono::seconds(50));
  EXPECT_EQ(Find(-2), 0);
  broker_->threads.Advance(std::chrono::minutes(2));
  EXPECT_EQ(Find(-2), 2);
  EXPECT_EQ(Find(-1), 3);
  broker_->threads.Advance(std::chrono::hours(2));
  EXPECT_EQ(Find(-2), 3) << "none is young enough";
  EXPECT_EQ(Produce("t", 0, Batch({"x"}, {}, Now())).base_offset, 3);
}

TEST_F(RetentionTest, WhatIsWrittenWhileItLooksIsKept) {
  Start(1000, -1);
  Produce("t", 0, Batch({"old", "old"}, {}, Now() - 1'000'000));
  broker_->disk.HoldReads();
  broker_->threads.Advance(std::chrono::minutes(1));
  EXPECT_EQ(Produce("t", 0, Batch({"new"}, {}, Now())).base_offset, 2);
  broker_->disk.LetReadsGo();
  broker_->threads.Run();
  EXPECT_EQ(Find(-2), 2);
  EXPECT_EQ(Find(-1), 3);
}

TEST_F(RetentionTest, TheOldestGoWhenThereIsTooMuchAndAtLeastSoMuchStays) {
  const Bytes one = Batch({std::string(1000, 'x')}, {}, kStart);
  Start(-1, static_cast<int64_t>(5 * one.size()));
  for (int i = 0; i < 20; ++i) Produce("t", 0, Bytes::Copy(one.view()));
  broker_->threads.Advance(std::chrono::minutes(2));
  EXPECT_EQ(Find(-2), 15);
  EXPECT_EQ(Find(-1), 20);
}

TEST_F(RetentionTest, ATopicSaysMoreThanItsBroker) {
  Start(-1, -1);
  CreateTopic("short", 1, {{"retention.ms", "1000"}});
  Produce("t", 0, Batch({"kept"}, {}, Now() - 1'000'000));
  Produce("short", 0, Batch({"gone"}, {}, Now() - 1'000'000));
  broker_->threads.Advance(std::chrono::minutes(2));
  EXPECT_EQ(Fetch(0).error_code, 0);
  EXPECT_EQ(OnlyPartition(Reply(FetchFrom("short", 0, 0), kFetchVersion)).error_code,
            Code(KafkaError::kOffsetOutOfRange));
}

}  // namespace
}  // namespace chronik::api
