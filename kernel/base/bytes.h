// SPDX-License-Identifier: Apache-2.0
// Bytes: a slice of reference-counted memory, laid over the ABI's chr_buf so that a record batch travels from the
// socket buffer into a journal frame, the tail cache and a fetch response without being copied.
#pragma once

#include <chronik/abi.h>

#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "kernel/base/invariant.h"

namespace chronik {

using ByteView = std::span<const uint8_t>;
using MutableByteView = std::span<uint8_t>;

inline ByteView AsBytes(std::string_view text) { return {reinterpret_cast<const uint8_t*>(text.data()), text.size()}; }
inline std::string_view AsText(ByteView bytes) { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }

// Immutable to all but the one who made it. Copying shares; slices keep the whole block alive. Thread-safe as
// shared_ptr is.
class Bytes {
 public:
  Bytes() = default;
  // Shares what the ABI handed out; `buf.owner` may be NULL only if `buf.size` is 0.
  static Bytes Share(const chr_buf& buf);
  // Takes over one reference that the giver already counted.
  static Bytes Adopt(const chr_buf& buf);
  static Bytes Copy(ByteView bytes);
  static Bytes Copy(std::string_view text) { return Copy(AsBytes(text)); }
  // A block of `size` uninitialised bytes; `*writable` may be written until the first copy or slice is given away.
  static Bytes Allocate(size_t size, uint8_t** writable);

  Bytes(const Bytes& other) : buf_(other.buf_) { Retain(); }
  Bytes(Bytes&& other) noexcept : buf_(std::exchange(other.buf_, chr_buf{})) {}
  Bytes& operator=(Bytes other) noexcept {
    std::swap(buf_, other.buf_);
    return *this;
  }
  ~Bytes() {
    if (buf_.owner != nullptr) buf_.owner->release(buf_.owner);
  }

  const uint8_t* data() const { return static_cast<const uint8_t*>(buf_.data); }
  size_t size() const { return buf_.size; }
  bool empty() const { return buf_.size == 0; }
  ByteView view() const { return {data(), size()}; }
  operator ByteView() const { return view(); }
  std::string_view text() const { return AsText(view()); }
  friend bool operator==(const Bytes& a, const Bytes& b) { return a.text() == b.text(); }

  Bytes Slice(size_t offset, size_t size) const {
    CHRONIK_CHECK(offset <= buf_.size && size <= buf_.size - offset) << offset << '+' << size << " of " << buf_.size;
    Bytes out(*this);
    out.buf_.data = data() + offset;
    out.buf_.size = size;
    return out;
  }

  // For the exclusive owner of these bytes only (a request frame before its batches are handed on).
  uint8_t* unsafe_mutable_data() { return const_cast<uint8_t*>(data()); }
  // Borrowed: valid while this Bytes lives.
  const chr_buf& abi() const { return buf_; }

 private:
  void Retain() const {
    if (buf_.owner != nullptr) buf_.owner->retain(buf_.owner);
  }

  chr_buf buf_{};
};

// A sequence of slices that is written to a socket or a file with one vectored call.
class ByteChain {
 public:
  void Append(Bytes bytes) {
    if (bytes.empty()) return;
    size_ += bytes.size();
    parts_.push_back(std::move(bytes));
  }
  void Append(ByteChain other) {
    size_ += other.size_;
    for (Bytes& part : other.parts_) parts_.push_back(std::move(part));
  }
  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  const std::vector<Bytes>& parts() const { return parts_; }
  Bytes Flatten() const;  // one contiguous copy; shares if there is one part only
  friend bool operator==(const ByteChain& a, const ByteChain& b) { return a.Flatten() == b.Flatten(); }

 private:
  std::vector<Bytes> parts_;
  size_t size_ = 0;
};

}  // namespace chronik
