// SPDX-License-Identifier: Apache-2.0
// Builds record batches v2: for internal topics, tools and tests.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "kernel/base/bytes.h"
#include "kernel/base/clock.h"
#include "kernel/base/ids.h"
#include "kernel/base/result.h"
#include "kernel/records/batch.h"
#include "kernel/records/compression.h"
#include "kernel/records/record.h"

namespace chronik::records {

struct BatchOptions {
  Codec codec = Codec::kNone;
  SnappyFraming snappy = SnappyFraming::kXerial;
  TimestampType timestamp_type = TimestampType::kCreateTime;
  bool transactional = false;
  bool control = false;
  ProducerId producer_id = kNoProducerId;
  int16_t producer_epoch = kNoProducerEpoch;
  int32_t base_sequence = kNoSequence;
};

class BatchBuilder {
 public:
  explicit BatchBuilder(BatchOptions options = {}) : options_(options) {}

  // Offsets are consecutive from 0. nullopt is null. The arguments are copied.
  BatchBuilder& Add(WallTime timestamp, std::optional<ByteView> key, std::optional<ByteView> value,
                    std::span<const RecordHeader> headers = {});
  int32_t record_count() const { return record_count_; }
  size_t plain_bytes() const { return records_.size(); }  // of the records so far, uncompressed

  // The batch with a right CRC. At least one record must have been added. The builder may be used on: further records
  // join those that are there.
  Bytes Build(Offset base_offset = Offset(0), int32_t leader_epoch = -1) const;

 private:
  BatchOptions options_;
  std::vector<uint8_t> records_;
  WallTime base_timestamp_ = kNoTimestamp;
  WallTime max_timestamp_ = kNoTimestamp;
  int32_t record_count_ = 0;
};

}  // namespace chronik::records
