// SPDX-License-Identifier: Apache-2.0
// Goal: we read and write record batches exactly as Kafka does. Method: batches written by the Java client, byte for
// byte; one batch laid out by hand; truncation at every byte.
#include <gtest/gtest.h>

#include "kernel/records/assign.h"
#include "kernel/records/batch.h"
#include "kernel/records/builder.h"
#include "kernel/records/golden_batches.h"
#include "kernel/records/record.h"
#include "kernel/records/varint.h"

namespace chronik::records {
namespace {

WallTime At(int64_t ms) { return WallTime(std::chrono::milliseconds(ms)); }

// The three records of golden_batches.h.
BatchBuilder GoldenRecords(BatchOptions options) {
  BatchBuilder builder(options);
  const std::vector<RecordHeader> headers{{"trace", AsBytes("abc")}, {"trace", std::nullopt}};
  builder.Add(At(1700000000000), AsBytes("k1"), AsBytes("v1"), headers);
  builder.Add(At(1700000000005), std::nullopt, AsBytes(""));
  builder.Add(At(1699999999990), AsBytes("k3"), std::nullopt);
  return builder;
}

TEST(BatchView, ReadsTheHeaderOfAJavaBatch) {
  const std::vector<uint8_t> bytes = FromHex(kJavaIdempotent);
  const Result<BatchView> batch = BatchView::Parse(bytes);
  ASSERT_TRUE(batch.ok()) << batch.error();
  EXPECT_EQ(batch->size(), bytes.size());
  EXPECT_EQ(batch->base_offset(), Offset(0));
  EXPECT_EQ(batch->next_offset(), Offset(3));
  EXPECT_EQ(batch->batch_length(), 0x5d);
  EXPECT_EQ(batch->partition_leader_epoch(), -1);
  EXPECT_EQ(batch->magic(), 2);
  EXPECT_EQ(batch->crc(), 0xb63744e3u);
  EXPECT_TRUE(batch->crc_matches());
  EXPECT_EQ(batch->codec(), Codec::kNone);
  EXPECT_EQ(batch->timestamp_type(), TimestampType::kCreateTime);
  EXPECT_FALSE(batch->is_transactional());
  EXPECT_FALSE(batch->is_control());
  EXPECT_EQ(batch->base_timestamp(), At(1700000000000));
  EXPECT_EQ(batch->max_timestamp(), At(1700000000005));
  EXPECT_EQ(batch->producer_id(), ProducerId(4000));
  EXPECT_EQ(batch->producer_epoch(), 3);
  EXPECT_EQ(batch->base_sequence(), 2147483646);
  EXPECT_EQ(batch->last_sequence(), 0);  // 2147483646, 2147483647, 0
  EXPECT_EQ(batch->record_count(), 3);
  const std::vector<uint8_t> transactional = FromHex(kJavaTransactional);
  EXPECT_TRUE(BatchView::Parse(transactional)->is_transactional());
}

TEST(BatchView, EveryTruncationIsCorruptAndOlderMagicIsUnsupported) {
  std::vector<uint8_t> bytes = FromHex(kJavaNone);
  for (size_t size = 0; size < bytes.size(); ++size) {
    const Result<BatchView> batch = BatchView::Parse(ByteView(bytes).first(size));
    ASSERT_FALSE(batch.ok()) << size;
    EXPECT_EQ(batch.error().code, ErrorCode::kCorruptMessage) << size;
  }
  for (const uint8_t magic : {0, 1, 3, 255}) {
    bytes[kMagicAt] = magic;
    EXPECT_EQ(BatchView::Parse(bytes).error().code, ErrorCode::kUnsupportedFormat);
  }
  bytes[kMagicAt] = 2;
  for (const int32_t length : {-1, 0, 48, std::numeric_limits<int32_t>::min()}) {
    StoreBig<int32_t>(bytes.data() + kBatchLengthAt, length);
    EXPECT_EQ(BatchView::Parse(bytes).error().code, ErrorCode::kCorruptMessage) << length;
  }
}

class JavaBatches : public testing::TestWithParam<std::pair<std::string_view, Codec>> {};

TEST_P(JavaBatches, GiveTheirRecords) {
  const std::vector<uint8_t> bytes = FromHex(GetParam().first);
  const Result<BatchView> batch = BatchView::Parse(bytes);
  ASSERT_TRUE(batch.ok()) << batch.error();
  EXPECT_EQ(batch->codec(), GetParam().second);
  EXPECT_TRUE(batch->crc_matches());
  Result<RecordIterator> records = RecordIterator::Open(*batch, 1000);
  ASSERT_TRUE(records.ok()) << records.error();

  ASSERT_TRUE(*records->Next());
  EXPECT_EQ(records->offset(), Offset(0));
  EXPECT_EQ(records->timestamp(), At(1700000000000));
  EXPECT_EQ(AsText(*records->record().key), "k1");
  EXPECT_EQ(AsText(*records->record().value), "v1");
  const std::vector<RecordHeader> headers = records->record().Headers();
  ASSERT_EQ(headers.size(), 2u);
  EXPECT_EQ(headers[0].key, "trace");
  EXPECT_EQ(AsText(*headers[0].value), "abc");
  EXPECT_EQ(headers[1].key, "trace");
  EXPECT_FALSE(headers[1].value.has_value());

  ASSERT_TRUE(*records->Next());
  EXPECT_FALSE(records->record().key.has_value());
  ASSERT_TRUE(records->record().value.has_value());
  EXPECT_TRUE(records->record().value->empty());

  ASSERT_TRUE(*records->Next());
  EXPECT_EQ(records->offset(), Offset(2));
  EXPECT_EQ(records->timestamp(), At(1699999999990));
  EXPECT_FALSE(records->record().value.has_value());
  EXPECT_FALSE(*records->Next());
}

INSTANTIATE_TEST_SUITE_P(Codecs, JavaBatches,
                         testing::Values(std::pair{kJavaNone, Codec::kNone}, std::pair{kJavaGzip, Codec::kGzip},
                                         std::pair{kJavaSnappy, Codec::kSnappy}, std::pair{kJavaLz4, Codec::kLz4},
                                         std::pair{kJavaZstd, Codec::kZstd}),
                         [](const auto& param) { return std::string(CodecName(param.param.second)); });

TEST(BatchBuilder, WritesWhatJavaWrites) {
  const std::vector<uint8_t> plain = FromHex(kJavaNone);
  EXPECT_TRUE(std::ranges::equal(GoldenRecords({}).Build().view(), plain));
  BatchOptions options;
  options.producer_id = ProducerId(4000);
  options.producer_epoch = 3;
  options.base_sequence = 0;
  options.transactional = true;
  const std::vector<uint8_t> transactional = FromHex(kJavaTransactional);
  EXPECT_TRUE(std::ranges::equal(GoldenRecords(options).Build().view(), transactional));
}

TEST(RecordIterator, LogAppendTimeOverridesEveryTimestamp) {
  BatchOptions options;
  options.timestamp_type = TimestampType::kLogAppendTime;
  const Bytes bytes = GoldenRecords(options).Build(Offset(10), 4);
  Result<RecordIterator> records = RecordIterator::Open(*BatchView::Parse(bytes), 1000);
  int count = 0;
  while (*records->Next()) {
    EXPECT_EQ(records->timestamp(), At(1700000000005));
    EXPECT_EQ(records->offset(), Offset(10 + count++));
  }
  EXPECT_EQ(count, 3);
}

TEST(ParseRecord, EveryTruncationAndEveryWrongByteIsHandled) {
  const std::vector<uint8_t> bytes = FromHex(kJavaNone);
  const ByteView record = ByteView(bytes).subspan(kBatchHeaderBytes, 28);
  ByteView rest = record;
  ASSERT_TRUE(ParseRecord(&rest).ok());
  ASSERT_TRUE(rest.empty());
  for (size_t size = 0; size < record.size(); ++size) {
    rest = record.first(size);
    EXPECT_EQ(ParseRecord(&rest).error().code, ErrorCode::kInvalidRecord) << size;
    // With a length that fits, so that the cut is met inside.
    if (size < 2) continue;
    std::vector<uint8_t> shorter(record.begin(), record.begin() + static_cast<std::ptrdiff_t>(size));
    shorter[0] = static_cast<uint8_t>((size - 1) * 2);
    rest = shorter;
    EXPECT_EQ(ParseRecord(&rest).error().code, ErrorCode::kInvalidRecord) << size;
  }
}

TEST(ParseRecord, RefusesAHeaderCountThatCannotBe) {
  // length, attributes, timestamp delta, offset delta, null key, null value, 2^30 headers
  std::vector<uint8_t> bytes{0, 0, 0, 0, 1, 1};
  PutVarlong(&bytes, int64_t{1} << 30);
  bytes[0] = static_cast<uint8_t>((bytes.size() - 1) * 2);
  ByteView rest = bytes;
  EXPECT_EQ(ParseRecord(&rest).error().code, ErrorCode::kInvalidRecord);
}

TEST(Varlong, RoundTripsTheExtremesAndRefusesWhatDoesNotFit) {
  for (const int64_t value : {int64_t{0}, int64_t{-1}, int64_t{1}, int64_t{-64}, int64_t{64}, int64_t{1} << 31,
                              std::numeric_limits<int64_t>::max(), std::numeric_limits<int64_t>::min()}) {
    std::vector<uint8_t> bytes;
    PutVarlong(&bytes, value);
    ByteView rest = bytes;
    EXPECT_EQ(TakeVarlong(&rest), value);
    EXPECT_TRUE(rest.empty());
    rest = bytes;
    EXPECT_EQ(TakeVarint(&rest).has_value(), value == static_cast<int32_t>(value)) << value;
  }
  const std::vector<uint8_t> endless(11, 0x80);
  ByteView rest = endless;
  EXPECT_FALSE(TakeVarlong(&rest).has_value());
  std::vector<uint8_t> too_large(10, 0xff);
  too_large[9] = 2;
  rest = too_large;
  EXPECT_FALSE(TakeVarlong(&rest).has_value());
}

TEST(AssignOffsets, LeavesTheCrcAloneUnlessItStampsATime) {
  std::vector<uint8_t> bytes = FromHex(kJavaGzip);
  AssignOffsets(bytes, Offset(123456789012), 77);
  BatchView batch = *BatchView::Parse(bytes);
  EXPECT_EQ(batch.base_offset(), Offset(123456789012));
  EXPECT_EQ(batch.last_offset(), Offset(123456789014));
  EXPECT_EQ(batch.partition_leader_epoch(), 77);
  EXPECT_EQ(batch.crc(), 0x35e3e156u);
  EXPECT_TRUE(batch.crc_matches());

  AssignOffsets(bytes, Offset(5), 78, At(1800000000000));
  batch = *BatchView::Parse(bytes);
  EXPECT_EQ(batch.timestamp_type(), TimestampType::kLogAppendTime);
  EXPECT_EQ(batch.codec(), Codec::kGzip);
  EXPECT_EQ(batch.max_timestamp(), At(1800000000000));
  EXPECT_EQ(batch.base_timestamp(), At(1700000000000));
  EXPECT_NE(batch.crc(), 0x35e3e156u);
  EXPECT_TRUE(batch.crc_matches());
}

TEST(SetMaxTimestamp, KeepsTheBatchValid) {
  std::vector<uint8_t> bytes = FromHex(kJavaNone);
  SetMaxTimestamp(bytes, At(1700000000099));
  EXPECT_EQ(BatchView::Parse(bytes)->max_timestamp(), At(1700000000099));
  EXPECT_EQ(BatchView::Parse(bytes)->timestamp_type(), TimestampType::kCreateTime);
  EXPECT_TRUE(BatchView::Parse(bytes)->crc_matches());
}

}  // namespace
}  // namespace chronik::records
