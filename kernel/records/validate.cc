// SPDX-License-Identifier: Apache-2.0
#include "kernel/records/validate.h"

#include <algorithm>
#include <limits>
#include <string>
#include <utility>

#include "kernel/records/record.h"

namespace chronik::records {
namespace {

Error Invalid(std::string why) { return Error{ErrorCode::kInvalidRecord, std::move(why)}; }

// The one batch in `records`, by its framing.
Result<BatchView> TheOneBatch(ByteView records, const ValidationLimits& limits) {
  if (records.empty()) return Invalid("a Produce request must hold one record batch a partition, this one is empty");
  Result<BatchView> batch = BatchView::Parse(records);
  if (!batch) return batch.error();
  if (batch->size() != records.size()) {
    return Invalid("a Produce request must hold exactly one record batch a partition, but " +
                   std::to_string(records.size() - batch->size()) + " bytes follow the first");
  }
  if (batch->size() > limits.max_message_bytes) {
    return Error{ErrorCode::kRecordTooLarge, "record batch of " + std::to_string(batch->size()) +
                                                 " bytes, max.message.bytes is " +
                                                 std::to_string(limits.max_message_bytes)};
  }
  return batch;
}

Status CheckCodec(BatchView batch, const ValidationLimits& limits) {
  if (!batch.codec_known()) {
    return Error{ErrorCode::kUnsupportedCompression, "compression codec " + std::to_string(batch.codec_id())};
  }
  if (batch.codec() == Codec::kZstd && !limits.allow_zstd) {
    return Error{ErrorCode::kUnsupportedCompression, "zstd needs Produce version 7"};
  }
  return {};
}

// Without a producer id the other producer fields say nothing: clients leave all kinds of values there.
Status CheckProducer(BatchView batch) {
  if (batch.producer_id() < kNoProducerId) return Invalid("producer id " + std::to_string(batch.producer_id().value));
  if (!batch.has_producer_id()) {
    if (batch.is_transactional()) return Invalid("a transactional batch without a producer id");
    return {};
  }
  if (batch.producer_epoch() < 0) return Invalid("a producer id with epoch " + std::to_string(batch.producer_epoch()));
  if (batch.base_sequence() < 0) return Invalid("a producer id with sequence " + std::to_string(batch.base_sequence()));
  return {};
}

Status CheckHeader(BatchView batch) {
  if (batch.is_control()) return Invalid("clients may not write control batches");
  if (batch.base_offset() != Offset(0)) {
    return Invalid("the base offset of a produced batch is 0, this one's is " +
                   std::to_string(batch.base_offset().value));
  }
  if (batch.record_count() <= 0) return Invalid("record count " + std::to_string(batch.record_count()));
  if (batch.last_offset_delta() != batch.record_count() - 1) {
    return Invalid(std::to_string(batch.record_count()) + " records, but the last offset delta is " +
                   std::to_string(batch.last_offset_delta()));
  }
  if (batch.timestamp_type() == TimestampType::kLogAppendTime) {
    return Error{ErrorCode::kInvalidTimestamp, "only the broker may set log append time"};
  }
  return CheckProducer(batch);
}

Status CheckTimestamp(WallTime timestamp, const ValidationLimits& limits) {
  if (!limits.now || timestamp == kNoTimestamp) return {};
  const int64_t at = timestamp.time_since_epoch().count();
  const int64_t now = limits.now->time_since_epoch().count();
  int64_t age = 0;
  // Overflow: `at` is at one end of the range, so the side it is on decides.
  if (__builtin_sub_overflow(now, at, &age)) {
    age = at < 0 ? std::numeric_limits<int64_t>::max() : -std::numeric_limits<int64_t>::max();
  }
  if (age > limits.timestamp_before_max_ms || age < -limits.timestamp_after_max_ms) {
    return Error{
        ErrorCode::kInvalidTimestamp,
        "timestamp " + std::to_string(at) + " ms is out of bounds at broker time " + std::to_string(now) + " ms"};
  }
  return {};
}

// Looks at every record; gives the largest timestamp.
Result<WallTime> WalkRecords(BatchView batch, const ValidationLimits& limits, int32_t* bad_record) {
  Result<RecordIterator> records = RecordIterator::Open(batch, limits.max_decompressed_bytes);
  if (!records) return records.error();
  WallTime max_timestamp = kNoTimestamp;
  for (int32_t index = 0; index < batch.record_count(); ++index) {
    *bad_record = index;
    Result<bool> next = records->Next();
    if (!next) return next.error();
    if (records->record().offset_delta != index) {
      return Invalid("offset delta " + std::to_string(records->record().offset_delta) + " where " +
                     std::to_string(index) + " must follow");
    }
    if (limits.require_keys && !records->record().key) return Invalid("a compacted topic needs a key in every record");
    CHRONIK_RETURN_IF_ERROR(CheckTimestamp(records->timestamp(), limits));
    max_timestamp = std::max(max_timestamp, records->timestamp());
  }
  *bad_record = -1;
  Result<bool> end = records->Next();
  if (!end) return end.error();
  return max_timestamp;
}

}  // namespace

Result<BatchInfo> ValidateForProduce(ByteView records, const ValidationLimits& limits, int32_t* bad_record) {
  int32_t ignored = -1;
  if (bad_record == nullptr) bad_record = &ignored;
  *bad_record = -1;

  Result<BatchView> framed = TheOneBatch(records, limits);
  if (!framed) return framed.error();
  const BatchView batch = *framed;
  if (!batch.crc_matches()) return Error{ErrorCode::kCorruptMessage, "the record batch does not match its CRC"};
  CHRONIK_RETURN_IF_ERROR(CheckCodec(batch, limits));
  CHRONIK_RETURN_IF_ERROR(CheckHeader(batch));

  BatchInfo info;
  info.bytes = batch.size();
  info.record_count = batch.record_count();
  info.codec = batch.codec();
  info.transactional = batch.is_transactional();
  info.producer_id = batch.producer_id();
  if (info.has_producer_id()) {
    info.producer_epoch = batch.producer_epoch();
    info.base_sequence = batch.base_sequence();
    info.last_sequence = batch.last_sequence();
  }
  if (batch.codec() == Codec::kNone || limits.deep || limits.require_keys) {
    Result<WallTime> max_timestamp = WalkRecords(batch, limits, bad_record);
    if (!max_timestamp) return max_timestamp.error();
    info.max_timestamp = *max_timestamp;
  } else {
    CHRONIK_RETURN_IF_ERROR(CheckTimestamp(batch.base_timestamp(), limits));
    CHRONIK_RETURN_IF_ERROR(CheckTimestamp(batch.max_timestamp(), limits));
    info.max_timestamp = batch.max_timestamp();
  }
  return info;
}

}  // namespace chronik::records
