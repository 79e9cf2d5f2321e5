// SPDX-License-Identifier: Apache-2.0
// Writer: builds a frame of the Kafka protocol as a ByteChain, splicing record batches in by reference.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "kernel/base/bytes.h"
#include "kernel/base/endian.h"
#include "kernel/base/ids.h"
#include "kernel/protocol/reader.h"

namespace chronik::protocol {

// Small fields go into chunks that double in size; bytes of kSpliceBytesMin and more become parts of their own,
// shared and not copied. Not thread-safe.
class Writer {
 public:
  static constexpr size_t kSpliceBytesMin = 512;  // below, a copy is cheaper than one more part of a vectored write

  Writer() = default;
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;

  size_t size() const { return finished_.size() + (used_ - begin_); }
  // Ends the writing.
  ByteChain Finish() &&;

  void WriteBool(bool value) { WriteInt<int8_t>(value ? 1 : 0); }
  template <std::integral T>
  void WriteInt(T value) {
    StoreBig(Extend(sizeof(T)), value);
  }
  void WriteFloat64(double value) { WriteInt(std::bit_cast<uint64_t>(value)); }
  void WriteUnsignedVarint(uint32_t value);
  void WriteUuid(const TopicId& id);
  // The classic encoding holds 32,767 bytes; what is longer is cut there (a text for humans: names are bounded before).
  void WriteString(std::string_view text, Encoding encoding);
  void WriteNullableString(const std::optional<std::string>& text, Encoding encoding);
  void WriteBytes(const Bytes& bytes, Encoding encoding);
  void WriteBytes(const ByteChain& bytes, Encoding encoding);
  void WriteNullBytes(Encoding encoding) { WriteNullLength(encoding); }
  void WriteArrayCount(size_t count, Encoding encoding) { WriteLength(count, encoding); }
  void WriteNullArray(Encoding encoding) { WriteNullLength(encoding); }

  // A tag, the size, then what was written into `value`.
  void WriteTaggedField(uint32_t tag, Writer&& value);

  // Raw, without a length.
  void Append(const Bytes& bytes);
  void Append(const ByteChain& bytes);

  // Room for an int32 that is known only later; the address is valid until Finish().
  uint8_t* ReserveInt32() { return Extend(sizeof(int32_t)); }

 private:
  void WriteLength(size_t length, Encoding encoding);
  void WriteNullLength(Encoding encoding);
  uint8_t* Extend(size_t bytes) {
    if (capacity_ - used_ < bytes) StartChunk(bytes);
    uint8_t* at = memory_ + used_;
    used_ += bytes;
    return at;
  }
  void StartChunk(size_t bytes_min);
  void FlushChunk();

  ByteChain finished_;
  Bytes chunk_;
  uint8_t* memory_ = nullptr;  // chunk_'s bytes
  size_t begin_ = 0;           // what lies before is in finished_ already
  size_t used_ = 0;
  size_t capacity_ = 0;
  size_t next_capacity_ = 256;
};

}  // namespace chronik::protocol
