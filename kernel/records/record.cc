// SPDX-License-Identifier: Apache-2.0
#include "kernel/records/record.h"

#include <string>
#include <utility>

#include "kernel/records/compression.h"
#include "kernel/records/varint.h"

namespace chronik::records {
namespace {

Error Malformed(const char* what) { return Error{ErrorCode::kInvalidRecord, std::string("malformed record: ") + what}; }

// A length and that many bytes; -1 is null. false if malformed.
bool TakeNullable(ByteView* rest, std::optional<ByteView>* out) {
  const std::optional<int32_t> length = TakeVarint(rest);
  if (!length || *length < -1) return false;
  if (*length == -1) {
    *out = std::nullopt;
    return true;
  }
  const auto size = static_cast<size_t>(*length);
  if (size > rest->size()) return false;
  *out = rest->first(size);
  *rest = rest->subspan(size);
  return true;
}

bool TakeHeader(ByteView* rest, RecordHeader* out) {
  std::optional<ByteView> key;
  if (!TakeNullable(rest, &key) || !key || !TakeNullable(rest, &out->value)) return false;
  out->key = AsText(*key);
  return true;
}

}  // namespace

std::vector<RecordHeader> RecordView::Headers() const {
  std::vector<RecordHeader> headers(static_cast<size_t>(header_count));
  ByteView rest = raw_headers;
  for (RecordHeader& header : headers) {
    CHRONIK_CHECK(TakeHeader(&rest, &header)) << "headers of a record that was not parsed";
  }
  return headers;
}

Result<RecordView> ParseRecord(ByteView* rest) {
  const std::optional<int32_t> length = TakeVarint(rest);
  if (!length || *length < 0 || static_cast<size_t>(*length) > rest->size()) return Malformed("length");
  ByteView body = rest->first(static_cast<size_t>(*length));
  *rest = rest->subspan(body.size());

  RecordView record;
  if (body.empty()) return Malformed("no attributes");
  body = body.subspan(1);  // record attributes: unused in v2
  const std::optional<int64_t> timestamp_delta = TakeVarlong(&body);
  const std::optional<int32_t> offset_delta = TakeVarint(&body);
  if (!timestamp_delta || !offset_delta) return Malformed("timestamp or offset delta");
  record.timestamp_delta = *timestamp_delta;
  record.offset_delta = *offset_delta;
  if (!TakeNullable(&body, &record.key)) return Malformed("key");
  if (!TakeNullable(&body, &record.value)) return Malformed("value");
  const std::optional<int32_t> headers = TakeVarint(&body);
  // A header takes two bytes at least, so this also bounds what Headers() allocates.
  if (!headers || *headers < 0 || static_cast<size_t>(*headers) > body.size() / 2) return Malformed("header count");
  record.header_count = *headers;
  record.raw_headers = body;
  RecordHeader header;
  for (int32_t i = 0; i < *headers; ++i) {
    if (!TakeHeader(&body, &header)) return Malformed("header");
  }
  if (!body.empty()) return Malformed("bytes after the headers");
  return record;
}

RecordIterator::RecordIterator(BatchView batch, std::vector<uint8_t> plain)
    : plain_(std::move(plain)),
      rest_(batch.codec() == Codec::kNone ? batch.payload() : ByteView(plain_)),
      base_offset_(batch.base_offset()),
      base_timestamp_(batch.base_timestamp()),
      max_timestamp_(batch.max_timestamp()),
      timestamp_type_(batch.timestamp_type()),
      left_(batch.record_count()) {}

Result<RecordIterator> RecordIterator::Open(BatchView batch, size_t max_decompressed_bytes) {
  if (!batch.codec_known()) {
    return Error{ErrorCode::kUnsupportedCompression, "compression codec " + std::to_string(batch.codec_id())};
  }
  if (batch.codec() == Codec::kNone) return RecordIterator(batch, {});
  Result<std::vector<uint8_t>> plain = Decompress(batch.codec(), batch.payload(), max_decompressed_bytes);
  if (!plain) return plain.error();
  return RecordIterator(batch, *std::move(plain));
}

Result<bool> RecordIterator::Next() {
  if (left_ <= 0) {
    if (!rest_.empty()) return Malformed("bytes after the last one");
    return false;
  }
  Result<RecordView> next = ParseRecord(&rest_);
  if (!next) return next.error();
  record_ = *next;
  --left_;
  return true;
}

WallTime RecordIterator::timestamp() const {
  if (timestamp_type_ == TimestampType::kLogAppendTime) return max_timestamp_;
  // Both come from outside: a sum that overflows wraps, as it does for Java clients.
  const auto base = static_cast<uint64_t>(base_timestamp_.time_since_epoch().count());
  return WallTime(
      std::chrono::milliseconds(static_cast<int64_t>(base + static_cast<uint64_t>(record_.timestamp_delta))));
}

}  // namespace chronik::records
