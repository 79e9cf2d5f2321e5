// SPDX-License-Identifier: Apache-2.0
// Shared bytes: who owns a chr_buf, in RAII form, and how a plugin makes owners of its own.
#pragma once

#include <atomic>
#include <cstddef>
#include <span>
#include <utility>

#include <chronik/sdk/version.h>

CHRONIK_SDK_BEGIN

// One reference to a chr_owner; empty is allowed. Copying retains, destroying releases.
class OwnerRef {
 public:
  OwnerRef() = default;
  static OwnerRef Adopt(chr_owner* owner) noexcept { return OwnerRef(owner); }
  static OwnerRef Retain(chr_owner* owner) noexcept {
    if (owner != nullptr) {
      owner->retain(owner);
    }
    return OwnerRef(owner);
  }
  OwnerRef(const OwnerRef& other) noexcept : OwnerRef(Retain(other.owner_)) {}
  OwnerRef(OwnerRef&& other) noexcept : owner_(std::exchange(other.owner_, nullptr)) {}
  OwnerRef& operator=(OwnerRef other) noexcept {
    std::swap(owner_, other.owner_);
    return *this;
  }
  ~OwnerRef() {
    if (owner_ != nullptr) {
      owner_->release(owner_);
    }
  }

  chr_owner* get() const noexcept { return owner_; }
  // Hands the reference to the caller.
  chr_owner* Release() noexcept { return std::exchange(owner_, nullptr); }

 private:
  explicit OwnerRef(chr_owner* owner) noexcept : owner_(owner) {}
  chr_owner* owner_ = nullptr;
};

// Base of a plugin's own shared objects: `class Block : public RefCounted<Block>`, made with new, starts with one
// reference and deletes itself with the last. T's destructor must not throw.
template <class T>
class RefCounted : public chr_owner {
 public:
  RefCounted(const RefCounted&) = delete;
  RefCounted& operator=(const RefCounted&) = delete;

 protected:
  RefCounted() noexcept : chr_owner{&RetainThis, &ReleaseThis} {}
  ~RefCounted() = default;

 private:
  static RefCounted* From(chr_owner* owner) noexcept { return static_cast<RefCounted*>(owner); }
  static void RetainThis(chr_owner* owner) noexcept { From(owner)->count_.fetch_add(1, std::memory_order_relaxed); }
  static void ReleaseThis(chr_owner* owner) noexcept {
    if (From(owner)->count_.fetch_sub(1, std::memory_order_acq_rel) == 1) {
      delete static_cast<T*>(From(owner));
    }
  }

  std::atomic<uint64_t> count_{1};
};

// Immutable bytes kept alive by a reference to their owner. Cheap to copy.
class Buffer {
 public:
  Buffer() = default;
  // Takes over the reference that `buf` carries.
  static Buffer Adopt(const chr_buf& buf) noexcept { return Buffer(buf, OwnerRef::Adopt(buf.owner)); }
  // Adds a reference. Without an owner the bytes must outlive the Buffer.
  static Buffer Retain(const chr_buf& buf) noexcept { return Buffer(buf, OwnerRef::Retain(buf.owner)); }

  const std::byte* data() const noexcept { return data_; }
  size_t size() const noexcept { return size_; }
  std::span<const std::byte> bytes() const noexcept { return {data_, size_}; }

  // A view that is valid as long as this Buffer; retain its owner to keep it longer.
  chr_buf View() const noexcept { return {data_, size_, owner_.get()}; }
  // The same with a reference for the receiver.
  chr_buf Share() const noexcept { return {data_, size_, OwnerRef(owner_).Release()}; }

 private:
  Buffer(const chr_buf& buf, OwnerRef owner) noexcept
      : data_(static_cast<const std::byte*>(buf.data)), size_(buf.size), owner_(std::move(owner)) {}

  const std::byte* data_ = nullptr;
  size_t size_ = 0;
  OwnerRef owner_;
};

CHRONIK_SDK_END
