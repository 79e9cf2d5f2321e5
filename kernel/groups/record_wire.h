// SPDX-License-Identifier: Apache-2.0
// Kafka's primitive types as records of the coordinator use them: big-endian; strings and arrays have int16 and int32
// lengths in classic versions, and unsigned varints of length + 1 in flexible ones (KIP-482).
#pragma once

#include <concepts>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "kernel/base/bytes.h"
#include "kernel/base/endian.h"
#include "kernel/base/ids.h"

namespace chronik::groups {

class RecordWriter {
 public:
  explicit RecordWriter(int16_t version, bool flexible = false) : flexible_(flexible) { Put(version); }

  template <std::integral T>
  void Put(T value) {
    const T big = ByteSwap(value);
    out_.append(reinterpret_cast<const char*>(&big), sizeof big);
  }
  void Put(const TopicId& id) { out_.append(reinterpret_cast<const char*>(id.bytes.data()), id.bytes.size()); }
  void PutString(std::string_view text);
  void PutNullableString(const std::optional<std::string>& text);
  void PutBytes(std::string_view bytes);
  void PutCount(size_t count);
  void PutVarint(uint32_t value);
  void PutNoTags() {
    if (flexible_) PutVarint(0);
  }
  template <class T, class PutElement>
  void PutArray(const std::vector<T>& elements, PutElement put) {
    PutCount(elements.size());
    for (const T& element : elements) put(element);
  }
  // A tagged field whose value takes `size` bytes; the value follows.
  void PutTag(uint32_t tag, uint32_t size) {
    PutVarint(tag);
    PutVarint(size);
  }

  std::string Take() { return std::move(out_); }

 private:
  const bool flexible_;
  std::string out_;
};

// Once a value is missing or makes no sense, the reader has failed and reads zeros; the caller looks at ok() at the
// end.
class RecordReader {
 public:
  explicit RecordReader(ByteView bytes) : rest_(bytes) {}

  bool ok() const { return ok_; }
  void Fail() { ok_ = false; }
  void set_flexible(bool flexible) { flexible_ = flexible; }

  template <std::integral T>
  T Take() {
    const ByteView bytes = TakeRaw(sizeof(T));
    return ok_ ? LoadBig<T>(bytes.data()) : T{};
  }
  TopicId TakeTopicId();
  std::string TakeString();
  std::optional<std::string> TakeNullableString();
  std::string TakeBytes();
  uint32_t TakeVarint();

  // Each element takes at least one byte, so a count that the rest cannot hold fails before anything is allocated.
  template <class T, class TakeElement>
  std::vector<T> TakeArray(TakeElement take) {
    std::vector<T> elements;
    for (size_t left = TakeCount(); left > 0 && ok_; --left) elements.push_back(take());
    return elements;
  }
  // Calls `take(tag, value)` for each tagged field; what it does not know it ignores.
  template <class TakeField>
  void TakeTags(TakeField take) {
    if (!flexible_) return;
    for (uint32_t left = TakeVarint(); left > 0 && ok_; --left) {
      const uint32_t tag = TakeVarint();
      RecordReader value(TakeRaw(TakeVarint()));
      value.flexible_ = true;
      if (ok_) take(tag, value);
      ok_ = ok_ && value.ok();
    }
  }
  void SkipTags() {
    TakeTags([](uint32_t, RecordReader&) {});
  }

 private:
  ByteView TakeRaw(size_t size);
  size_t TakeCount();
  std::optional<size_t> TakeLength(bool is_string);

  ByteView rest_;
  bool flexible_ = false;
  bool ok_ = true;
};

}  // namespace chronik::groups
