// SPDX-License-Identifier: Apache-2.0
// The newest entries of a shard's logs in memory, so that consumers that keep up never reach the store. Entries that
// are not durable or not applied yet are pinned: the store does not serve them.
//
// One budget per shard: the oldest entry of the whole shard is evicted first. Shard thread only.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

#include "kernel/base/ring.h"
#include "kernel/log/entry.h"

namespace chronik::log {

class TailCache;

// The cached suffix of one log: consecutive entries up to the last one.
class CachedTail {
 public:
  explicit CachedTail(TailCache& cache) : cache_(&cache) {}
  ~CachedTail();
  CachedTail(const CachedTail&) = delete;
  CachedTail& operator=(const CachedTail&) = delete;

  // An index at or below the last one replaces the suffix from there on.
  void Append(const Entry& entry);
  // The log begins anew; everything goes, pinned or not.
  void Clear();
  // Entries up to `index` may be evicted from now on.
  void Unpin(LogIndex index);

  // The entry at `index`, or nullptr if it is not cached.
  const Entry* At(LogIndex index) const;
  // The first entry with base_offset + offset_count > offset, if the cache covers that offset.
  const Entry* Find(Offset offset) const;
  bool empty() const { return entries_.empty(); }
  const Entry& front() const { return entries_.front(); }
  const Entry& back() const { return entries_.back(); }

 private:
  friend class TailCache;
  void EvictFront();

  TailCache* cache_;
  Ring<Entry> entries_;
  LogIndex unpinned_;
};

class TailCache {
 public:
  explicit TailCache(uint64_t budget_bytes) : budget_bytes_(budget_bytes) {}

  uint64_t bytes() const { return bytes_; }

 private:
  friend class CachedTail;
  // What an entry costs beside its payload.
  static constexpr uint64_t kEntryOverheadBytes = sizeof(Entry) + 48;

  void Added(CachedTail* tail, const Entry& entry);
  void Removed(const Entry& entry) { bytes_ -= entry.body.size() + kEntryOverheadBytes; }
  void Forget(CachedTail* tail);
  void Evict();

  // In order of arrival. A row whose entry is gone (replaced suffix) is skipped.
  struct Row {
    CachedTail* tail;
    LogIndex index;
  };
  std::deque<Row> rows_;
  uint64_t bytes_ = 0;
  const uint64_t budget_bytes_;
};

}  // namespace chronik::log
