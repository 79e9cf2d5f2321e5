// SPDX-License-Identifier: Apache-2.0
// Outline's rules and searches.
#include "plugins/log_memory/outline.h"

#include <algorithm>

namespace chronik_log_memory {

uint64_t Outline::TermBefore(uint64_t index) const { return index == first_index_ ? prev_term_ : At(index - 1).term; }

int64_t Outline::OffsetAt(uint64_t index) const {
  if (index == first_index_) {
    return first_offset_;
  }
  const chr_log_entry& before = At(index - 1);
  return before.base_offset + before.offset_count;
}

const char* Outline::CheckAppend(std::span<const chr_log_entry> entries) const {
  if (entries.empty()) {
    return nullptr;
  }
  uint64_t index = entries.front().index;
  if (index < first_index_ || index > end_index()) {
    return "the first entry must lie in [first_index, last_index + 1].";
  }
  uint64_t term = TermBefore(index);
  int64_t offset = OffsetAt(index);
  for (const chr_log_entry& entry : entries) {
    if (entry.index != index) {
      return "entries of an append must have consecutive indexes.";
    }
    if (entry.term < term) {
      return "terms must never decrease.";
    }
    if (entry.base_offset != offset) {
      return "base_offset must be the sum of base_offset and offset_count of the entry before.";
    }
    if (entry.reserved != 0) {
      return "reserved must be 0.";
    }
    ++index;
    term = entry.term;
    offset += entry.offset_count;
  }
  return nullptr;
}

const char* Outline::CheckTruncatePrefix(uint64_t index) const {
  return index > end_index() ? "a prefix ends at last_index + 1 at most." : nullptr;
}

const char* Outline::CheckReset(const chr_log_op& op) {
  return op.index == 0 || op.offset < 0 ? "a log begins at index 1 and offset 0 at least." : nullptr;
}

void Outline::Append(std::span<const chr_log_entry> entries) {
  if (entries.empty()) {
    return;
  }
  const uint64_t from = entries.front().index;
  entries_.resize(from - first_index_);
  while (!terms_.empty() && terms_.back().first_index >= from) {
    terms_.pop_back();
  }
  for (const chr_log_entry& entry : entries) {
    if (terms_.empty() || terms_.back().term != entry.term) {
      terms_.push_back({entry.term, entry.index, entry.base_offset});
    }
    entries_.push_back(entry);
    entries_.back().bufs = nullptr;
    entries_.back().buf_count = 0;
  }
}

void Outline::TruncatePrefix(uint64_t index) {
  if (index <= first_index_) {
    return;
  }
  prev_term_ = TermBefore(index);
  first_offset_ = OffsetAt(index);
  entries_.erase(entries_.begin(), entries_.begin() + static_cast<int64_t>(index - first_index_));
  first_index_ = index;
  while (terms_.size() > 1 && terms_[1].first_index <= index) {
    terms_.pop_front();
  }
  if (entries_.empty()) {
    terms_.clear();
  } else {
    terms_.front().first_index = std::max(terms_.front().first_index, first_index_);
    terms_.front().first_offset = std::max(terms_.front().first_offset, first_offset_);
  }
}

void Outline::Reset(uint64_t index, uint64_t prev_term, int64_t next_offset) {
  first_index_ = index;
  prev_term_ = prev_term;
  first_offset_ = next_offset;
  entries_.clear();
  terms_.clear();
}

void Outline::FillBounds(chr_log_bounds& out) const {
  out.first_index = first_index_;
  out.last_index = end_index() - 1;
  out.prev_term = prev_term_;
  out.last_term = TermBefore(end_index());
  out.first_offset = first_offset_;
  out.next_offset = OffsetAt(end_index());
}

std::optional<uint64_t> Outline::Find(const chr_log_read& what) const {
  switch (what.by) {
    case CHR_LOG_BY_INDEX: {
      const auto index = static_cast<uint64_t>(what.key);
      return index < first_index_ || index > end_index() ? std::nullopt : std::optional(index);
    }
    case CHR_LOG_BY_OFFSET: return what.key < first_offset_ ? std::nullopt : std::optional(FindOffset(what.key));
    case CHR_LOG_BY_TIMESTAMP: return FindTimestamp(what.key, what.end_index);
    default: return FindMaxTimestamp(what.end_index);
  }
}

// The ends of the entries never decrease, so this is a binary search; and it never stops at an internal entry, because
// one that begins after `offset` follows a data entry that ends after it.
uint64_t Outline::FindOffset(int64_t offset) const {
  const auto it = std::partition_point(entries_.begin(), entries_.end(), [&](const chr_log_entry& entry) {
    return entry.base_offset + entry.offset_count <= offset;
  });
  return first_index_ + static_cast<uint64_t>(it - entries_.begin());
}

// Timestamps come in any order: a scan. A store for large logs keeps an index of them.
uint64_t Outline::FindTimestamp(int64_t timestamp, uint64_t end) const {
  uint64_t index = first_index_;
  while (index < end && (At(index).offset_count == 0 || At(index).max_timestamp < timestamp)) {
    ++index;
  }
  return index;
}

uint64_t Outline::FindMaxTimestamp(uint64_t end) const {
  uint64_t best = end;
  for (uint64_t index = first_index_; index < end; ++index) {
    const chr_log_entry& entry = At(index);
    if (entry.offset_count > 0 && (best == end || entry.max_timestamp > At(best).max_timestamp)) {
      best = index;
    }
  }
  return best;
}

}  // namespace chronik_log_memory
