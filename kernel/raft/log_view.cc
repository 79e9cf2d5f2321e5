// SPDX-License-Identifier: Apache-2.0
#include "kernel/raft/log_view.h"

#include <algorithm>

#include "kernel/base/invariant.h"

namespace chronik::raft {

LogView::LogView(EntryId previous, Offset previous_next_offset, std::vector<TermStart> terms, LogIndex last,
                 Offset next_offset)
    : previous_(previous),
      previous_next_offset_(previous_next_offset),
      terms_(std::move(terms)),
      last_index_(last),
      next_offset_(next_offset) {
  CHRONIK_CHECK(last_index_ >= previous_.index) << "last " << last_index_ << " previous " << previous_.index;
  CHRONIK_CHECK(next_offset_ >= previous_next_offset_) << "offsets run backwards";
  CHRONIK_CHECK(terms_.empty() == (last_index_ == previous_.index)) << "term table does not fit the log";
  if (terms_.empty()) return;
  CHRONIK_CHECK(terms_.front().first_index == previous_.index + 1 && terms_.front().term >= previous_.term)
      << "term table begins at " << terms_.front().first_index << ", log at " << previous_.index + 1;
  CHRONIK_CHECK(terms_.back().first_index <= last_index_) << "term table ends behind the log";
  for (size_t i = 1; i < terms_.size(); ++i) {
    CHRONIK_CHECK(terms_[i - 1].term < terms_[i].term && terms_[i - 1].first_index < terms_[i].first_index &&
                  terms_[i - 1].first_offset <= terms_[i].first_offset)
        << "term table does not ascend at row " << i;
  }
}

std::optional<Term> LogView::TermAt(LogIndex index) const {
  if (index < previous_.index || index > last_index_) return std::nullopt;
  // Nearly every question is about the newest rows.
  for (auto row = terms_.rbegin(); row != terms_.rend(); ++row) {
    if (row->first_index <= index) return row->term;
  }
  return previous_.term;
}

EntryId LogView::LastNotAbove(LogIndex index, Term term) const {
  if (index < previous_.index) return {index, Term{}};
  LogIndex end = std::min(index, last_index_);
  for (auto row = terms_.rbegin(); row != terms_.rend(); ++row) {
    if (row->first_index > end) continue;
    if (row->term <= term) return {end, row->term};
    end = row->first_index - 1;
  }
  if (previous_.term <= term) return previous_;
  return {previous_.index - 1, Term{}};  // index 0 has term 0, so this does not run below it
}

std::optional<Offset> LogView::NextOffsetAfter(LogIndex index) const {
  if (index == last_index_) return next_offset_;
  if (index == previous_.index) return previous_next_offset_;
  if (const EntryMeta* next = Find(index + 1)) return next->base_offset;
  for (auto row = terms_.rbegin(); row != terms_.rend() && row->first_index > index; ++row) {
    if (row->first_index == index + 1) return row->first_offset;
  }
  return std::nullopt;
}

bool LogView::OffsetFits(LogIndex index, Offset offset) const {
  if (const auto known = NextOffsetAfter(index)) return *known == offset;
  if (index < previous_.index || index > last_index_) return false;
  if (offset > next_offset_) return false;
  for (auto row = terms_.rbegin(); row != terms_.rend(); ++row) {
    if (row->first_index <= index) return row->first_offset <= offset;
    if (row->first_offset < offset) return false;
  }
  return previous_next_offset_ <= offset;
}

void LogView::Append(const EntryMeta& entry) {
  CHRONIK_CHECK(entry.index == last_index_ + 1) << "entry " << entry.index << " after " << last_index_;
  CHRONIK_CHECK(entry.base_offset == next_offset_) << "offset " << entry.base_offset << ", expected " << next_offset_;
  CHRONIK_CHECK(entry.term >= last().term) << "term " << entry.term << " after " << last().term;
  if (terms_.empty() || terms_.back().term != entry.term) {
    terms_.push_back({entry.term, entry.index, entry.base_offset});
  }
  window_.push_back(entry);
  last_index_ = entry.index;
  next_offset_ = entry.next_offset();
}

void LogView::TruncateSuffix(LogIndex from, Offset next_offset) {
  CHRONIK_CHECK(from > previous_.index && from <= last_index_) << "cut at " << from << " of " << last_index_;
  while (!terms_.empty() && terms_.back().first_index >= from) terms_.pop_back();
  window_.pop_back(std::min<size_t>(window_.size(), last_index_ + 1 - from));
  last_index_ = from - 1;
  next_offset_ = next_offset;
}

void LogView::TruncatePrefix(LogIndex first, Offset first_offset) {
  if (first <= previous_.index + 1) return;
  CHRONIK_CHECK(first <= last_index_ + 1) << "first " << first << " behind the end " << last_index_;
  CHRONIK_CHECK(OffsetFits(first - 1, first_offset)) << "offset " << first_offset << " of entry " << first;
  const Term previous_term = *TermAt(first - 1);
  ForgetThrough(first - 1);
  const LogIndex last = last_index_;
  // A row goes if the next one begins at or before `first`; the one that holds `first` now begins there.
  auto kept = std::find_if(terms_.begin(), terms_.end(), [&](const TermStart& row) {
    const LogIndex end = &row == &terms_.back() ? last : (&row + 1)->first_index - 1;
    return end >= first;
  });
  terms_.erase(terms_.begin(), kept);
  if (!terms_.empty() && terms_.front().first_index < first) {
    terms_.front().first_index = first;
    terms_.front().first_offset = first_offset;
  }
  previous_ = {first - 1, previous_term};
  previous_next_offset_ = first_offset;
}

const EntryMeta* LogView::Find(LogIndex index) const {
  if (index > last_index_ || index < window_first()) return nullptr;
  return &window_[index - window_first()];
}

void LogView::ForgetThrough(LogIndex index) {
  const LogIndex first = window_first();
  if (index < first) return;
  window_.pop_front(std::min<size_t>(window_.size(), index - first + 1));
}

}  // namespace chronik::raft
