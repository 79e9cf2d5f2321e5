// SPDX-License-Identifier: Apache-2.0
// Reference-counted bytes over chr_buf, checksums, and the byte reader and writer of our files (little-endian).
#pragma once

#include <chronik/abi.h>
#include <isa-l/crc.h>

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <new>
#include <string>
#include <utility>

namespace chronik_log_wal {

inline uint32_t Crc32c(const void* data, size_t size, uint32_t seed = 0) {
  const auto* bytes = static_cast<const unsigned char*>(data);
  uint32_t state = ~seed;
  while (size > 0) {
    const size_t step = size < (1u << 30) ? size : (1u << 30);
    state = crc32_iscsi(const_cast<unsigned char*>(bytes), static_cast<int>(step), state);
    bytes += step;
    size -= step;
  }
  return ~state;
}

// A slice with a counted owner. Copies share.
class Buffer {
 public:
  Buffer() = default;
  // Shares bytes that have an owner; copies those that have none.
  explicit Buffer(const chr_buf& buf) : buf_(buf) {
    if (buf_.owner != nullptr) {
      buf_.owner->retain(buf_.owner);
    } else if (buf_.size > 0) {
      *this = Copy(buf_.data, buf_.size);
    }
  }
  static Buffer Copy(const void* data, size_t size) {
    Buffer out = Allocate(size);
    std::memcpy(out.writable(), data, size);
    return out;
  }
  static Buffer Allocate(size_t size) {
    void* memory = std::malloc(sizeof(Block) + size);
    if (memory == nullptr) throw std::bad_alloc();
    auto* block = ::new (memory) Block{{&Retain, &Release}, {1}};
    Buffer out;
    out.buf_ = {block + 1, size, &block->owner};
    return out;
  }
  Buffer(const Buffer& other) : buf_(other.buf_) {
    if (buf_.owner != nullptr) buf_.owner->retain(buf_.owner);
  }
  Buffer(Buffer&& other) noexcept : buf_(std::exchange(other.buf_, chr_buf{})) {}
  Buffer& operator=(Buffer other) noexcept {
    std::swap(buf_, other.buf_);
    return *this;
  }
  ~Buffer() {
    if (buf_.owner != nullptr) buf_.owner->release(buf_.owner);
  }

  Buffer Slice(size_t offset, size_t size) const {
    Buffer out(*this);
    out.buf_.data = data() + offset;
    out.buf_.size = size;
    return out;
  }
  const uint8_t* data() const { return static_cast<const uint8_t*>(buf_.data); }
  uint8_t* writable() { return const_cast<uint8_t*>(data()); }  // by the one who allocated it, before sharing
  size_t size() const { return buf_.size; }
  const chr_buf& abi() const { return buf_; }
  // Hands the reference over.
  chr_buf Release() && { return std::exchange(buf_, chr_buf{}); }

 private:
  struct Block {
    chr_owner owner;
    std::atomic<uint32_t> references;
  };
  static void Retain(chr_owner* self) noexcept {
    reinterpret_cast<Block*>(self)->references.fetch_add(1, std::memory_order_relaxed);
  }
  static void Release(chr_owner* self) noexcept {
    auto* block = reinterpret_cast<Block*>(self);
    if (block->references.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
    block->~Block();
    std::free(static_cast<void*>(block));
  }

  chr_buf buf_{};
};

class ByteWriter {
 public:
  template <class T>
  void Put(T value) {
    out_.append(reinterpret_cast<const char*>(&value), sizeof value);
  }
  void PutBytes(const void* data, size_t size) { out_.append(static_cast<const char*>(data), size); }
  std::string& out() { return out_; }

 private:
  std::string out_;
};

// Reads what ByteWriter wrote; past the end everything reads as zero and ok() turns false.
class ByteReader {
 public:
  ByteReader(const uint8_t* data, size_t size) : data_(data), left_(size) {}
  template <class T>
  T Get() {
    T value{};
    if (left_ < sizeof value) {
      ok_ = false;
      left_ = 0;
      return value;
    }
    std::memcpy(&value, data_, sizeof value);
    data_ += sizeof value;
    left_ -= sizeof value;
    return value;
  }
  const uint8_t* Skip(size_t size) {
    if (left_ < size) {
      ok_ = false;
      left_ = 0;
      return nullptr;
    }
    const uint8_t* at = data_;
    data_ += size;
    left_ -= size;
    return at;
  }
  bool ok() const { return ok_; }
  size_t left() const { return left_; }
  const uint8_t* position() const { return data_; }

 private:
  const uint8_t* data_;
  size_t left_;
  bool ok_ = true;
};

}  // namespace chronik_log_wal
