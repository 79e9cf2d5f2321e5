// SPDX-License-Identifier: Apache-2.0
// Goal: incremental fetch sessions as KIP-227 has them. Method: Fetch requests of a consumer against a broker; and the
// cache by itself for what takes long: idleness, limits, the end of the epochs.
#include "kernel/api/fetch_session.h"

#include <limits>

#include "kernel/api/test_api.h"

namespace chronik::api {
namespace {

using protocol::FetchRequest;
using protocol::FetchResponse;

constexpr int16_t kByName = 12;
constexpr int16_t kById = 13;

class FetchSessionTest : public ApiTest {
 protected:
  void SetUp() override {
    ApiTest::SetUp();
    topic_ = CreateTopic("t", 3);
  }
  static FetchRequest InSession(int32_t id, int32_t epoch) {
    FetchRequest request;
    request.max_bytes = 1 << 20;
    request.session_id = id;
    request.session_epoch = epoch;
    return request;
  }
  // Opens a session that follows all three partitions from offset 0.
  FetchResponse Open() {
    FetchRequest request = InSession(0, 0);
    for (int32_t p = 0; p < 3; ++p) AddFetch(request, "t", p, 0);
    FetchResponse response = Reply(request, kByName);
    EXPECT_NE(response.session_id, 0);
    return response;
  }
  // The partitions in a response, in its order.
  static std::vector<int32_t> Partitions(const FetchResponse& response) {
    std::vector<int32_t> out;
    for (const auto& topic : response.responses) {
      for (const auto& partition : topic.partitions) out.push_back(partition.partition_index);
    }
    return out;
  }
  using Numbers = std::vector<int32_t>;

  metadata::TopicPtr topic_;
};

TEST_F(FetchSessionTest, AFullAnswerNamesAllPartitionsAnIncrementalOneOnlyThoseWithNews) {
  const FetchResponse full = Open();
  EXPECT_EQ(Partitions(full), (Numbers{0, 1, 2}));
  EXPECT_EQ(Partitions(Reply(InSession(full.session_id, 1), kByName)), Numbers{});

  Produce("t", 1, Batch({"news"}));
  const FetchResponse second = Reply(InSession(full.session_id, 2), kByName);
  EXPECT_EQ(second.session_id, full.session_id);
  EXPECT_EQ(Partitions(second), Numbers{1});
  EXPECT_FALSE(second.responses[0].partitions[0].records->empty());

  FetchRequest advance = InSession(full.session_id, 3);
  AddFetch(advance, "t", 1, 1);
  EXPECT_EQ(Partitions(Reply(advance, kByName)), Numbers{}) << "all of it was read";
}

TEST_F(FetchSessionTest, AMovedHighWatermarkIsNewsWithoutRecords) {
  FetchRequest open = InSession(0, 0);
  AddFetch(open, "t", 0, 0);
  const int32_t session = Reply(open, kByName).session_id;
  Produce("t", 0, Batch({"a", "b"}));
  FetchRequest at_end = InSession(session, 1);
  AddFetch(at_end, "t", 0, 2);
  const auto partition = OnlyPartition(Reply(at_end, kByName));
  EXPECT_EQ(partition.high_watermark, 2);
  EXPECT_TRUE(partition.records->empty());
}

TEST_F(FetchSessionTest, ForgottenPartitionsAreNotFetchedAnyMore) {
  const int32_t session = Open().session_id;
  for (int32_t p = 0; p < 3; ++p) Produce("t", p, Batch({"x"}));
  FetchRequest request = InSession(session, 1);
  request.forgotten_topics_data.push_back({"t", {}, {0, 2, 7}});
  EXPECT_EQ(Partitions(Reply(request, kByName)), Numbers{1});
}

TEST_F(FetchSessionTest, ASessionThatFollowsNothingEnds) {
  const int32_t session = Open().session_id;
  FetchRequest request = InSession(session, 1);
  request.forgotten_topics_data.push_back({"t", {}, {0, 1, 2}});
  EXPECT_EQ(Reply(request, kByName).session_id, 0);
  EXPECT_EQ(services_->sessions(ShardId(0)).size(), 0u);
}

TEST_F(FetchSessionTest, AnUnknownSessionIsError70) {
  const int32_t session = Open().session_id;
  EXPECT_EQ(Reply(InSession(session + 1, 1), kByName).error_code, Code(KafkaError::kFetchSessionIdNotFound));
  EXPECT_EQ(Reply(InSession(0, 1), kByName).error_code, Code(KafkaError::kFetchSessionIdNotFound));
  const auto elsewhere = Reply(InSession(session, 1), kByName, ShardId(1));
  EXPECT_EQ(elsewhere.error_code, Code(KafkaError::kFetchSessionIdNotFound)) << "sessions belong to a shard";
  EXPECT_EQ(elsewhere.session_id, 0);
}

TEST_F(FetchSessionTest, AWrongEpochIsError71AndDoesNotEndTheSession) {
  const int32_t session = Open().session_id;
  EXPECT_EQ(Reply(InSession(session, 2), kByName).error_code, Code(KafkaError::kInvalidFetchSessionEpoch));
  EXPECT_EQ(Reply(InSession(session, 1), kByName).error_code, 0);
  EXPECT_EQ(Reply(InSession(session, 1), kByName).error_code, Code(KafkaError::kInvalidFetchSessionEpoch)) << "again";
  EXPECT_EQ(Reply(InSession(session, 2), kByName).error_code, 0);
}

TEST_F(FetchSessionTest, TheFinalEpochEndsTheSessionAndAFullRequestReplacesIt) {
  const int32_t first = Open().session_id;
  FetchRequest replace = InSession(first, 0);
  AddFetch(replace, "t", 0, 0);
  const int32_t second = Reply(replace, kByName).session_id;
  EXPECT_NE(second, first);
  EXPECT_EQ(services_->sessions(ShardId(0)).size(), 1u);

  EXPECT_EQ(Reply(InSession(second, -1), kByName).session_id, 0);
  EXPECT_EQ(services_->sessions(ShardId(0)).size(), 0u);
}

TEST_F(FetchSessionTest, NamesAndIdsDoNotMixInOneSession) {
  const int32_t by_name = Open().session_id;
  EXPECT_EQ(Reply(InSession(by_name, 1), kById).error_code, Code(KafkaError::kFetchSessionTopicIdError));

  FetchRequest open = InSession(0, 0);
  auto& topic = open.topics.emplace_back();
  topic.topic_id = topic_->id;
  topic.partitions.emplace_back().partition_max_bytes = 1 << 20;
  const FetchResponse by_id = Reply(open, kById);
  EXPECT_EQ(by_id.responses.at(0).topic_id, topic_->id);
  EXPECT_EQ(Reply(InSession(by_id.session_id, 1), kByName).error_code, Code(KafkaError::kFetchSessionTopicIdError));
  EXPECT_EQ(Reply(InSession(by_id.session_id, 1), kById).error_code, 0);
}

TEST_F(FetchSessionTest, AnUnknownTopicIdIsAnsweredEachTimeUntilItIsForgotten) {
  FetchRequest open = InSession(0, 0);
  auto& unknown = open.topics.emplace_back();
  unknown.topic_id.bytes[3] = 42;
  unknown.partitions.emplace_back();
  const FetchResponse full = Reply(open, kById);
  EXPECT_EQ(OnlyPartition(full).error_code, Code(KafkaError::kUnknownTopicId));
  EXPECT_EQ(OnlyPartition(Reply(InSession(full.session_id, 1), kById)).error_code, Code(KafkaError::kUnknownTopicId));
}

TEST_F(FetchSessionTest, PartitionsThatGotNothingForWantOfSpaceGoFirstNextTime) {
  const int32_t session = Open().session_id;
  for (int32_t p = 0; p < 3; ++p) Produce("t", p, Batch({std::string(500, 'x'), std::string(500, 'y')}));
  Numbers served;
  for (int32_t round = 1; round <= 6; ++round) {
    FetchRequest request = InSession(session, round);
    request.max_bytes = 100;  // one batch a time
    const FetchResponse response = Reply(request, kByName);
    for (const auto& topic : response.responses) {
      for (const auto& p : topic.partitions) {
        if (!p.records->empty()) served.push_back(p.partition_index);
      }
    }
  }
  EXPECT_EQ(served, (Numbers{0, 1, 2, 0, 1, 2})) << "the client never moved on, so all have data all the time";
}

FetchRequest Opening(const std::string& topic) {
  FetchRequest request;
  request.session_epoch = 0;
  request.topics.push_back({topic, {}, {FetchRequest::FetchPartition{}}});
  return request;
}

TEST(FetchSessionCache, AFullCacheGivesUpTheIdlestSessionOnceThatIsLongIdle) {
  FetchSessionCache cache(2, 100);
  Instant now{std::chrono::hours(1)};
  const int32_t first = cache.Begin(Opening("a"), false, now).session->id;
  const int32_t second = cache.Begin(Opening("b"), false, now + std::chrono::seconds(30)).session->id;
  EXPECT_EQ(first, 100);
  EXPECT_EQ(second, 101);
  now += std::chrono::seconds(119);
  EXPECT_EQ(cache.Begin(Opening("c"), false, now).session->id, 0) << "both are in use: this one goes without";
  now += std::chrono::seconds(1);
  EXPECT_EQ(cache.Begin(Opening("c"), false, now).session->id, 102);
  EXPECT_EQ(cache.size(), 2u);
  FetchRequest next;
  next.session_id = first;
  next.session_epoch = 1;
  EXPECT_EQ(cache.Begin(next, false, now).error, KafkaError::kFetchSessionIdNotFound);
  next.session_id = second;
  EXPECT_EQ(cache.Begin(next, false, now).error, KafkaError::kNone);
}

TEST(FetchSessionCache, EpochsWrapToOne) {
  FetchSessionCache cache(2, 1);
  const auto begun = cache.Begin(Opening("a"), false, Instant{});
  begun.session->next_epoch = std::numeric_limits<int32_t>::max();
  FetchRequest next;
  next.session_id = begun.session->id;
  next.session_epoch = std::numeric_limits<int32_t>::max();
  EXPECT_EQ(cache.Begin(next, false, Instant{}).error, KafkaError::kNone);
  EXPECT_EQ(begun.session->next_epoch, 1);
  next.session_epoch = 1;
  EXPECT_EQ(cache.Begin(next, false, Instant{}).error, KafkaError::kNone);
}

TEST(FetchSessionCache, IdsWrapToOne) {
  FetchSessionCache cache(8, std::numeric_limits<int32_t>::max());
  EXPECT_EQ(cache.Begin(Opening("a"), false, Instant{}).session->id, std::numeric_limits<int32_t>::max());
  EXPECT_EQ(cache.Begin(Opening("a"), false, Instant{}).session->id, 1);
}

}  // namespace
}  // namespace chronik::api
