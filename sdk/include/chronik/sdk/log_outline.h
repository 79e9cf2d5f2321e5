// SPDX-License-Identifier: Apache-2.0
// LogOutline: everything about one log but its payloads - bounds, terms, offsets - and the rules that an operation must
// keep. Pure. A store keeps two a group: of what was submitted, to check what comes next, and of what has completed,
// for readers.
#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <optional>
#include <span>

#include <chronik/log_store.h>
#include <chronik/sdk/version.h>

CHRONIK_SDK_BEGIN

class LogOutline {
 public:
  uint64_t first_index() const { return first_index_; }
  uint64_t end_index() const { return first_index_ + entries_.size(); }  // last_index + 1
  // `index` is in [first_index, end_index). `bufs` is NULL.
  const chr_log_entry& At(uint64_t index) const { return entries_[index - first_index_]; }

  // NULL, or the rule that the operation breaks, as a complete sentence.
  const char* CheckAppend(std::span<const chr_log_entry> entries) const;
  const char* CheckTruncatePrefix(uint64_t index) const;
  static const char* CheckReset(const chr_log_op& op);

  // The checked changes. Append drops the old suffix; TruncatePrefix below first_index does nothing.
  void Append(std::span<const chr_log_entry> entries);
  void TruncatePrefix(uint64_t index);
  void Reset(uint64_t index, uint64_t prev_term, int64_t next_offset);

  // The same by opcode, for whole operations of a group.
  const char* Check(const chr_log_op& op) const;
  void Apply(const chr_log_op& op);

  // Fills in everything but hard_state and bytes.
  void FillBounds(chr_log_bounds& out) const;
  // The table of [first_index, end_index), ascending.
  const std::deque<chr_log_term>& terms() const { return terms_; }

  // Where a read begins: an index up to end_index; CHR_E_RANGE is nullopt. An index of `what.end_index` or more means
  // that nothing matches.
  std::optional<uint64_t> Find(const chr_log_read& what) const;

 private:
  uint64_t FindOffset(int64_t offset) const;
  uint64_t FindTimestamp(int64_t timestamp, uint64_t end) const;
  uint64_t FindMaxTimestamp(uint64_t end) const;
  uint64_t TermBefore(uint64_t index) const;
  int64_t OffsetAt(uint64_t index) const;  // where the entry `index` begins, or would begin

  uint64_t first_index_ = 1;
  uint64_t prev_term_ = 0;
  int64_t first_offset_ = 0;
  std::deque<chr_log_entry> entries_;
  std::deque<chr_log_term> terms_;
};

inline uint64_t LogOutline::TermBefore(uint64_t index) const {
  return index == first_index_ ? prev_term_ : At(index - 1).term;
}

inline int64_t LogOutline::OffsetAt(uint64_t index) const {
  if (index == first_index_) {
    return first_offset_;
  }
  const chr_log_entry& before = At(index - 1);
  return before.base_offset + before.offset_count;
}

inline const char* LogOutline::CheckAppend(std::span<const chr_log_entry> entries) const {
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

inline const char* LogOutline::CheckTruncatePrefix(uint64_t index) const {
  return index > end_index() ? "a prefix ends at last_index + 1 at most." : nullptr;
}

inline const char* LogOutline::CheckReset(const chr_log_op& op) {
  return op.index == 0 || op.offset < 0 ? "a log begins at index 1 and offset 0 at least." : nullptr;
}

inline void LogOutline::Append(std::span<const chr_log_entry> entries) {
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

inline void LogOutline::TruncatePrefix(uint64_t index) {
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

inline void LogOutline::Reset(uint64_t index, uint64_t prev_term, int64_t next_offset) {
  first_index_ = index;
  prev_term_ = prev_term;
  first_offset_ = next_offset;
  entries_.clear();
  terms_.clear();
}

inline const char* LogOutline::Check(const chr_log_op& op) const {
  if (op.opcode != CHR_LOG_APPEND && (op.entry_count > 0 || op.hard_state != nullptr)) {
    return "only an append has entries or a hard state.";
  }
  switch (op.opcode) {
    case CHR_LOG_APPEND:
      return op.entry_count == 0 && op.hard_state == nullptr ? "an append has entries, a hard state or both."
                                                             : CheckAppend(std::span(op.entries, op.entry_count));
    case CHR_LOG_TRUNCATE_PREFIX: return CheckTruncatePrefix(op.index);
    case CHR_LOG_RESET: return CheckReset(op);
    case CHR_LOG_CHECKPOINT: return nullptr;
    default: return "unknown opcode.";
  }
}

inline void LogOutline::Apply(const chr_log_op& op) {
  if (op.opcode == CHR_LOG_APPEND) {
    Append(std::span(op.entries, op.entry_count));
  } else if (op.opcode == CHR_LOG_TRUNCATE_PREFIX) {
    TruncatePrefix(op.index);
  } else if (op.opcode == CHR_LOG_RESET) {
    Reset(op.index, op.term, op.offset);
  }
}

inline void LogOutline::FillBounds(chr_log_bounds& out) const {
  out.first_index = first_index_;
  out.last_index = end_index() - 1;
  out.prev_term = prev_term_;
  out.last_term = TermBefore(end_index());
  out.first_offset = first_offset_;
  out.next_offset = OffsetAt(end_index());
}

inline std::optional<uint64_t> LogOutline::Find(const chr_log_read& what) const {
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
inline uint64_t LogOutline::FindOffset(int64_t offset) const {
  const auto it = std::partition_point(entries_.begin(), entries_.end(), [&](const chr_log_entry& entry) {
    return entry.base_offset + entry.offset_count <= offset;
  });
  return first_index_ + static_cast<uint64_t>(it - entries_.begin());
}

// Timestamps come in any order: a scan. A store for large logs keeps an index of them.
inline uint64_t LogOutline::FindTimestamp(int64_t timestamp, uint64_t end) const {
  uint64_t index = first_index_;
  while (index < end && (At(index).offset_count == 0 || At(index).max_timestamp < timestamp)) {
    ++index;
  }
  return index;
}

inline uint64_t LogOutline::FindMaxTimestamp(uint64_t end) const {
  uint64_t best = end;
  for (uint64_t index = first_index_; index < end; ++index) {
    const chr_log_entry& entry = At(index);
    if (entry.offset_count > 0 && (best == end || entry.max_timestamp > At(best).max_timestamp)) {
      best = index;
    }
  }
  return best;
}

CHRONIK_SDK_END
