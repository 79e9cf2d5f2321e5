// SPDX-License-Identifier: Apache-2.0
// How our own records and messages are written: little-endian integers, varints, strings and lists with a length in
// front. (Kafka's protocol has its own, generated codec.)
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "kernel/base/bytes.h"
#include "kernel/base/endian.h"
#include "kernel/base/ids.h"

namespace chronik {

class WireWriter {
 public:
  template <std::integral T>
  void Put(T value) {
    const size_t at = out_.size();
    out_.resize(at + sizeof value);
    StoreLittle(out_.data() + at, value);
  }
  template <class Tag, class T>
  void Put(Id<Tag, T> id) {
    Put(id.value);
  }
  void Put(const TopicId& id) { out_.insert(out_.end(), id.bytes.begin(), id.bytes.end()); }
  void Put(std::string_view text) {
    PutCount(text.size());
    out_.insert(out_.end(), text.begin(), text.end());
  }
  void PutCount(size_t count) { Put(static_cast<uint32_t>(count)); }
  // Unsigned LEB128: 7 bits a byte, the lowest first; small numbers take one byte.
  void PutVarint(uint64_t value) {
    for (; value >= 0x80; value >>= 7) out_.push_back(static_cast<uint8_t>(value | 0x80));
    out_.push_back(static_cast<uint8_t>(value));
  }
  void PutRaw(ByteView bytes) { out_.insert(out_.end(), bytes.begin(), bytes.end()); }

  ByteView bytes() const { return out_; }
  void Clear() { out_.clear(); }

 private:
  std::vector<uint8_t> out_;
};

// Once a value is missing or out of bounds the reader has failed: all later reads give zero values, and the caller
// looks at ok() at the end. Nothing is allocated for a count that the remaining bytes cannot hold.
class WireReader {
 public:
  explicit WireReader(ByteView bytes) : rest_(bytes) {}

  bool ok() const { return ok_; }
  bool done() const { return ok_ && rest_.empty(); }
  size_t left() const { return rest_.size(); }
  void Fail() { ok_ = false; }

  template <std::integral T>
  T Take() {
    const ByteView bytes = TakeBytes(sizeof(T));
    return ok_ ? LoadLittle<T>(bytes.data()) : T{};
  }
  template <class IdType>
  IdType TakeId() {
    return IdType(Take<typename IdType::Rep>());
  }
  uint64_t TakeVarint();
  ByteView TakeRaw(size_t size) { return TakeBytes(size); }
  TopicId TakeTopicId();
  std::string TakeString(size_t max_bytes);
  // The length of a list whose elements take at least `min_element_bytes` each.
  size_t TakeCount(size_t max_count, size_t min_element_bytes);

 private:
  ByteView TakeBytes(size_t size);

  ByteView rest_;
  bool ok_ = true;
};

}  // namespace chronik
