// SPDX-License-Identifier: Apache-2.0
// Reader: takes one frame of the Kafka protocol apart, trusting nothing in it.
#pragma once

#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "kernel/base/bytes.h"
#include "kernel/base/endian.h"
#include "kernel/base/ids.h"
#include "kernel/base/result.h"

namespace chronik::protocol {

// Limits of what a frame may make us allocate. kDecodedBytesPerWireByte is proven enough for every message: the
// generated codecs assert sizeof(element) <= factor * its smallest encoding. Records are slices of the frame and cost
// nothing.
inline constexpr size_t kDecodedBytesPerWireByte = 48;
inline constexpr size_t kDecodedBytesSpare = 64u << 10;
inline constexpr size_t kDecodedBytesMax = 256u << 20;  // hard end, however large the frame

// The memory that decoding a frame of this size may take.
constexpr size_t DecodeMemoryBudget(size_t frame_bytes) {
  const size_t limit = (kDecodedBytesMax - kDecodedBytesSpare) / kDecodedBytesPerWireByte;
  return frame_bytes > limit ? kDecodedBytesMax : frame_bytes * kDecodedBytesPerWireByte + kDecodedBytesSpare;
}

// How lengths and counts are written. Flexible versions (KIP-482) use unsigned varints of length + 1, where 0 is null;
// older ones int16 for strings and int32 for the rest, where -1 is null.
enum class Encoding : bool { kClassic, kFlexible };

// The error for a version that a message does not have.
Error UnsupportedVersion(const char* message_name, int16_t version);

// Every length and count is checked against the bytes that are left before anything is allocated. The first error
// sticks: from then on reads yield zeros and empty values, so callers need look at status() only once, at the end.
// Not thread-safe. Bytes that it hands out share ownership of the frame.
class Reader {
 public:
  explicit Reader(Bytes frame)
      : frame_(std::move(frame)), end_(frame_.size()), memory_left_(DecodeMemoryBudget(frame_.size())) {}
  Reader(Bytes frame, size_t memory_budget)
      : frame_(std::move(frame)), end_(frame_.size()), memory_left_(memory_budget) {}

  bool ok() const { return !error_.has_value(); }
  Status status() const { return ok() ? Status() : Status(*error_); }
  // Bytes not read yet; 0 after an error.
  size_t remaining() const { return end_ - position_; }
  size_t position() const { return position_; }
  // Records the first error; kInvalidArgument. The text names what is wrong with the request.
  void Fail(std::string message);

  bool ReadBool() { return ReadInt<int8_t>() != 0; }
  template <std::integral T>
  T ReadInt() {
    if (remaining() < sizeof(T)) return FailShort(sizeof(T)), T{};
    const T value = LoadBig<T>(frame_.data() + position_);
    position_ += sizeof(T);
    return value;
  }
  double ReadFloat64() { return std::bit_cast<double>(ReadInt<uint64_t>()); }
  uint32_t ReadUnsignedVarint();
  TopicId ReadUuid();
  // The nullable kinds accept null; the others take it for an error.
  std::string ReadString(Encoding encoding);
  std::optional<std::string> ReadNullableString(Encoding encoding);
  Bytes ReadBytes(Encoding encoding);  // a slice of the frame
  std::optional<Bytes> ReadNullableBytes(Encoding encoding);

  // Calls `read` on each new element. `element_wire_bytes_min` >= 1 is the smallest encoding of one element.
  template <class T, class ReadElement>
  void ReadArray(std::vector<T>& out, Encoding encoding, size_t element_wire_bytes_min, ReadElement read) {
    const std::optional<size_t> count = ReadCount(encoding, element_wire_bytes_min, sizeof(T));
    if (!count) return FailNull("array");
    ReadElements(out, *count, read);
  }
  template <class T, class ReadElement>
  void ReadNullableArray(std::optional<std::vector<T>>& out, Encoding encoding, size_t element_wire_bytes_min,
                         ReadElement read) {
    const std::optional<size_t> count = ReadCount(encoding, element_wire_bytes_min, sizeof(T));
    if (!count) return out.reset();
    ReadElements(out.emplace(), *count, read);
  }

  // Calls `read(tag)` for each tagged field, which reads the value and returns true, or returns false for a tag it does
  // not know; that field is skipped. A value must end where its size says.
  template <class ReadField>
  void ReadTaggedFields(ReadField read) {
    for (uint32_t left = ReadTagCount(); left > 0 && ok(); --left) {
      const uint32_t tag = ReadUnsignedVarint();
      const uint32_t size = ReadUnsignedVarint();
      if (size > remaining()) return FailShort(size);
      const size_t outer_end = std::exchange(end_, position_ + size);
      const bool known = read(tag);
      LeaveTaggedField(tag, known, outer_end);
    }
  }
  void SkipTaggedFields() {
    ReadTaggedFields([](uint32_t) { return false; });
  }

 private:
  void FailShort(size_t wanted);
  void FailNull(std::string_view kind);
  std::optional<size_t> ReadLength(Encoding encoding, bool is_string);
  std::optional<size_t> ReadCount(Encoding encoding, size_t element_wire_bytes_min, size_t element_memory_bytes);
  uint32_t ReadTagCount();
  void LeaveTaggedField(uint32_t tag, bool known, size_t outer_end);
  bool ChargeMemory(size_t bytes);

  template <class T, class ReadElement>
  void ReadElements(std::vector<T>& out, size_t count, ReadElement& read) {
    out.clear();
    out.reserve(count);
    for (; count > 0 && ok(); --count) read(out.emplace_back());
  }

  Bytes frame_;
  size_t position_ = 0;
  size_t end_;  // of the frame, or of the tagged field being read
  size_t memory_left_;
  std::optional<Error> error_;
};

}  // namespace chronik::protocol
