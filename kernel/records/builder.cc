// SPDX-License-Identifier: Apache-2.0
#include "kernel/records/builder.h"

#include <algorithm>
#include <cstring>

#include "kernel/base/crc32c.h"
#include "kernel/base/endian.h"
#include "kernel/base/invariant.h"
#include "kernel/records/varint.h"

namespace chronik::records {
namespace {

void PutBytes(std::vector<uint8_t>* out, ByteView bytes) { out->insert(out->end(), bytes.begin(), bytes.end()); }

void PutNullable(std::vector<uint8_t>* out, const std::optional<ByteView>& bytes) {
  PutVarlong(out, bytes ? static_cast<int64_t>(bytes->size()) : -1);
  if (bytes) PutBytes(out, *bytes);
}

}  // namespace

BatchBuilder& BatchBuilder::Add(WallTime timestamp, std::optional<ByteView> key, std::optional<ByteView> value,
                                std::span<const RecordHeader> headers) {
  if (record_count_ == 0) base_timestamp_ = max_timestamp_ = timestamp;
  max_timestamp_ = std::max(max_timestamp_, timestamp);
  std::vector<uint8_t> body{0};  // record attributes: unused in v2
  PutVarlong(&body, (timestamp - base_timestamp_).count());
  PutVarlong(&body, record_count_);
  PutNullable(&body, key);
  PutNullable(&body, value);
  PutVarlong(&body, static_cast<int64_t>(headers.size()));
  for (const RecordHeader& header : headers) {
    PutNullable(&body, AsBytes(header.key));
    PutNullable(&body, header.value);
  }
  PutVarlong(&records_, static_cast<int64_t>(body.size()));
  PutBytes(&records_, body);
  ++record_count_;
  return *this;
}

Bytes BatchBuilder::Build(Offset base_offset, int32_t leader_epoch) const {
  CHRONIK_CHECK(record_count_ > 0) << "a record batch without records";
  const Result<std::vector<uint8_t>> payload = Compress(options_.codec, records_, options_.snappy);
  CHRONIK_CHECK(payload.ok()) << payload.error().message;

  uint16_t attributes = static_cast<uint8_t>(options_.codec);
  if (options_.timestamp_type == TimestampType::kLogAppendTime) attributes |= kLogAppendTimeBit;
  if (options_.transactional) attributes |= kTransactionalBit;
  if (options_.control) attributes |= kControlBit;

  uint8_t* out = nullptr;
  Bytes batch = Bytes::Allocate(kBatchHeaderBytes + payload->size(), &out);
  StoreBig<int64_t>(out + kBaseOffsetAt, base_offset.value);
  StoreBig<int32_t>(out + kBatchLengthAt, static_cast<int32_t>(batch.size() - kBatchLengthOverhead));
  StoreBig<int32_t>(out + kPartitionLeaderEpochAt, leader_epoch);
  StoreBig<int8_t>(out + kMagicAt, kMagicV2);
  StoreBig<uint16_t>(out + kAttributesAt, attributes);
  StoreBig<int32_t>(out + kLastOffsetDeltaAt, record_count_ - 1);
  StoreBig<int64_t>(out + kBaseTimestampAt, base_timestamp_.time_since_epoch().count());
  StoreBig<int64_t>(out + kMaxTimestampAt, max_timestamp_.time_since_epoch().count());
  StoreBig<int64_t>(out + kProducerIdAt, options_.producer_id.value);
  StoreBig<int16_t>(out + kProducerEpochAt, options_.producer_epoch);
  StoreBig<int32_t>(out + kBaseSequenceAt, options_.base_sequence);
  StoreBig<int32_t>(out + kRecordCountAt, record_count_);
  std::memcpy(out + kBatchHeaderBytes, payload->data(), payload->size());
  StoreBig<uint32_t>(out + kCrcAt, Crc32c(batch.view().subspan(kAttributesAt)));
  return batch;
}

}  // namespace chronik::records
