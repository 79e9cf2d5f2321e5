// SPDX-License-Identifier: Apache-2.0
#include "kernel/base/bytes.h"

#include <atomic>
#include <cstdlib>
#include <new>

namespace chronik {
namespace {

// Header and bytes in one allocation.
struct Block {
  chr_owner owner;
  std::atomic<uint32_t> references;
};

constexpr size_t kHeaderBytes = 64;  // the bytes begin on a cache line of their own
static_assert(sizeof(Block) <= kHeaderBytes);

void RetainBlock(chr_owner* self) noexcept {
  reinterpret_cast<Block*>(self)->references.fetch_add(1, std::memory_order_relaxed);
}

void ReleaseBlock(chr_owner* self) noexcept {
  auto* block = reinterpret_cast<Block*>(self);
  if (block->references.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
  block->~Block();
  std::free(static_cast<void*>(block));
}

}  // namespace

Bytes Bytes::Share(const chr_buf& buf) {
  Bytes out = Adopt(buf);
  out.Retain();
  return out;
}

Bytes Bytes::Adopt(const chr_buf& buf) {
  CHRONIK_CHECK(buf.owner != nullptr || buf.size == 0) << "shared bytes without an owner";
  Bytes out;
  out.buf_ = buf;
  return out;
}

Bytes Bytes::Copy(ByteView bytes) {
  uint8_t* writable = nullptr;
  Bytes out = Allocate(bytes.size(), &writable);
  if (!bytes.empty()) std::memcpy(writable, bytes.data(), bytes.size());
  return out;
}

Bytes Bytes::Allocate(size_t size, uint8_t** writable) {
  void* memory = std::malloc(kHeaderBytes + size);
  if (memory == nullptr) throw std::bad_alloc();
  auto* block = ::new (memory) Block{{&RetainBlock, &ReleaseBlock}, {1}};
  *writable = static_cast<uint8_t*>(memory) + kHeaderBytes;
  return Adopt(chr_buf{*writable, size, &block->owner});
}

Bytes ByteChain::Flatten() const {
  if (parts_.size() == 1) return parts_.front();
  uint8_t* out = nullptr;
  Bytes flat = Bytes::Allocate(size_, &out);
  for (const Bytes& part : parts_) {
    std::memcpy(out, part.data(), part.size());
    out += part.size();
  }
  return flat;
}

}  // namespace chronik
