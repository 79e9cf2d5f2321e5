// SPDX-License-Identifier: Apache-2.0
// SortedMap: a sorted map whose copies share their content, so that every metadata version can be kept as an immutable
// image and the next one made from it cheaply.
#pragma once

#include <algorithm>
#include <cstddef>
#include <memory>
#include <utility>
#include <vector>

namespace chronik::metadata {

// Entries lie in chunks of up to kChunkEntries, in order. A copy shares all chunks; Put and Erase clone the one chunk
// they touch, unless this map made it since it was copied. For n entries: find O(log n), copy O(n / kChunkEntries), Put
// and Erase O(kChunkEntries + n / kChunkEntries). Const use is thread-safe. A map that was copied from must not be
// changed any more (images are const, so they cannot be).
template <class Key, class Value>
class SortedMap {
 public:
  using Entry = std::pair<Key, Value>;

  SortedMap() = default;
  SortedMap(const SortedMap& other) : size_(other.size_) {
    slots_.reserve(other.slots_.size());
    for (const Slot& slot : other.slots_) slots_.push_back({slot.chunk, false});
  }
  SortedMap(SortedMap&&) noexcept = default;
  SortedMap& operator=(SortedMap other) noexcept {
    slots_.swap(other.slots_);
    std::swap(size_, other.size_);
    return *this;
  }
  ~SortedMap() = default;

  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }

  // nullptr if there is none. Valid while any map shares the chunk; take what you need.
  template <class K>
  const Value* Find(const K& key) const {
    const Entry* entry = FindFloor(key);
    return entry != nullptr && !(entry->first < key) ? &entry->second : nullptr;
  }

  // The entry with the largest key <= `key`, or nullptr.
  template <class K>
  const Entry* FindFloor(const K& key) const {
    const size_t at = SlotFor(key);
    if (at == slots_.size()) return nullptr;
    const Chunk& chunk = *slots_[at].chunk;
    auto it = std::upper_bound(chunk.begin(), chunk.end(), key, [](const K& k, const Entry& e) { return k < e.first; });
    return it == chunk.begin() ? nullptr : &*std::prev(it);
  }

  // Inserts or replaces.
  void Put(Key key, Value value) {
    if (slots_.empty()) slots_.push_back({std::make_shared<Chunk>(), true});
    const size_t at = SlotFor(key);
    Chunk& chunk = Own(at);
    auto it = LowerBound(chunk, key);
    if (it != chunk.end() && !(key < it->first)) {
      it->second = std::move(value);
      return;
    }
    chunk.emplace(it, std::move(key), std::move(value));
    ++size_;
    if (chunk.size() > kChunkEntries) Split(at);
  }

  template <class K>
  bool Erase(const K& key) {
    if (Find(key) == nullptr) return false;
    const size_t at = SlotFor(key);
    Chunk& chunk = Own(at);
    chunk.erase(LowerBound(chunk, key));
    --size_;
    if (chunk.empty()) slots_.erase(slots_.begin() + static_cast<std::ptrdiff_t>(at));
    return true;
  }

  // Calls f(key, value) in ascending order of keys.
  template <class F>
  void ForEach(F&& f) const {
    for (const Slot& slot : slots_) {
      for (const Entry& entry : *slot.chunk) f(entry.first, entry.second);
    }
  }

 private:
  static constexpr size_t kChunkEntries = 64;
  using Chunk = std::vector<Entry>;
  struct Slot {
    std::shared_ptr<Chunk> chunk;  // never empty, except in the middle of a Put
    bool owned = false;            // made by this map since it was copied: nobody else sees it
  };

  // The slot whose chunk holds `key` or would: the last that does not begin above it, else the first.
  template <class K>
  size_t SlotFor(const K& key) const {
    auto it = std::upper_bound(slots_.begin(), slots_.end(), key, [](const K& k, const Slot& slot) {
      return !slot.chunk->empty() && k < slot.chunk->front().first;
    });
    return it == slots_.begin() ? 0 : static_cast<size_t>(it - slots_.begin()) - 1;
  }

  template <class K>
  static typename Chunk::iterator LowerBound(Chunk& chunk, const K& key) {
    return std::lower_bound(chunk.begin(), chunk.end(), key, [](const Entry& e, const K& k) { return e.first < k; });
  }

  Chunk& Own(size_t at) {
    Slot& slot = slots_[at];
    if (!slot.owned) slot = {std::make_shared<Chunk>(*slot.chunk), true};
    return *slot.chunk;
  }

  void Split(size_t at) {
    Chunk& low = *slots_[at].chunk;
    auto middle = low.begin() + static_cast<std::ptrdiff_t>(low.size() / 2);
    auto high = std::make_shared<Chunk>(std::make_move_iterator(middle), std::make_move_iterator(low.end()));
    low.erase(middle, low.end());
    slots_.insert(slots_.begin() + static_cast<std::ptrdiff_t>(at) + 1, Slot{std::move(high), true});
  }

  std::vector<Slot> slots_;
  size_t size_ = 0;
};

}  // namespace chronik::metadata
