// SPDX-License-Identifier: Apache-2.0
// Goal: a Fetch waits exactly as long as it was told to, gives what was asked for and never less than it can (KIP-74),
// and says what is wrong with an offset or an epoch. Method: requests against a broker on a virtual clock, so that "not
// earlier" and "at once" can be seen; a store that holds its completions where it matters.
#include "kernel/api/test_api.h"

namespace chronik::api {
namespace {

using protocol::FetchRequest;
using protocol::FetchResponse;
using std::chrono::milliseconds;

class FetchTest : public ApiTest {
 protected:
  void SetUp() override {
    ApiTest::SetUp();
    CreateTopic("t", 4);
  }
  // How much of which partition a response carries, in its order; partitions without records are left out.
  static std::vector<std::pair<int32_t, size_t>> Sizes(const FetchResponse& response) {
    std::vector<std::pair<int32_t, size_t>> out;
    for (const auto& topic : response.responses) {
      for (const auto& p : topic.partitions) {
        if (!p.records->empty()) out.emplace_back(p.partition_index, p.records->size());
      }
    }
    return out;
  }
  using BytesOf = std::vector<std::pair<int32_t, size_t>>;
};

TEST_F(FetchTest, ALongPollIsAnsweredByTheAppendItWaitsFor) {
  const auto fetch = Ask(FetchFrom("t", 0, 0, 60000), kFetchVersion);
  broker_->threads.Advance(milliseconds(59000));
  ASSERT_FALSE(fetch.answered()) << "there is nothing to read yet";
  const auto produced = Produce("t", 0, Batch({"a"}));
  ASSERT_EQ(produced.error_code, 0);
  ASSERT_TRUE(fetch.answered()) << "no time passed since the append";
  const auto partition = OnlyPartition(fetch.Get());
  EXPECT_EQ(partition.high_watermark, 1);
  EXPECT_FALSE(partition.records->empty());
}

TEST_F(FetchTest, ALongPollOnAForeignShardIsWokenToo) {
  for (int32_t p = 0; p < 4; ++p) {
    const auto fetch = Begin(FetchFrom("t", p, 0, 60000), kFetchVersion, ShardId(1));
    broker_->threads.Run();
    ASSERT_FALSE(fetch.answered());
    Produce("t", p, Batch({"a"}));
    EXPECT_TRUE(fetch.answered()) << p;
  }
}

TEST_F(FetchTest, DataThatIsNotCommittedWakesNobody) {
  const auto fetch = Ask(FetchFrom("t", 0, 0, 60000), kFetchVersion);
  broker_->disk_thread.Hold(true);
  const auto produce = Ask(ProduceTo("t", 0, Batch({"a"})), kProduceVersion);
  EXPECT_FALSE(produce.answered());
  EXPECT_FALSE(fetch.answered());
  const auto ahead = Ask(FetchFrom("t", 0, 1), kFetchVersion);
  EXPECT_EQ(OnlyPartition(ahead.Get()).error_code, 0) << "the offset exists, if not for consumers";
  EXPECT_EQ(OnlyPartition(ahead.Get()).high_watermark, 0);
  broker_->disk_thread.Hold(false);
  broker_->threads.Run();
  EXPECT_TRUE(produce.answered());
  EXPECT_TRUE(fetch.answered());
}

TEST_F(FetchTest, MinBytesAreWaitedFor) {
  const size_t batch_bytes = Batch({"a"}).size();
  FetchRequest request = FetchFrom("t", 0, 0, 60000);
  AddFetch(request, "t", 1, 0);
  request.min_bytes = static_cast<int32_t>(2 * batch_bytes + 1);
  const auto fetch = Ask(request, kFetchVersion);
  Produce("t", 0, Batch({"a"}));
  Produce("t", 1, Batch({"b"}));
  EXPECT_FALSE(fetch.answered());
  Produce("t", 0, Batch({"c"}));
  ASSERT_TRUE(fetch.answered());
  EXPECT_EQ(Sizes(fetch.Get()), (BytesOf{{0, 2 * batch_bytes}, {1, batch_bytes}}));
}

TEST_F(FetchTest, MinBytesThatMaxBytesForbidAreNotWaitedFor) {
  Produce("t", 0, Batch({"a"}));
  Produce("t", 0, Batch({"b"}));
  FetchRequest request = FetchFrom("t", 0, 0, 60000);
  request.min_bytes = 1 << 20;
  request.max_bytes = static_cast<int32_t>(Batch({"a"}).size());
  EXPECT_TRUE(Ask(request, kFetchVersion).answered());
  request.max_bytes += 10;
  EXPECT_TRUE(Ask(request, kFetchVersion).answered()) << "the second batch will never fit";
}

TEST_F(FetchTest, TheTimeoutAnswersWithWhatThereIs) {
  const auto empty = Ask(FetchFrom("t", 0, 0, 500), kFetchVersion);
  FetchRequest wants_more = FetchFrom("t", 1, 0, 500);
  wants_more.min_bytes = 1 << 20;
  const auto partial = Ask(wants_more, kFetchVersion);
  Produce("t", 1, Batch({"a"}));
  broker_->threads.Advance(milliseconds(499));
  EXPECT_FALSE(empty.answered());
  EXPECT_FALSE(partial.answered());
  broker_->threads.Advance(milliseconds(1));
  EXPECT_TRUE(OnlyPartition(empty.Get()).records->empty());
  EXPECT_EQ(OnlyPartition(empty.Get()).error_code, 0);
  EXPECT_FALSE(OnlyPartition(partial.Get()).records->empty());
}

TEST_F(FetchTest, AnAnsweredFetchLeavesNoTimerBehind) {
  broker_->threads.Advance(std::chrono::seconds(1));  // timers of the start end
  const size_t before = broker_->threads.timers();
  const auto fetch = Ask(FetchFrom("t", 0, 0, 60000), kFetchVersion);
  EXPECT_EQ(broker_->threads.timers(), before + 1);
  Produce("t", 0, Batch({"a"}));
  broker_->threads.Advance(std::chrono::seconds(1));  // the produce request's own timer
  ASSERT_TRUE(fetch.answered());
  EXPECT_EQ(broker_->threads.timers(), before);
}

TEST_F(FetchTest, MaxBytesAreSharedInTheOrderOfTheRequestAndTheFirstBatchAlwaysComes) {
  const size_t batch_bytes = Batch({"a"}).size();
  for (int32_t p = 1; p < 4; ++p) {
    Produce("t", p, Batch({"a"}));
    Produce("t", p, Batch({"b"}));
  }
  const auto fetch = [&](const std::vector<int32_t>& order, size_t max_bytes, size_t partition_max_bytes) {
    FetchRequest request;
    request.max_bytes = static_cast<int32_t>(max_bytes);
    for (const int32_t p : order) AddFetch(request, "t", p, 0, static_cast<int32_t>(partition_max_bytes));
    return Sizes(Reply(request, kFetchVersion));
  };
  const size_t plenty = 1 << 20;
  // Odd partitions are on one shard, even ones on the other; a response goes from shard to shard once.
  EXPECT_EQ(fetch({0, 2, 1, 3}, 1, plenty), (BytesOf{{2, batch_bytes}})) << "partition 0 is empty";
  EXPECT_EQ(fetch({3, 1, 2, 0}, 1, plenty), (BytesOf{{3, batch_bytes}}));
  EXPECT_EQ(fetch({1, 3, 2}, 3 * batch_bytes, plenty), (BytesOf{{1, 2 * batch_bytes}, {3, batch_bytes}}));
  EXPECT_EQ(fetch({1, 3, 2}, plenty, 1), (BytesOf{{1, batch_bytes}})) << "only the first batch may break a limit";
  EXPECT_EQ(fetch({2}, 0, plenty), (BytesOf{{2, batch_bytes}}));
  EXPECT_EQ(fetch({2}, plenty, 0), (BytesOf{{2, batch_bytes}}));
}

TEST_F(FetchTest, ReadingInTheMiddleOfABatchGivesTheWholeBatch) {
  Produce("t", 0, Batch({"a", "b", "c"}));
  Produce("t", 0, Batch({"d"}));
  const auto partition = OnlyPartition(Reply(FetchFrom("t", 0, 1), kFetchVersion));
  const Bytes records = partition.records->Flatten();
  const auto batch = records::BatchView::Parse(records);
  ASSERT_TRUE(batch.ok());
  EXPECT_EQ(batch->base_offset(), Offset(0));
  EXPECT_EQ(batch->last_offset(), Offset(2));
  EXPECT_TRUE(batch->crc_matches());
  EXPECT_EQ(records.size(), Batch({"a", "b", "c"}).size() + Batch({"d"}).size());
}

TEST_F(FetchTest, OffsetsOutsideOfTheLogAreOutOfRangeAtOnce) {
  Produce("t", 0, Batch({"a", "b"}));
  for (const int64_t offset : {int64_t{-1}, int64_t{3}, INT64_MAX, INT64_MIN}) {
    const auto fetch = Ask(FetchFrom("t", 0, offset, 60000), kFetchVersion);
    ASSERT_TRUE(fetch.answered()) << offset;
    const auto partition = OnlyPartition(fetch.Get());
    EXPECT_EQ(partition.error_code, Code(KafkaError::kOffsetOutOfRange)) << offset;
    EXPECT_EQ(partition.log_start_offset, 0);
  }
  EXPECT_EQ(OnlyPartition(Reply(FetchFrom("t", 0, 2), kFetchVersion)).error_code, 0) << "the end is where to wait";
}

TEST_F(FetchTest, UnknownTopicsAndPartitionsAreAnsweredAtOnceBesideTheOthers) {
  Produce("t", 0, Batch({"a"}));
  FetchRequest request = FetchFrom("t", 0, 0, 60000);
  AddFetch(request, "t", 9, 0);
  AddFetch(request, "missing", 0, 0);
  const auto fetch = Ask(request, kFetchVersion);
  ASSERT_TRUE(fetch.answered());
  std::map<std::pair<std::string, int32_t>, int16_t> errors;
  for (const auto& topic : fetch.Get().responses) {
    for (const auto& p : topic.partitions) errors[{topic.topic, p.partition_index}] = p.error_code;
  }
  const int16_t unknown = Code(KafkaError::kUnknownTopicOrPartition);
  EXPECT_EQ(errors, (decltype(errors){{{"t", 0}, 0}, {{"t", 9}, unknown}, {{"missing", 0}, unknown}}));
}

TEST_F(FetchTest, LeaderEpochsAreFenced) {
  Produce("t", 0, Batch({"a"}));
  const auto with_epoch = [&](int32_t current) {
    FetchRequest request = FetchFrom("t", 0, 0);
    request.topics[0].partitions[0].current_leader_epoch = current;
    return OnlyPartition(Reply(request, kFetchVersion));
  };
  EXPECT_EQ(with_epoch(0).error_code, Code(KafkaError::kFencedLeaderEpoch));
  EXPECT_EQ(with_epoch(0).current_leader.leader_id, 1);
  EXPECT_EQ(with_epoch(0).current_leader.leader_epoch, 1);
  EXPECT_EQ(with_epoch(1).error_code, 0);
  EXPECT_EQ(with_epoch(2).error_code, Code(KafkaError::kUnknownLeaderEpoch));
}

TEST_F(FetchTest, AFollowerWhoseLogDivergedHearsWhere) {
  Produce("t", 0, Batch({"a", "b"}));
  RestartBroker();  // the next leader epoch begins at offset 2
  Produce("t", 0, Batch({"c"}));
  FetchRequest request = FetchFrom("t", 0, 3, 60000);
  request.topics[0].partitions[0].last_fetched_epoch = 1;
  const auto fetch = Ask(request, kFetchVersion);
  ASSERT_TRUE(fetch.answered());
  const auto partition = OnlyPartition(fetch.Get());
  EXPECT_EQ(partition.error_code, 0);
  EXPECT_EQ(partition.diverging_epoch.epoch, 1);
  EXPECT_EQ(partition.diverging_epoch.end_offset, 2);
  EXPECT_TRUE(partition.records->empty());
}

TEST_F(FetchTest, ATopicThatIsDeletedMeanwhileIsAnsweredAtOnce) {
  const auto fetch = Ask(FetchFrom("t", 0, 0, 60000), kFetchVersion);
  protocol::DeleteTopicsRequest remove;
  remove.topic_names = {"t"};
  remove.timeout_ms = 1000;
  Reply(remove, 5);
  ASSERT_TRUE(fetch.answered());
  EXPECT_EQ(OnlyPartition(fetch.Get()).error_code, Code(KafkaError::kNotLeaderOrFollower));
}

// With a tail cache of no size everything that is durable is read from the store.
class ColdFetchTest : public FetchTest {
 protected:
  void SetUp() override {
    SetLogLevel(LogLevel::kError);
    broker::Settings settings;
    settings.tail_cache_bytes_per_shard = 0;
    StartBroker(settings);
    CreateTopic("t", 4);
    for (const char* value : {"a", "b", "c"}) Produce("t", 0, Batch({value}));
  }
};

TEST_F(ColdFetchTest, TheLimitsHoldForTheStoreAsForTheCache) {
  const size_t batch_bytes = Batch({"a"}).size();
  Produce("t", 1, Batch({"a"}));
  Produce("t", 1, Batch({"b"}));
  Produce("t", 1, Batch({"c"}));
  broker_->disk.MakeReadsPend();
  const size_t reads = broker_->disk.reads();
  FetchRequest request = FetchFrom("t", 1, 0);
  AddFetch(request, "t", 0, 0);
  request.max_bytes = static_cast<int32_t>(2 * batch_bytes - 1);
  EXPECT_EQ(Sizes(Reply(request, kFetchVersion)), (BytesOf{{1, batch_bytes}}));
  EXPECT_GT(broker_->disk.reads(), reads) << "this test is about reads from the store";
  request.max_bytes = static_cast<int32_t>(3 * batch_bytes);
  request.topics[0].partitions[0].partition_max_bytes = static_cast<int32_t>(batch_bytes);
  EXPECT_EQ(Sizes(Reply(request, kFetchVersion)), (BytesOf{{1, batch_bytes}, {0, 2 * batch_bytes}}));
}

TEST_F(ColdFetchTest, ADamagedReadIsAStorageErrorOfThatPartition) {
  broker_->disk.FailReadsWith(CHR_E_CORRUPT);
  const auto partition = OnlyPartition(Reply(FetchFrom("t", 0, 0, 60000), kFetchVersion));
  EXPECT_EQ(partition.error_code, Code(KafkaError::kKafkaStorageError));
}

TEST_F(ColdFetchTest, ATopicMayBeDeletedWhileItIsRead) {
  broker_->disk.MakeReadsPend();
  broker_->disk_thread.Hold(true);
  const auto fetch = Ask(FetchFrom("t", 0, 0, 60000), kFetchVersion);
  broker_->disk_thread.Hold(false);
  protocol::DeleteTopicsRequest remove;
  remove.topic_names = {"t"};
  Reply(remove, 5);
  EXPECT_TRUE(fetch.answered());
  EXPECT_EQ(broker_->image().topic_count(), 0u);
}

}  // namespace
}  // namespace chronik::api
