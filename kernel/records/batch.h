// SPDX-License-Identifier: Apache-2.0
// Record batch v2 as it lies in memory: where each header field stands, and read access to it. Nothing is copied.
// Reader's order: batch.h (the header), record.h (what is inside), validate.h (what a client may send), assign.h (what
// the leader stamps in), compression.h, builder.h, producer_state.h (idempotence).
#pragma once

#include <cstdint>
#include <string_view>

#include "kernel/base/bytes.h"
#include "kernel/base/clock.h"
#include "kernel/base/endian.h"
#include "kernel/base/ids.h"
#include "kernel/base/result.h"

namespace chronik::records {

// Position of each field; all integers are big-endian. The CRC-32C covers kAttributesAt to the end of the batch, so the
// leader may set base offset and partition leader epoch without touching it.
inline constexpr size_t kBaseOffsetAt = 0;             // int64
inline constexpr size_t kBatchLengthAt = 8;            // int32, bytes that follow this field
inline constexpr size_t kPartitionLeaderEpochAt = 12;  // int32
inline constexpr size_t kMagicAt = 16;                 // int8
inline constexpr size_t kCrcAt = 17;                   // uint32
inline constexpr size_t kAttributesAt = 21;            // int16
inline constexpr size_t kLastOffsetDeltaAt = 23;       // int32
inline constexpr size_t kBaseTimestampAt = 27;         // int64, ms since the Unix epoch
inline constexpr size_t kMaxTimestampAt = 35;          // int64
inline constexpr size_t kProducerIdAt = 43;            // int64
inline constexpr size_t kProducerEpochAt = 51;         // int16
inline constexpr size_t kBaseSequenceAt = 53;          // int32
inline constexpr size_t kRecordCountAt = 57;           // int32
inline constexpr size_t kBatchHeaderBytes = 61;
inline constexpr size_t kBatchLengthOverhead = 12;  // batch_length + this = size of the whole batch
inline constexpr int8_t kMagicV2 = 2;

inline constexpr uint16_t kCodecMask = 0x07;
inline constexpr uint16_t kLogAppendTimeBit = 0x08;
inline constexpr uint16_t kTransactionalBit = 0x10;
inline constexpr uint16_t kControlBit = 0x20;
inline constexpr uint16_t kDeleteHorizonBit = 0x40;  // base timestamp is a delete horizon (KIP-534)

inline constexpr ProducerId kNoProducerId{-1};
inline constexpr int16_t kNoProducerEpoch = -1;
inline constexpr int32_t kNoSequence = -1;
inline constexpr WallTime kNoTimestamp{std::chrono::milliseconds{-1}};

// The values are those of the attributes field. 5 to 7 are not assigned.
enum class Codec : uint8_t { kNone = 0, kGzip = 1, kSnappy = 2, kLz4 = 3, kZstd = 4 };
std::string_view CodecName(Codec codec);  // as in Kafka's `compression.type`: "none", "gzip", ...

enum class TimestampType : uint8_t { kCreateTime = 0, kLogAppendTime = 1 };

// The sequence number `steps` after `sequence`: after 2^31-1 comes 0. steps >= 0.
int32_t AdvanceSequence(int32_t sequence, int32_t steps);

// One whole batch of magic 2. Borrows: valid while the bytes are. Fields are as the sender wrote them; only framing has
// been checked.
class BatchView {
 public:
  // The batch at the start of `bytes`, which may continue with more batches: step by `size()`. Errors: kCorruptMessage
  // if it is cut short or its length field is impossible, kUnsupportedFormat if its magic is not 2. Does not check the
  // CRC.
  static Result<BatchView> Parse(ByteView bytes);

  ByteView bytes() const { return bytes_; }
  size_t size() const { return bytes_.size(); }
  ByteView payload() const { return bytes_.subspan(kBatchHeaderBytes); }  // the records, compressed or not

  Offset base_offset() const { return Offset(Load<int64_t>(kBaseOffsetAt)); }
  Offset last_offset() const { return base_offset() + last_offset_delta(); }
  Offset next_offset() const { return last_offset() + 1; }
  int32_t batch_length() const { return Load<int32_t>(kBatchLengthAt); }
  int32_t partition_leader_epoch() const { return Load<int32_t>(kPartitionLeaderEpochAt); }
  int8_t magic() const { return Load<int8_t>(kMagicAt); }
  uint32_t crc() const { return Load<uint32_t>(kCrcAt); }
  uint16_t attributes() const { return Load<uint16_t>(kAttributesAt); }
  int32_t last_offset_delta() const { return Load<int32_t>(kLastOffsetDeltaAt); }
  WallTime base_timestamp() const { return LoadTime(kBaseTimestampAt); }
  WallTime max_timestamp() const { return LoadTime(kMaxTimestampAt); }
  ProducerId producer_id() const { return ProducerId(Load<int64_t>(kProducerIdAt)); }
  int16_t producer_epoch() const { return Load<int16_t>(kProducerEpochAt); }
  int32_t base_sequence() const { return Load<int32_t>(kBaseSequenceAt); }
  // Of the last record. Meaningful only with a producer id.
  int32_t last_sequence() const { return AdvanceSequence(base_sequence(), last_offset_delta()); }
  int32_t record_count() const { return Load<int32_t>(kRecordCountAt); }

  uint8_t codec_id() const { return static_cast<uint8_t>(attributes() & kCodecMask); }
  bool codec_known() const { return codec_id() <= static_cast<uint8_t>(Codec::kZstd); }
  Codec codec() const { return static_cast<Codec>(codec_id()); }  // only if codec_known()
  TimestampType timestamp_type() const {
    return (attributes() & kLogAppendTimeBit) != 0 ? TimestampType::kLogAppendTime : TimestampType::kCreateTime;
  }
  bool is_transactional() const { return (attributes() & kTransactionalBit) != 0; }
  bool is_control() const { return (attributes() & kControlBit) != 0; }
  bool has_producer_id() const { return producer_id() > kNoProducerId; }

  uint32_t ComputeCrc() const;
  bool crc_matches() const { return ComputeCrc() == crc(); }

 private:
  explicit BatchView(ByteView bytes) : bytes_(bytes) {}
  template <class T>
  T Load(size_t at) const {
    return LoadBig<T>(bytes_.data() + at);
  }
  WallTime LoadTime(size_t at) const { return WallTime(std::chrono::milliseconds(Load<int64_t>(at))); }

  ByteView bytes_;
};

}  // namespace chronik::records
