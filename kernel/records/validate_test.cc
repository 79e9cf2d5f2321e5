// SPDX-License-Identifier: Apache-2.0
// Goal: what a client may not send is refused with the code that makes the client do the right thing. Method: a good
// batch with one thing wrong at a time, its CRC made right again where the CRC is not the point.
#include <gtest/gtest.h>

#include "kernel/base/crc32c.h"
#include "kernel/base/endian.h"
#include "kernel/records/builder.h"
#include "kernel/records/golden_batches.h"
#include "kernel/records/validate.h"

namespace chronik::records {
namespace {

WallTime At(int64_t ms) { return WallTime(std::chrono::milliseconds(ms)); }

void FixCrc(std::vector<uint8_t>* batch) {
  StoreBig<uint32_t>(batch->data() + kCrcAt, Crc32c(ByteView(*batch).subspan(kAttributesAt)));
}

template <class T>
std::vector<uint8_t> With(std::string_view hex, size_t at, T value) {
  std::vector<uint8_t> batch = FromHex(hex);
  StoreBig<T>(batch.data() + at, value);
  FixCrc(&batch);
  return batch;
}

ErrorCode CodeOf(ByteView records, const ValidationLimits& limits = {}) {
  const Result<BatchInfo> info = ValidateForProduce(records, limits);
  EXPECT_FALSE(info.ok());
  return info.ok() ? ErrorCode::kInternal : info.error().code;
}

TEST(ValidateForProduce, TellsWhatAnAppendNeeds) {
  const Result<BatchInfo> info = ValidateForProduce(FromHex(kJavaIdempotent), {});
  ASSERT_TRUE(info.ok()) << info.error();
  EXPECT_EQ(info->bytes, 105u);
  EXPECT_EQ(info->record_count, 3);
  EXPECT_EQ(info->codec, Codec::kNone);
  EXPECT_FALSE(info->transactional);
  EXPECT_EQ(info->producer_id, ProducerId(4000));
  EXPECT_EQ(info->producer_epoch, 3);
  EXPECT_EQ(info->base_sequence, 2147483646);
  EXPECT_EQ(info->last_sequence, 0);
  EXPECT_EQ(info->max_timestamp, At(1700000000005));
  EXPECT_TRUE(ValidateForProduce(FromHex(kJavaTransactional), {})->transactional);
}

TEST(ValidateForProduce, TakesEveryCodecShallowAndDeep) {
  for (const std::string_view hex : {kJavaNone, kJavaGzip, kJavaSnappy, kJavaLz4, kJavaZstd}) {
    ValidationLimits limits;
    for (const bool deep : {false, true}) {
      limits.deep = deep;
      const Result<BatchInfo> info = ValidateForProduce(FromHex(hex), limits);
      ASSERT_TRUE(info.ok()) << info.error();
      EXPECT_EQ(info->max_timestamp, At(1700000000005));
      EXPECT_FALSE(info->has_producer_id());
    }
  }
}

TEST(ValidateForProduce, Framing) {
  const std::vector<uint8_t> good = FromHex(kJavaNone);
  EXPECT_EQ(CodeOf({}), ErrorCode::kInvalidRecord);
  for (size_t size = 1; size < good.size(); ++size) {
    EXPECT_EQ(CodeOf(ByteView(good).first(size)), ErrorCode::kCorruptMessage) << size;
  }
  std::vector<uint8_t> two = good;
  two.insert(two.end(), good.begin(), good.end());
  EXPECT_EQ(CodeOf(two), ErrorCode::kInvalidRecord);
  two.resize(good.size() + 1);
  EXPECT_EQ(CodeOf(two), ErrorCode::kInvalidRecord);
  EXPECT_EQ(CodeOf(With<int8_t>(kJavaNone, kMagicAt, 1)), ErrorCode::kUnsupportedFormat);
  EXPECT_EQ(CodeOf(With<int8_t>(kJavaNone, kMagicAt, 0)), ErrorCode::kUnsupportedFormat);
}

TEST(ValidateForProduce, AnyFlippedBitUnderTheCrcIsFound) {
  const std::vector<uint8_t> good = FromHex(kJavaNone);
  for (size_t at = kCrcAt; at < good.size(); ++at) {
    std::vector<uint8_t> bad = good;
    bad[at] ^= 0x10;
    EXPECT_EQ(CodeOf(bad), ErrorCode::kCorruptMessage) << at;
  }
}

TEST(ValidateForProduce, Size) {
  ValidationLimits limits;
  limits.max_message_bytes = 105;
  EXPECT_TRUE(ValidateForProduce(FromHex(kJavaNone), limits).ok());
  limits.max_message_bytes = 104;
  EXPECT_EQ(CodeOf(FromHex(kJavaNone), limits), ErrorCode::kRecordTooLarge);
}

TEST(ValidateForProduce, Header) {
  EXPECT_EQ(CodeOf(With<int32_t>(kJavaNone, kRecordCountAt, 0)), ErrorCode::kInvalidRecord);
  EXPECT_EQ(CodeOf(With<int32_t>(kJavaNone, kRecordCountAt, -1)), ErrorCode::kInvalidRecord);
  EXPECT_EQ(CodeOf(With<int32_t>(kJavaNone, kRecordCountAt, 4)), ErrorCode::kInvalidRecord);
  EXPECT_EQ(CodeOf(With<int32_t>(kJavaNone, kLastOffsetDeltaAt, 3)), ErrorCode::kInvalidRecord);
  EXPECT_EQ(CodeOf(With<int64_t>(kJavaNone, kBaseOffsetAt, 1)), ErrorCode::kInvalidRecord);
  EXPECT_EQ(CodeOf(With<uint16_t>(kJavaNone, kAttributesAt, kControlBit)), ErrorCode::kInvalidRecord);
  EXPECT_EQ(CodeOf(With<uint16_t>(kJavaNone, kAttributesAt, kLogAppendTimeBit)), ErrorCode::kInvalidTimestamp);
}

TEST(ValidateForProduce, ProducerFieldsMustFitTogether) {
  EXPECT_EQ(CodeOf(With<int16_t>(kJavaIdempotent, kProducerEpochAt, -1)), ErrorCode::kInvalidRecord);
  EXPECT_EQ(CodeOf(With<int32_t>(kJavaIdempotent, kBaseSequenceAt, -1)), ErrorCode::kInvalidRecord);
  EXPECT_EQ(CodeOf(With<int64_t>(kJavaIdempotent, kProducerIdAt, -2)), ErrorCode::kInvalidRecord);
  EXPECT_EQ(CodeOf(With<int64_t>(kJavaTransactional, kProducerIdAt, -1)), ErrorCode::kInvalidRecord);
  // kafkajs and sarama leave epoch 0 or sequence 0 beside "no producer id".
  EXPECT_TRUE(ValidateForProduce(With<int32_t>(kJavaNone, kBaseSequenceAt, 0), {}).ok());
  EXPECT_TRUE(ValidateForProduce(With<int16_t>(kJavaNone, kProducerEpochAt, 0), {}).ok());
}

TEST(ValidateForProduce, Codecs) {
  for (const uint16_t codec : {5, 6, 7}) {
    EXPECT_EQ(CodeOf(With<uint16_t>(kJavaNone, kAttributesAt, codec)), ErrorCode::kUnsupportedCompression);
  }
  ValidationLimits limits;
  limits.allow_zstd = false;
  EXPECT_EQ(CodeOf(FromHex(kJavaZstd), limits), ErrorCode::kUnsupportedCompression);
  EXPECT_TRUE(ValidateForProduce(FromHex(kJavaLz4), limits).ok());
}

TEST(ValidateForProduce, DeepLooksInsideCompressedBatches) {
  // Not gzip at all, but with the bit set: passes on trust, and not otherwise.
  const std::vector<uint8_t> fake = With<uint16_t>(kJavaNone, kAttributesAt, 1);
  EXPECT_TRUE(ValidateForProduce(fake, {}).ok());
  ValidationLimits limits;
  limits.deep = true;
  EXPECT_EQ(CodeOf(fake, limits), ErrorCode::kInvalidRecord);
  limits.max_decompressed_bytes = 43;  // the three records take 44
  EXPECT_EQ(CodeOf(FromHex(kJavaGzip), limits), ErrorCode::kRecordTooLarge);
  limits.max_decompressed_bytes = 44;
  EXPECT_TRUE(ValidateForProduce(FromHex(kJavaGzip), limits).ok());
}

TEST(ValidateForProduce, NamesTheBadRecord) {
  // The second record's offset delta stands 4 bytes into it; it begins after the first one's 28.
  std::vector<uint8_t> bad = FromHex(kJavaNone);
  ASSERT_EQ(bad[kBatchHeaderBytes + 28 + 3], 2);  // zigzag of 1
  bad[kBatchHeaderBytes + 28 + 3] = 4;
  FixCrc(&bad);
  int32_t record = -1;
  EXPECT_EQ(ValidateForProduce(bad, {}, &record).error().code, ErrorCode::kInvalidRecord);
  EXPECT_EQ(record, 1);

  ValidationLimits limits;
  limits.require_keys = true;
  EXPECT_EQ(ValidateForProduce(FromHex(kJavaGzip), limits, &record).error().code, ErrorCode::kInvalidRecord);
  EXPECT_EQ(record, 1);

  std::vector<uint8_t> longer = FromHex(kJavaNone);
  longer.push_back(0);
  StoreBig<int32_t>(longer.data() + kBatchLengthAt, static_cast<int32_t>(longer.size() - kBatchLengthOverhead));
  FixCrc(&longer);
  EXPECT_EQ(ValidateForProduce(longer, {}, &record).error().code, ErrorCode::kInvalidRecord);
  EXPECT_EQ(record, -1);
}

TEST(ValidateForProduce, TimestampBounds) {
  ValidationLimits limits;
  limits.now = At(1700000000005);
  limits.timestamp_before_max_ms = 15;  // the third record is 15 ms older
  limits.timestamp_after_max_ms = 0;
  EXPECT_TRUE(ValidateForProduce(FromHex(kJavaNone), limits).ok());
  limits.timestamp_before_max_ms = 14;
  EXPECT_EQ(CodeOf(FromHex(kJavaNone), limits), ErrorCode::kInvalidTimestamp);
  limits.timestamp_before_max_ms = std::numeric_limits<int64_t>::max();
  limits.now = At(1700000000004);
  EXPECT_EQ(CodeOf(FromHex(kJavaNone), limits), ErrorCode::kInvalidTimestamp);
  EXPECT_EQ(CodeOf(FromHex(kJavaGzip), limits), ErrorCode::kInvalidTimestamp);  // by its header alone
  limits.timestamp_after_max_ms = 1;
  EXPECT_TRUE(ValidateForProduce(FromHex(kJavaGzip), limits).ok());
}

TEST(ValidateForProduce, TimestampsAtTheEndsOfTheRangeDoNotOverflow) {
  ValidationLimits limits;
  limits.now = At(1700000000000);
  limits.timestamp_before_max_ms = 3600000;
  const Bytes oldest = BatchBuilder().Add(At(std::numeric_limits<int64_t>::min()), {}, AsBytes("v")).Build();
  EXPECT_EQ(CodeOf(oldest, limits), ErrorCode::kInvalidTimestamp);
  const Bytes newest = BatchBuilder().Add(At(std::numeric_limits<int64_t>::max()), {}, AsBytes("v")).Build();
  EXPECT_EQ(CodeOf(newest, limits), ErrorCode::kInvalidTimestamp);
  const Bytes none = BatchBuilder().Add(kNoTimestamp, {}, AsBytes("v")).Build();
  EXPECT_TRUE(ValidateForProduce(none, limits).ok());
}

TEST(ValidateForProduce, GivesTheTrueMaxTimestamp) {
  const std::vector<uint8_t> wrong = With<int64_t>(kJavaNone, kMaxTimestampAt, 5);
  EXPECT_EQ(ValidateForProduce(wrong, {})->max_timestamp, At(1700000000005));
}

}  // namespace
}  // namespace chronik::records
