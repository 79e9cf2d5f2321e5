// SPDX-License-Identifier: Apache-2.0
// The log as the Raft core sees it: its bounds, its term table, the Kafka offset at its end, and the metas of its
// newest entries (the window). Everything older lives with the log store only. Not durable by itself: durability is
// RaftGroup's.
//
// Invariants: terms ascend; each row of the table begins in [first, last]; base offsets form one chain; the window is a
// suffix of the log, without gaps.
#pragma once

#include <optional>
#include <vector>

#include "kernel/base/ring.h"
#include "kernel/raft/types.h"

namespace chronik::raft {

class LogView {
 public:
  // `terms` are of the entries (previous.index, last]; next_offset is the base offset of entry last + 1.
  LogView(EntryId previous, Offset previous_next_offset, std::vector<TermStart> terms, LogIndex last,
          Offset next_offset);

  EntryId previous() const { return previous_; }
  Offset previous_next_offset() const { return previous_next_offset_; }
  LogIndex last_index() const { return last_index_; }
  EntryId last() const { return {last_index_, terms_.empty() ? previous_.term : terms_.back().term}; }
  Offset next_offset() const { return next_offset_; }
  const std::vector<TermStart>& terms() const { return terms_; }

  std::optional<Term> TermAt(LogIndex index) const;  // for [previous, last]
  bool Matches(EntryId id) const { return TermAt(id.index) == id.term; }

  // The last entry at or before `index` whose term is not above `term`: nothing between it and `index` can be in a log
  // that has (index, term) or an older term there. Below the log the term is unknown, 0.
  EntryId LastNotAbove(LogIndex index, Term term) const;

  // The base offset of entry index + 1, where the window, the term table or a bound of the log tell.
  std::optional<Offset> NextOffsetAfter(LogIndex index) const;
  // May entry index + 1 of this log have base offset `offset`? Exact where NextOffsetAfter knows, else a range.
  bool OffsetFits(LogIndex index, Offset offset) const;

  void Append(const EntryMeta& entry);  // it continues the log
  // Drops the entries from `from` on (first <= from <= last); the next one will have base offset `next_offset`.
  void TruncateSuffix(LogIndex from, Offset next_offset);
  // Drops the entries before `first` (<= last + 1), which has base offset first_offset.
  void TruncatePrefix(LogIndex first, Offset first_offset);

  const EntryMeta* Find(LogIndex index) const;  // null outside the window
  size_t window_size() const { return window_.size(); }
  LogIndex window_first() const { return last_index_ + 1 - window_.size(); }
  void ForgetThrough(LogIndex index);  // these metas are not needed any more
  // If the window is empty; room for `keep` metas stays.
  void ReleaseMemory(uint32_t keep = 0) { window_.ReleaseIfEmpty(keep); }

 private:
  EntryId previous_;
  Offset previous_next_offset_;
  std::vector<TermStart> terms_;
  LogIndex last_index_;
  Offset next_offset_;
  Ring<EntryMeta> window_;
};

}  // namespace chronik::raft
