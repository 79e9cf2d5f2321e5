// SPDX-License-Identifier: Apache-2.0
#include "kernel/log/tail_cache.h"

#include "kernel/base/invariant.h"

namespace chronik::log {

CachedTail::~CachedTail() {
  for (size_t i = 0; i < entries_.size(); ++i) cache_->Removed(entries_[i]);
  cache_->Forget(this);
}

void CachedTail::Append(const Entry& entry) {
  while (!entries_.empty() && entries_.back().meta.index >= entry.meta.index) {
    cache_->Removed(entries_.back());
    entries_.pop_back();
  }
  if (!entries_.empty()) {
    const raft::EntryMeta& last = entries_.back().meta;
    CHRONIK_CHECK(last.index + 1 == entry.meta.index && last.next_offset() == entry.meta.base_offset)
        << "entry " << entry.meta.index << " at offset " << entry.meta.base_offset << " after entry " << last.index
        << " which ends at offset " << last.next_offset();
  }
  entries_.push_back(entry);
  cache_->Added(this, entry);
}

void CachedTail::Clear() {
  for (size_t i = 0; i < entries_.size(); ++i) cache_->Removed(entries_[i]);
  entries_.clear();
}

void CachedTail::Unpin(LogIndex index) { unpinned_ = std::max(unpinned_, index); }

const Entry* CachedTail::At(LogIndex index) const {
  if (entries_.empty() || index < entries_.front().meta.index || index > entries_.back().meta.index) return nullptr;
  return &entries_[index - entries_.front().meta.index];
}

const Entry* CachedTail::Find(Offset offset) const {
  if (entries_.empty() || offset < entries_.front().meta.base_offset) return nullptr;
  size_t first = 0;  // that may hold it
  for (size_t end = entries_.size(); first < end;) {
    const size_t middle = first + (end - first) / 2;
    entries_[middle].meta.next_offset() <= offset ? void(first = middle + 1) : void(end = middle);
  }
  return first == entries_.size() ? nullptr : &entries_[first];
}

void CachedTail::EvictFront() {
  cache_->Removed(entries_.front());
  entries_.pop_front();
  entries_.ReleaseIfEmpty();
}

void TailCache::Added(CachedTail* tail, const Entry& entry) {
  bytes_ += entry.body.size() + kEntryOverheadBytes;
  rows_.push_back({tail, entry.meta.index});
  Evict();
}

void TailCache::Forget(CachedTail* tail) {
  std::erase_if(rows_, [&](const Row& row) { return row.tail == tail; });
}

void TailCache::Evict() {
  while (bytes_ > budget_bytes_ && !rows_.empty()) {
    const Row row = rows_.front();
    const bool gone = row.tail->entries_.empty() || row.tail->entries_.front().meta.index > row.index ||
                      row.tail->entries_.back().meta.index < row.index;
    if (!gone) {
      if (row.index > row.tail->unpinned_) return;  // waits for the disk; what came later does, too
      row.tail->EvictFront();
    }
    rows_.pop_front();
  }
}

}  // namespace chronik::log
