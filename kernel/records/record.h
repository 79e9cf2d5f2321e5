// SPDX-License-Identifier: Apache-2.0
// The records inside a batch: walk them one by one, decompressing first where needed.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "kernel/base/bytes.h"
#include "kernel/base/clock.h"
#include "kernel/base/ids.h"
#include "kernel/base/result.h"
#include "kernel/records/batch.h"

namespace chronik::records {

// A null value and an empty one differ.
struct RecordHeader {
  std::string_view key;
  std::optional<ByteView> value;
};

// Borrows from the payload it was parsed from.
struct RecordView {
  int32_t offset_delta = 0;     // as written
  int64_t timestamp_delta = 0;  // ms, as written
  std::optional<ByteView> key;
  std::optional<ByteView> value;
  int32_t header_count = 0;
  ByteView raw_headers;  // well-formed: exactly header_count headers

  std::vector<RecordHeader> Headers() const;  // in order, duplicates kept
};

// Parses the record at the start of `*rest` and moves `*rest` behind it. kInvalidRecord if it is malformed.
Result<RecordView> ParseRecord(ByteView* rest);

// Walks one batch. Owns the decompressed payload if there is one; an uncompressed batch must outlive the iterator.
//   auto it = RecordIterator::Open(batch, cap);  while (*it->Next()) use(it->record());
class RecordIterator {
 public:
  // Errors as Decompress, and kUnsupportedCompression.
  static Result<RecordIterator> Open(BatchView batch, size_t max_decompressed_bytes);

  // false after the last record. kInvalidRecord on malformed content, also if bytes are left over or records are
  // missing.
  Result<bool> Next();

  // The current record; valid after Next() gave true, until the next call of it.
  const RecordView& record() const { return record_; }
  Offset offset() const { return base_offset_ + record_.offset_delta; }
  WallTime timestamp() const;  // the batch's max timestamp if the batch has log append time

  RecordIterator(RecordIterator&&) = default;
  RecordIterator& operator=(RecordIterator&&) = default;
  RecordIterator(const RecordIterator&) = delete;
  RecordIterator& operator=(const RecordIterator&) = delete;

 private:
  RecordIterator(BatchView batch, std::vector<uint8_t> plain);

  std::vector<uint8_t> plain_;
  ByteView rest_;
  RecordView record_;
  Offset base_offset_;
  WallTime base_timestamp_;
  WallTime max_timestamp_;
  TimestampType timestamp_type_;
  int32_t left_;
};

}  // namespace chronik::records
