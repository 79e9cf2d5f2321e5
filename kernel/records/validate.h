// SPDX-License-Identifier: Apache-2.0
// What a client may send: the check that stands between a Produce request and the log.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>

#include "kernel/base/bytes.h"
#include "kernel/base/clock.h"
#include "kernel/base/result.h"
#include "kernel/records/batch.h"

namespace chronik::records {

struct ValidationLimits {
  size_t max_message_bytes = 1048588;  // whole batch as sent; topic config max.message.bytes
  bool allow_zstd = true;              // Produce version >= 7 (KIP-110)
  // Decompress the batch and check what is inside. Without it the payload of a compressed batch is taken on trust: its
  // CRC holds, its records were not looked at. Uncompressed records are always walked.
  bool deep = false;
  size_t max_decompressed_bytes = 64 << 20;  // only used by `deep`
  bool require_keys = false;                 // compacted topic: every record has a key; implies `deep`
  // Absent: timestamps are not checked (the topic stamps log append time). Present: a record more than `before_max_ms`
  // older or `after_max_ms` newer is refused. For a compressed batch without `deep` only the header's base and max
  // timestamp are compared.
  std::optional<WallTime> now;
  int64_t timestamp_before_max_ms = std::numeric_limits<int64_t>::max();
  int64_t timestamp_after_max_ms = 3600000;
};

// What an append needs to know of a batch that passed.
struct BatchInfo {
  size_t bytes = 0;
  int32_t record_count = 0;  // > 0; offsets base .. base + record_count - 1
  Codec codec = Codec::kNone;
  bool transactional = false;
  ProducerId producer_id = kNoProducerId;  // if none, epoch and sequences say nothing
  int16_t producer_epoch = kNoProducerEpoch;
  int32_t base_sequence = kNoSequence;
  int32_t last_sequence = kNoSequence;
  // Largest record timestamp where the records were walked, else the header's. If it differs from the header's, the
  // leader corrects the header with SetMaxTimestamp (assign.h), as Kafka does.
  WallTime max_timestamp = kNoTimestamp;

  bool has_producer_id() const { return producer_id > kNoProducerId; }
};

// Checks the records of one partition of a Produce request: exactly one batch of magic 2. Errors:
//   kUnsupportedFormat      magic 0 or 1
//   kCorruptMessage         cut short, impossible length, or the CRC does not match: retriable for the client
//   kInvalidRecord          none or several batches, control batch, counts or offsets that disagree, malformed records,
//                           incoherent producer fields, a missing key; not retriable, as the sender built it so
//   kRecordTooLarge         larger than max_message_bytes, or than max_decompressed_bytes once decompressed
//   kUnsupportedCompression codec 5 to 7, or zstd where it is not allowed
//   kInvalidTimestamp       out of bounds, or the client set the log-append-time bit
// `bad_record`, if given, is set to the index within the batch of the record that the error is about, or -1 (KIP-467).
Result<BatchInfo> ValidateForProduce(ByteView records, const ValidationLimits& limits, int32_t* bad_record = nullptr);

}  // namespace chronik::records
