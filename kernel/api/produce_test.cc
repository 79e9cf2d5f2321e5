// SPDX-License-Identifier: Apache-2.0
// Goal: what a Produce request gets back: offsets for what was stored, the right error for what was not, once each for
// an idempotent producer's batches. Method: requests against a broker; held and failing stores where it matters.
#include "kernel/api/test_api.h"

namespace chronik::api {
namespace {

using protocol::ProduceRequest;

class ProduceTest : public ApiTest {
 protected:
  void SetUp() override {
    ApiTest::SetUp();
    topic_ = CreateTopic("t", 2);
  }
  int64_t HighWatermark(int32_t partition) {
    return OnlyPartition(Reply(FetchFrom("t", partition, 0), kFetchVersion)).high_watermark;
  }
  // Flips one byte of the batch. What lies behind the CRC field makes it wrong.
  static Bytes Spoilt(size_t at) {
    Bytes batch = Batch({"value"});
    batch.unsafe_mutable_data()[at] ^= 0x55;
    return batch;
  }
  int16_t CodeFor(Bytes records) { return Produce("t", 0, std::move(records)).error_code; }

  metadata::TopicPtr topic_;
};

TEST_F(ProduceTest, BatchesGetConsecutiveOffsetsInEachPartition) {
  EXPECT_EQ(Produce("t", 0, Batch({"a", "b"})).base_offset, 0);
  EXPECT_EQ(Produce("t", 0, Batch({"c"})).base_offset, 2);
  const auto other = Produce("t", 1, Batch({"d"}));
  EXPECT_EQ(other.base_offset, 0);
  EXPECT_EQ(other.log_start_offset, 0);
  EXPECT_EQ(other.log_append_time_ms, -1);
  EXPECT_EQ(HighWatermark(0), 3);
}

TEST_F(ProduceTest, AcksDecideWhatIsWaitedFor) {
  broker_->disk_thread.Hold(true);
  const auto none = Ask(ProduceTo("t", 0, Batch({"a"}), 0), kProduceVersion);
  const auto leader = Ask(ProduceTo("t", 0, Batch({"b"}), 1), kProduceVersion);
  const auto all = Ask(ProduceTo("t", 0, Batch({"c"}), -1), kProduceVersion);
  EXPECT_TRUE(none.is(Answer::Kind::kNothing));
  EXPECT_FALSE(leader.answered()) << "acks=1 means durable on the leader";
  EXPECT_FALSE(all.answered());
  broker_->disk_thread.Hold(false);
  broker_->threads.Run();
  EXPECT_EQ(leader.Get().responses[0].partition_responses[0].base_offset, 1);
  EXPECT_EQ(all.Get().responses[0].partition_responses[0].base_offset, 2);
  EXPECT_EQ(HighWatermark(0), 3);
}

TEST_F(ProduceTest, AFailureWithoutAcksClosesTheConnection) {
  EXPECT_TRUE(Ask(ProduceTo("missing", 0, Batch({"a"}), 0), kProduceVersion).is(Answer::Kind::kClose));
  EXPECT_TRUE(Ask(ProduceTo("t", 0, Spoilt(40), 0), kProduceVersion).is(Answer::Kind::kClose));
}

TEST_F(ProduceTest, OtherAcksAreRefused) {
  EXPECT_EQ(Produce("t", 0, Batch({"a"}), 2).error_code, Code(KafkaError::kInvalidRequiredAcks));
  EXPECT_EQ(Produce("t", 0, Batch({"a"}), -2).error_code, Code(KafkaError::kInvalidRequiredAcks));
  EXPECT_EQ(HighWatermark(0), 0);
}

TEST_F(ProduceTest, BadBatchesAreRefusedEachForItsReason) {
  Bytes cut = Batch({"value"});
  EXPECT_EQ(CodeFor(Spoilt(40)), Code(KafkaError::kCorruptMessage));
  EXPECT_EQ(CodeFor(cut.Slice(0, cut.size() - 1)), Code(KafkaError::kCorruptMessage));
  EXPECT_EQ(CodeFor(Bytes()), Code(KafkaError::kInvalidRecord));
  Bytes old_magic = Batch({"value"});
  old_magic.unsafe_mutable_data()[records::kMagicAt] = 1;
  EXPECT_EQ(CodeFor(old_magic), Code(KafkaError::kUnsupportedForMessageFormat));
  EXPECT_EQ(CodeFor(Batch({std::string(1048588, 'x')})), Code(KafkaError::kMessageTooLarge));
  records::BatchOptions control;
  control.control = true;
  EXPECT_EQ(CodeFor(Batch({"a"}, control)), Code(KafkaError::kInvalidRecord));
  EXPECT_EQ(CodeFor(Batch({"a"}, {}, 1'600'000'000'000'000)), Code(KafkaError::kInvalidTimestamp));
  EXPECT_EQ(HighWatermark(0), 0) << "nothing of all this was stored";
}

TEST_F(ProduceTest, ABadRecordIsNamed) {
  records::BatchBuilder builder;
  const WallTime now{std::chrono::milliseconds(1'700'000'000'000)};
  builder.Add(now, std::nullopt, AsBytes("good"));
  builder.Add(now + std::chrono::hours(24 * 365), std::nullopt, AsBytes("from the future"));
  const auto answer = Produce("t", 0, builder.Build());
  EXPECT_EQ(answer.error_code, Code(KafkaError::kInvalidTimestamp));
  EXPECT_TRUE(answer.error_message.has_value());
  ASSERT_EQ(answer.record_errors.size(), 1u);
  EXPECT_EQ(answer.record_errors[0].batch_index, 1);
}

TEST_F(ProduceTest, ZstdNeedsVersionSeven) {
  records::BatchOptions zstd;
  zstd.codec = records::Codec::kZstd;
  const auto code = [&](int16_t version) {
    const auto response = Reply(ProduceTo("t", 0, Batch({std::string(500, 'a')}, zstd)), version);
    return response.responses[0].partition_responses[0].error_code;
  };
  EXPECT_EQ(code(6), Code(KafkaError::kUnsupportedCompressionType));
  EXPECT_EQ(code(7), 0);
}

TEST_F(ProduceTest, OnePartitionsErrorLeavesTheOthersAlone) {
  ProduceRequest request = ProduceTo("t", 0, Batch({"a"}));
  request.topic_data[0].partition_data.push_back({7, Batch({"b"})});
  request.topic_data[0].partition_data.push_back({1, Spoilt(40)});
  request.topic_data.push_back({"missing", {}, {{0, Batch({"c"})}}});
  const auto response = Reply(request, kProduceVersion);
  ASSERT_EQ(response.responses.size(), 2u);
  const auto& t = response.responses[0].partition_responses;
  ASSERT_EQ(t.size(), 3u);
  EXPECT_EQ(t[0].error_code, 0);
  EXPECT_EQ(t[1].error_code, Code(KafkaError::kUnknownTopicOrPartition));
  EXPECT_EQ(t[1].base_offset, -1);
  EXPECT_EQ(t[2].error_code, Code(KafkaError::kCorruptMessage));
  EXPECT_EQ(response.responses[1].partition_responses[0].error_code, Code(KafkaError::kUnknownTopicOrPartition));
}

TEST_F(ProduceTest, VersionThirteenNamesTopicsById) {
  ProduceRequest request = ProduceTo("", 0, Batch({"a"}));
  request.topic_data[0].topic_id = topic_->id;
  request.topic_data.push_back({"", {}, {{0, Batch({"b"})}}});
  const auto response = Reply(request, 13);
  EXPECT_EQ(response.responses[0].topic_id, topic_->id);
  EXPECT_EQ(response.responses[0].partition_responses[0].error_code, 0);
  EXPECT_EQ(response.responses[1].partition_responses[0].error_code, Code(KafkaError::kUnknownTopicId));
}

TEST_F(ProduceTest, TransactionsAreRefused) {
  ProduceRequest request = ProduceTo("t", 0, Batch({"a"}));
  request.transactional_id = "txn";
  EXPECT_EQ(Reply(request, kProduceVersion).responses[0].partition_responses[0].error_code,
            Code(KafkaError::kInvalidTxnState));
  records::BatchOptions transactional;
  transactional.transactional = true;
  transactional.producer_id = ProducerId(1);
  transactional.producer_epoch = 0;
  transactional.base_sequence = 0;
  EXPECT_EQ(CodeFor(Batch({"a"}, transactional)), Code(KafkaError::kInvalidTxnState));
}

TEST_F(ProduceTest, TheTimeoutAnswersWithAnUnknownOutcome) {
  broker_->disk_thread.Hold(true);
  ProduceRequest request = ProduceTo("t", 0, Batch({"a"}));
  request.timeout_ms = 1000;
  const auto asked = Ask(request, kProduceVersion);
  broker_->threads.Advance(std::chrono::milliseconds(900));
  EXPECT_FALSE(asked.answered());
  broker_->threads.Advance(std::chrono::milliseconds(400));
  EXPECT_EQ(asked.Get().responses[0].partition_responses[0].error_code, Code(KafkaError::kRequestTimedOut));
  broker_->disk_thread.Hold(false);
  broker_->threads.Run();
  EXPECT_EQ(HighWatermark(0), 1) << "it became durable after all";
}

TEST_F(ProduceTest, LogAppendTimeReplacesTheProducersTime) {
  CreateTopic("stamped", 1, {{"message.timestamp.type", "LogAppendTime"}});
  const int64_t now = broker_->control.WallNow().time_since_epoch().count();
  EXPECT_EQ(Produce("stamped", 0, Batch({"a"}, {}, 5)).log_append_time_ms, now);
  const auto read = OnlyPartition(Reply(FetchFrom("stamped", 0, 0), kFetchVersion));
  const Bytes records = read.records->Flatten();
  const auto batch = records::BatchView::Parse(records);
  ASSERT_TRUE(batch.ok());
  EXPECT_TRUE(batch->crc_matches());
  EXPECT_EQ(batch->timestamp_type(), records::TimestampType::kLogAppendTime);
  EXPECT_EQ(batch->max_timestamp().time_since_epoch().count(), now);
}

class IdempotentProduceTest : public ProduceTest {
 protected:
  static Bytes Sequenced(int32_t sequence, int count = 1, int16_t epoch = 0) {
    records::BatchOptions options;
    options.producer_id = ProducerId(7);
    options.producer_epoch = epoch;
    options.base_sequence = sequence;
    return Batch(std::vector<std::string>(static_cast<size_t>(count), "v"), options);
  }
};

TEST_F(IdempotentProduceTest, ADuplicateGetsTheOffsetOfTheFirstCopyAndIsNotStoredAgain) {
  EXPECT_EQ(Produce("t", 0, Sequenced(0, 3)).base_offset, 0);
  EXPECT_EQ(Produce("t", 0, Sequenced(3)).base_offset, 3);
  const auto again = Produce("t", 0, Sequenced(0, 3));
  EXPECT_EQ(again.error_code, 0);
  EXPECT_EQ(again.base_offset, 0);
  EXPECT_EQ(HighWatermark(0), 4);
}

TEST_F(IdempotentProduceTest, ADuplicateOfABatchInFlightIsAnsweredWithIt) {
  broker_->disk_thread.Hold(true);
  const auto first = Ask(ProduceTo("t", 0, Sequenced(0)), kProduceVersion);
  const auto second = Ask(ProduceTo("t", 0, Sequenced(0)), kProduceVersion);
  EXPECT_FALSE(second.answered()) << "its first copy may still be lost";
  broker_->disk_thread.Hold(false);
  broker_->threads.Run();
  EXPECT_EQ(first.Get().responses[0].partition_responses[0].base_offset, 0);
  EXPECT_EQ(second.Get().responses[0].partition_responses[0].error_code, 0);
  EXPECT_EQ(second.Get().responses[0].partition_responses[0].base_offset, 0);
  EXPECT_EQ(HighWatermark(0), 1);
}

TEST_F(IdempotentProduceTest, GapsAndOldEpochsAreRefused) {
  EXPECT_EQ(Produce("t", 0, Sequenced(0)).error_code, 0);
  EXPECT_EQ(Produce("t", 0, Sequenced(2)).error_code, Code(KafkaError::kOutOfOrderSequenceNumber));
  EXPECT_EQ(Produce("t", 0, Sequenced(1, 1, 1)).error_code, Code(KafkaError::kOutOfOrderSequenceNumber));
  EXPECT_EQ(Produce("t", 0, Sequenced(0, 1, 1)).error_code, 0);
  EXPECT_EQ(Produce("t", 0, Sequenced(1, 1, 0)).error_code, Code(KafkaError::kInvalidProducerEpoch));
  EXPECT_EQ(HighWatermark(0), 2);
}

TEST_F(IdempotentProduceTest, ARestartRemembersTheSequences) {
  EXPECT_EQ(Produce("t", 0, Sequenced(0)).base_offset, 0);
  EXPECT_EQ(Produce("t", 0, Sequenced(1)).base_offset, 1);
  RestartBroker();
  EXPECT_EQ(Produce("t", 0, Sequenced(1)).base_offset, 1);
  EXPECT_EQ(Produce("t", 0, Sequenced(2)).base_offset, 2);
  EXPECT_EQ(Produce("t", 0, Sequenced(4)).error_code, Code(KafkaError::kOutOfOrderSequenceNumber));
}

}  // namespace
}  // namespace chronik::api
