// SPDX-License-Identifier: Apache-2.0
// Outline: everything about one log but its payloads - bounds, terms, offsets - and the rules that an operation must
// keep. Pure; each group has two, one of what was submitted and one of what was applied.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <span>

#include <chronik/log_store.h>

namespace chronik_log_memory {

class Outline {
 public:
  uint64_t first_index() const { return first_index_; }
  uint64_t end_index() const { return first_index_ + entries_.size(); }  // last_index + 1
  // `index` is in [first_index, end_index). `bufs` is NULL.
  const chr_log_entry& At(uint64_t index) const { return entries_[index - first_index_]; }

  // Empty, or the rule that the operation breaks, as a complete sentence.
  const char* CheckAppend(std::span<const chr_log_entry> entries) const;
  const char* CheckTruncatePrefix(uint64_t index) const;
  static const char* CheckReset(const chr_log_op& op);

  // The checked changes. Append drops the old suffix; TruncatePrefix below first_index does nothing.
  void Append(std::span<const chr_log_entry> entries);
  void TruncatePrefix(uint64_t index);
  void Reset(uint64_t index, uint64_t prev_term, int64_t next_offset);

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

}  // namespace chronik_log_memory
