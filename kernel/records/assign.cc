// SPDX-License-Identifier: Apache-2.0
#include "kernel/records/assign.h"

#include "kernel/base/crc32c.h"
#include "kernel/base/endian.h"
#include "kernel/base/invariant.h"
#include "kernel/records/batch.h"

namespace chronik::records {
namespace {

void StoreMaxTimestampAndCrc(MutableByteView batch, WallTime max_timestamp) {
  StoreBig<int64_t>(batch.data() + kMaxTimestampAt, max_timestamp.time_since_epoch().count());
  StoreBig<uint32_t>(batch.data() + kCrcAt, Crc32c(batch.subspan(kAttributesAt)));
}

}  // namespace

void AssignOffsets(MutableByteView batch, Offset base_offset, int32_t leader_epoch,
                   std::optional<WallTime> log_append_time) {
  CHRONIK_CHECK(batch.size() >= kBatchHeaderBytes) << "offsets for a batch of " << batch.size() << " bytes";
  StoreBig<int64_t>(batch.data() + kBaseOffsetAt, base_offset.value);
  StoreBig<int32_t>(batch.data() + kPartitionLeaderEpochAt, leader_epoch);
  if (!log_append_time) return;
  const auto attributes = LoadBig<uint16_t>(batch.data() + kAttributesAt);
  StoreBig<uint16_t>(batch.data() + kAttributesAt, static_cast<uint16_t>(attributes | kLogAppendTimeBit));
  StoreMaxTimestampAndCrc(batch, *log_append_time);
}

void SetMaxTimestamp(MutableByteView batch, WallTime max_timestamp) {
  CHRONIK_CHECK(batch.size() >= kBatchHeaderBytes) << "timestamp for a batch of " << batch.size() << " bytes";
  StoreMaxTimestampAndCrc(batch, max_timestamp);
}

}  // namespace chronik::records
