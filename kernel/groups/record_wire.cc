// SPDX-License-Identifier: Apache-2.0
#include "kernel/groups/record_wire.h"

#include <algorithm>

#include "kernel/base/invariant.h"

namespace chronik::groups {
namespace {

constexpr size_t kMaxStringBytes = INT16_MAX;  // Kafka's limit, also where the encoding could hold more

}  // namespace

void RecordWriter::PutVarint(uint32_t value) {
  for (; value >= 0x80; value >>= 7) out_.push_back(static_cast<char>(value | 0x80));
  out_.push_back(static_cast<char>(value));
}

void RecordWriter::PutString(std::string_view text) {
  if (flexible_) {
    PutVarint(static_cast<uint32_t>(text.size() + 1));
  } else {
    CHRONIK_CHECK(text.size() <= kMaxStringBytes) << "a string of " << text.size() << " bytes in a record";
    Put(static_cast<int16_t>(text.size()));
  }
  out_.append(text);
}

void RecordWriter::PutNullableString(const std::optional<std::string>& text) {
  if (text) return PutString(std::string_view(*text));
  if (flexible_) return PutVarint(0);
  Put(int16_t{-1});
}

void RecordWriter::PutBytes(std::string_view bytes) {
  PutCount(bytes.size());
  out_.append(bytes);
}

void RecordWriter::PutCount(size_t count) {
  if (flexible_) return PutVarint(static_cast<uint32_t>(count + 1));
  Put(static_cast<int32_t>(count));
}

ByteView RecordReader::TakeRaw(size_t size) {
  if (!ok_ || size > rest_.size()) {
    ok_ = false;
    return {};
  }
  const ByteView taken = rest_.first(size);
  rest_ = rest_.subspan(size);
  return taken;
}

TopicId RecordReader::TakeTopicId() {
  TopicId id;
  const ByteView bytes = TakeRaw(id.bytes.size());
  if (ok_) std::ranges::copy(bytes, id.bytes.begin());
  return id;
}

uint32_t RecordReader::TakeVarint() {
  uint64_t value = 0;
  for (int shift = 0; shift < 35; shift += 7) {
    const auto byte = Take<uint8_t>();
    value |= uint64_t{byte & 0x7fu} << shift;
    if ((byte & 0x80) == 0) break;
    if (shift == 28) Fail();
  }
  if (value > UINT32_MAX) Fail();
  return ok_ ? static_cast<uint32_t>(value) : 0;
}

// nullopt is null.
std::optional<size_t> RecordReader::TakeLength(bool is_string) {
  int64_t length = 0;
  if (flexible_) {
    length = int64_t{TakeVarint()} - 1;
  } else {
    length = is_string ? Take<int16_t>() : Take<int32_t>();
  }
  if (!ok_ || length < 0) return std::nullopt;
  return static_cast<size_t>(length);
}

std::optional<std::string> RecordReader::TakeNullableString() {
  const std::optional<size_t> length = TakeLength(true);
  if (!length) return std::nullopt;
  if (*length > kMaxStringBytes) Fail();
  return std::string(AsText(TakeRaw(*length)));
}

std::string RecordReader::TakeString() {
  std::optional<std::string> text = TakeNullableString();
  if (!text) Fail();
  return text.value_or("");
}

std::string RecordReader::TakeBytes() {
  const std::optional<size_t> length = TakeLength(false);
  if (!length) Fail();
  return std::string(AsText(TakeRaw(length.value_or(0))));
}

size_t RecordReader::TakeCount() {
  const std::optional<size_t> count = TakeLength(false);
  if (!count || *count > rest_.size()) Fail();
  return ok_ ? *count : 0;
}

}  // namespace chronik::groups
