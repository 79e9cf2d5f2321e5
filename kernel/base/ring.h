// SPDX-License-Identifier: Apache-2.0
// A queue in one growing block: unlike std::deque it costs 24 bytes and no allocation while it is empty, which is what
// nearly every queue of nearly every group is nearly always.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <type_traits>
#include <utility>

namespace chronik {

// T is default-constructible and movable; what is popped is replaced by T(), so that it holds nothing.
template <class T>
class Ring {
 public:
  Ring() = default;
  Ring(Ring&& other) noexcept { *this = std::move(other); }
  Ring& operator=(Ring&& other) noexcept {
    items_ = std::move(other.items_);
    capacity_ = std::exchange(other.capacity_, 0);
    head_ = std::exchange(other.head_, 0);
    size_ = std::exchange(other.size_, 0);
    return *this;
  }

  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  size_t capacity() const { return capacity_; }

  T& operator[](size_t i) { return items_[(head_ + i) & (capacity_ - 1)]; }
  const T& operator[](size_t i) const { return items_[(head_ + i) & (capacity_ - 1)]; }
  T& front() { return (*this)[0]; }
  const T& front() const { return (*this)[0]; }
  T& back() { return (*this)[size_ - 1]; }
  const T& back() const { return (*this)[size_ - 1]; }

  void push_back(T item) {
    if (size_ == capacity_) Grow();
    items_[(head_ + size_) & (capacity_ - 1)] = std::move(item);
    ++size_;
  }
  void push_front(T item) {
    if (size_ == capacity_) Grow();
    head_ = (head_ + capacity_ - 1) & (capacity_ - 1);
    items_[head_] = std::move(item);
    ++size_;
  }
  void pop_front(size_t count = 1) {
    Forget(0, count);
    head_ = capacity_ == 0 ? 0 : static_cast<uint32_t>((head_ + count) & (capacity_ - 1));
    size_ -= static_cast<uint32_t>(count);
  }
  void pop_back(size_t count = 1) {
    Forget(size_ - count, count);
    size_ -= static_cast<uint32_t>(count);
  }
  void clear() {
    Forget(0, size_);
    head_ = size_ = 0;
  }

  // Gives the memory back if nothing is in it and it is more than `keep` items' worth.
  void ReleaseIfEmpty(uint32_t keep = 0) {
    if (size_ != 0 || capacity_ <= keep) return;
    items_.reset();
    head_ = capacity_ = 0;
  }

 private:
  void Forget(size_t first, size_t count) {
    if constexpr (!std::is_trivially_copyable_v<T>) {
      for (size_t i = 0; i < count; ++i) (*this)[first + i] = T();
    }
  }
  void Grow() {
    const uint32_t capacity = std::max<uint32_t>(4, capacity_ * 2);  // a power of two, so that `&` wraps
    auto items = std::make_unique<T[]>(capacity);
    for (uint32_t i = 0; i < size_; ++i) items[i] = std::move((*this)[i]);
    items_ = std::move(items);
    capacity_ = capacity;
    head_ = 0;
  }

  std::unique_ptr<T[]> items_;
  uint32_t capacity_ = 0;
  uint32_t head_ = 0;
  uint32_t size_ = 0;
};

}  // namespace chronik
