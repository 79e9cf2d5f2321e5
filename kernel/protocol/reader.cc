// SPDX-License-Identifier: Apache-2.0
#include "kernel/protocol/reader.h"

namespace chronik::protocol {

Error UnsupportedVersion(const char* message_name, int16_t version) {
  return {ErrorCode::kUnsupportedVersion, std::string(message_name) + " has no version " + std::to_string(version)};
}

void Reader::Fail(std::string message) {
  if (ok()) error_ = Error{ErrorCode::kInvalidArgument, std::move(message) + " at byte " + std::to_string(position_)};
  end_ = position_;  // every later read finds nothing
}

void Reader::FailShort(size_t wanted) {
  Fail("request cut short: " + std::to_string(wanted) + " bytes wanted, " + std::to_string(remaining()) + " left");
}

void Reader::FailNull(std::string_view kind) { Fail("null " + std::string(kind) + " where this version allows none"); }

uint32_t Reader::ReadUnsignedVarint() {
  uint32_t value = 0;
  for (int shift = 0; shift < 35; shift += 7) {
    const auto byte = ReadInt<uint8_t>();
    if (!ok()) return 0;
    if (shift == 28 && byte > 0x0f) break;
    value |= static_cast<uint32_t>(byte & 0x7f) << shift;
    if ((byte & 0x80) == 0) return value;
  }
  Fail("varint above 32 bits");
  return 0;
}

TopicId Reader::ReadUuid() {
  TopicId id;
  if (remaining() < id.bytes.size()) return FailShort(id.bytes.size()), id;
  std::memcpy(id.bytes.data(), frame_.data() + position_, id.bytes.size());
  position_ += id.bytes.size();
  return id;
}

// Nothing = null. After an error, 0.
std::optional<size_t> Reader::ReadLength(Encoding encoding, bool is_string) {
  int64_t length = 0;
  if (encoding == Encoding::kFlexible) {
    length = static_cast<int64_t>(ReadUnsignedVarint()) - 1;
  } else {
    length = is_string ? ReadInt<int16_t>() : ReadInt<int32_t>();
  }
  if (!ok()) return 0;
  if (length == -1) return std::nullopt;
  if (length < 0) return Fail("negative length " + std::to_string(length)), 0;
  if (static_cast<size_t>(length) > remaining()) return FailShort(static_cast<size_t>(length)), 0;
  return static_cast<size_t>(length);
}

std::optional<size_t> Reader::ReadCount(Encoding encoding, size_t element_wire_bytes_min, size_t element_memory_bytes) {
  // An element takes at least one byte, so that ReadLength's bound holds for counts too.
  const std::optional<size_t> count = ReadLength(encoding, /*is_string=*/false);
  if (!count || *count == 0) return count;
  if (*count > remaining() / element_wire_bytes_min) {
    return Fail("array of " + std::to_string(*count) + " elements in " + std::to_string(remaining()) + " bytes"), 0;
  }
  // No overflow: count <= remaining() and an element is small.
  if (!ChargeMemory(*count * element_memory_bytes)) return 0;
  return count;
}

bool Reader::ChargeMemory(size_t bytes) {
  if (bytes > memory_left_) {
    Fail("request asks for more memory than allowed: " + std::to_string(bytes) + " bytes, " +
         std::to_string(memory_left_) + " left");
    return false;
  }
  memory_left_ -= bytes;
  return true;
}

std::string Reader::ReadString(Encoding encoding) {
  std::optional<std::string> text = ReadNullableString(encoding);
  if (!text) return FailNull("string"), std::string();
  return *std::move(text);
}

std::optional<std::string> Reader::ReadNullableString(Encoding encoding) {
  const std::optional<size_t> length = ReadLength(encoding, /*is_string=*/true);
  if (!length) return std::nullopt;
  if (!ChargeMemory(*length)) return std::string();
  std::string text(AsText({frame_.data() + position_, *length}));
  position_ += *length;
  return text;
}

Bytes Reader::ReadBytes(Encoding encoding) {
  std::optional<Bytes> bytes = ReadNullableBytes(encoding);
  if (!bytes) return FailNull("bytes"), Bytes();
  return *std::move(bytes);
}

std::optional<Bytes> Reader::ReadNullableBytes(Encoding encoding) {
  const std::optional<size_t> length = ReadLength(encoding, /*is_string=*/false);
  if (!length) return std::nullopt;
  Bytes bytes = frame_.Slice(position_, *length);
  position_ += *length;
  return bytes;
}

uint32_t Reader::ReadTagCount() {
  const uint32_t count = ReadUnsignedVarint();
  if (count > remaining() / 2) {  // a tag and a size take a byte each
    Fail(std::to_string(count) + " tagged fields in " + std::to_string(remaining()) + " bytes");
    return 0;
  }
  return count;
}

void Reader::LeaveTaggedField(uint32_t tag, bool known, size_t outer_end) {
  if (!known) position_ = end_;
  if (ok() && position_ != end_) {
    Fail("tagged field " + std::to_string(tag) + " has " + std::to_string(remaining()) + " bytes too many");
  }
  if (ok()) end_ = outer_end;
}

}  // namespace chronik::protocol
