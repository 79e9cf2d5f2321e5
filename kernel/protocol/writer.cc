// SPDX-License-Identifier: Apache-2.0
#include "kernel/protocol/writer.h"

#include <algorithm>
#include <limits>

namespace chronik::protocol {
namespace {

constexpr size_t kChunkBytesMax = 64u << 10;
constexpr size_t kClassicStringBytesMax = std::numeric_limits<int16_t>::max();
constexpr size_t kLengthMax = std::numeric_limits<int32_t>::max() - 1;  // + 1 still fits the flexible encoding

}  // namespace

ByteChain Writer::Finish() && {
  FlushChunk();
  return std::move(finished_);
}

void Writer::StartChunk(size_t bytes_min) {
  FlushChunk();
  capacity_ = std::max(bytes_min, next_capacity_);
  next_capacity_ = std::min(next_capacity_ * 2, kChunkBytesMax);
  chunk_ = Bytes::Allocate(capacity_, &memory_);
  begin_ = used_ = 0;
}

void Writer::FlushChunk() {
  if (used_ == begin_) return;
  finished_.Append(chunk_.Slice(begin_, used_ - begin_));
  begin_ = used_;
}

void Writer::WriteUnsignedVarint(uint32_t value) {
  uint8_t bytes[5];
  size_t size = 0;
  while (value > 0x7f) {
    bytes[size++] = static_cast<uint8_t>(value | 0x80);
    value >>= 7;
  }
  bytes[size++] = static_cast<uint8_t>(value);
  std::memcpy(Extend(size), bytes, size);
}

void Writer::WriteUuid(const TopicId& id) { std::memcpy(Extend(id.bytes.size()), id.bytes.data(), id.bytes.size()); }

void Writer::WriteLength(size_t length, Encoding encoding) {
  CHRONIK_CHECK(length <= kLengthMax) << length << " bytes or elements do not fit a frame";
  if (encoding == Encoding::kFlexible) {
    WriteUnsignedVarint(static_cast<uint32_t>(length + 1));
  } else {
    WriteInt(static_cast<int32_t>(length));
  }
}

void Writer::WriteNullLength(Encoding encoding) {
  if (encoding == Encoding::kFlexible) {
    WriteUnsignedVarint(0);
  } else {
    WriteInt<int32_t>(-1);
  }
}

void Writer::WriteString(std::string_view text, Encoding encoding) {
  if (encoding == Encoding::kFlexible) {
    WriteLength(text.size(), encoding);
  } else {
    text = text.substr(0, kClassicStringBytesMax);
    WriteInt(static_cast<int16_t>(text.size()));
  }
  if (!text.empty()) std::memcpy(Extend(text.size()), text.data(), text.size());
}

void Writer::WriteNullableString(const std::optional<std::string>& text, Encoding encoding) {
  if (text) {
    WriteString(*text, encoding);
  } else if (encoding == Encoding::kFlexible) {
    WriteUnsignedVarint(0);
  } else {
    WriteInt<int16_t>(-1);
  }
}

void Writer::WriteBytes(const Bytes& bytes, Encoding encoding) {
  WriteLength(bytes.size(), encoding);
  Append(bytes);
}

void Writer::WriteBytes(const ByteChain& bytes, Encoding encoding) {
  WriteLength(bytes.size(), encoding);
  Append(bytes);
}

void Writer::WriteTaggedField(uint32_t tag, Writer&& value) {
  WriteUnsignedVarint(tag);
  WriteUnsignedVarint(static_cast<uint32_t>(value.size()));
  Append(std::move(value).Finish());
}

void Writer::Append(const Bytes& bytes) {
  if (bytes.empty()) return;
  if (bytes.size() < kSpliceBytesMin) {
    std::memcpy(Extend(bytes.size()), bytes.data(), bytes.size());
    return;
  }
  FlushChunk();
  finished_.Append(bytes);
}

void Writer::Append(const ByteChain& bytes) {
  for (const Bytes& part : bytes.parts()) Append(part);
}

}  // namespace chronik::protocol
