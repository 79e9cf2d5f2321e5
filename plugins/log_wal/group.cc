// SPDX-License-Identifier: Apache-2.0
#include "plugins/log_wal/group.h"

#include <algorithm>
#include <utility>

#include "plugins/log_wal/mutation.h"

namespace chronik_log_wal {

void Group::Clear(const GroupState& to) {
  ++changes;
  for (const SegmentPtr& segment : segments) dead_files.push_back(segment->path);
  segments.clear();
  tail.clear();
  terms.clear();
  tail_bytes = 0;
  state = to.Emptied();
}

void Group::Restore(const GroupState& to) {
  Clear(to);
  exists = true;
  state = to;
  checkpoint.reset();
}

void Group::Apply(const Record& record) {
  if (record.creates) Clear(record.state);
  exists = true;
  if (record.hard_state) state.hard_state = *record.hard_state;
  switch (record.type) {
    case RecordType::kAppend:
      for (const Entry& entry : record.entries) {
        if (entry.meta.index >= state.first_index) AppendOne(entry);
      }
      return;
    case RecordType::kTruncatePrefix: return DropPrefix(record);
    case RecordType::kReset: {
      GroupState to = state;  // the hard state above all: a vote must outlive the log
      to.incarnation = record.state.incarnation;
      to.first_index = record.state.first_index;
      to.prev_term = record.state.prev_term;
      to.first_offset = record.state.first_offset;
      return Clear(to);
    }
    case RecordType::kCheckpoint: checkpoint = record.blob; return;
    case RecordType::kState:  // it moved here
      state.lane = record.state.lane;
      state.residence = record.state.residence;
      return;
    case RecordType::kLeave:
    case RecordType::kDestroy: return;
  }
}

bool Group::CanApply(const Record& record) const {
  switch (record.type) {
    case RecordType::kAppend:
      return std::all_of(record.entries.begin(), record.entries.end(),
                         [](const Entry& entry) { return entry.meta.IsPossible(); });
    case RecordType::kTruncatePrefix:
      if (record.index > state.last_index + 1 || record.offset < 0 || static_cast<uint64_t>(record.offset) > kCountMax)
        return false;
      return record.index <= state.last_index || record.index <= state.first_index ||
             (record.offset == state.next_offset && record.prev_term == state.last_term);
    case RecordType::kReset: return record.state.Emptied().IsPossible();
    default: return true;
  }
}

bool Group::OnlyGrowsBy(const Record& record) const {
  if (record.type != RecordType::kAppend || record.creates) return false;
  return record.entries.empty() || record.entries.front().meta.index > state.last_index;
}

void Group::AppendOne(const Entry& entry) {
  if (entry.meta.index > state.last_index + 1) {
    damage = "entries " + std::to_string(state.last_index + 1) + " to " + std::to_string(entry.meta.index - 1) +
             " are missing";
    return;
  }
  if (entry.meta.index <= state.last_index) DropSuffix(entry.meta.index);
  if (terms.empty() || terms.back().term != entry.meta.term) {
    terms.push_back({entry.meta.term, entry.meta.index, entry.meta.base_offset});
  }
  state.last_index = entry.meta.index;
  state.last_term = entry.meta.term;
  state.next_offset = entry.meta.next_offset();
  tail_bytes += entry.meta.size;
  tail.push_back(entry);
}

void Group::DropRowsFrom(uint64_t from) {
  while (!segments.empty() && segments.back()->first_index >= from) {
    ++changes;
    dead_files.push_back(segments.back()->path);
    segments.pop_back();
  }
  if (!segments.empty() && segments.back()->last_index() >= from) {
    ++changes;
    // A new description, as a reader may hold the old one. The files are cut when the next entries are written.
    auto shorter = std::make_shared<Segment>(*segments.back());
    shorter->log_bytes =
        shorter->log_bytes * (from - shorter->first_index) / shorter->rows;  // exact once it is written again
    shorter->rows = from - shorter->first_index;
    segments.back() = std::move(shorter);
  }
}

void Group::DropSuffix(uint64_t from) {
  while (!tail.empty() && tail.back().meta.index >= from) {
    tail_bytes -= tail.back().meta.size;
    tail.pop_back();
  }
  if (!CHRONIK_MUTANT(suffix_stays_in_segments)) DropRowsFrom(from);
  while (!terms.empty() && terms.back().first_index >= from) terms.pop_back();
  state.last_index = from - 1;
  state.last_term = terms.empty() ? state.prev_term : terms.back().term;
}

void Group::DropPrefix(const Record& record) {
  const uint64_t first = record.index;
  if (first <= state.first_index) return;
  while (!segments.empty() && segments.front()->last_index() < first) {
    ++changes;
    dead_files.push_back(segments.front()->path);
    segments.erase(segments.begin());
  }
  while (!tail.empty() && tail.front().meta.index < first) {
    ++changes;
    tail_bytes -= tail.front().meta.size;
    tail.pop_front();
  }
  while (terms.size() > 1 && terms[1].first_index <= first) terms.erase(terms.begin());
  if (first > state.last_index) {
    terms.clear();
  } else if (!terms.empty() && terms.front().first_index < first) {
    terms.front().first_index = first;
    terms.front().first_offset = record.offset;
  }
  state.first_index = first;
  state.prev_term = record.prev_term;
  state.first_offset = record.offset;
}

std::optional<int64_t> Group::OffsetOf(uint64_t index, SegmentPtr* row_in) const {
  if (index == state.first_index) return state.first_offset;
  if (index > state.last_index) return state.next_offset;
  if (!tail.empty() && index >= tail.front().meta.index) return tail[index - tail.front().meta.index].meta.base_offset;
  for (const SegmentPtr& segment : segments) {
    if (segment->first_index == index) return segment->first_offset;
    if (segment->first_index < index && index <= segment->last_index()) *row_in = segment;
  }
  return std::nullopt;
}

std::optional<uint64_t> Group::TermAt(uint64_t index) const {
  if (index + 1 == state.first_index) return state.prev_term;
  if (index < state.first_index || index > state.last_index) return std::nullopt;
  const auto after =
      std::partition_point(terms.begin(), terms.end(), [&](const chr_log_term& t) { return t.first_index <= index; });
  return after == terms.begin() ? state.prev_term : std::prev(after)->term;
}

void Group::AddLoadedSegment(Segment segment, const std::vector<chr_log_term>& its_terms) {
  // A segment ends where the next one begins: rows behind that are leftovers of a dropped suffix, even if what replaced
  // them is damaged. (If the next one is itself a leftover, the record that dropped it is still to come.)
  if (!segments.empty() && segments.back()->last_index() >= segment.first_index) {
    DropRowsFrom(segment.first_index);
    while (!terms.empty() && terms.back().first_index >= segment.first_index) terms.pop_back();
  }
  if (segment.rows == 0 || segment.last_index() < state.first_index) return;
  for (size_t i = 0; i < its_terms.size(); ++i) {
    chr_log_term term = its_terms[i];
    if (i + 1 < its_terms.size() && its_terms[i + 1].first_index <= state.first_index) continue;  // of a dropped prefix
    if (term.first_index < state.first_index) term = {term.term, state.first_index, state.first_offset};
    if (terms.empty() || terms.back().term != term.term) terms.push_back(term);
  }
  segments.push_back(std::make_shared<Segment>(std::move(segment)));
}

int64_t Group::DropTail() {
  tail.clear();
  return std::exchange(tail_bytes, 0);
}

std::string Group::Gap() const {
  const auto missing = [](uint64_t from, uint64_t to) {
    return "entries " + std::to_string(from) + " to " + std::to_string(to) + " are missing or damaged";
  };
  uint64_t next = state.first_index;
  for (const SegmentPtr& segment : segments) {
    if (segment->first_index > next) return missing(next, segment->first_index - 1);
    next = segment->last_index() + 1;
  }
  if (!tail.empty()) {
    if (tail.front().meta.index != next) return missing(next, tail.front().meta.index - 1);
    next = tail.back().meta.index + 1;
  }
  if (next <= state.last_index) return missing(next, state.last_index);
  if (state.IsEmpty() || !tail.empty()) return "";
  const bool ends = terms.back().term == state.last_term && segments.back()->next_offset == state.next_offset;
  return ends ? "" : "entry " + std::to_string(state.last_index) + " is not the one that the journal tells of";
}

uint64_t Group::bytes() const {
  auto total = static_cast<uint64_t>(tail_bytes);
  for (const SegmentPtr& segment : segments) {
    const uint64_t gone = state.first_index > segment->first_index ? state.first_index - segment->first_index : 0;
    total += segment->log_bytes - segment->log_bytes * gone / segment->rows;
  }
  return total;
}

void Group::FillBounds(chr_log_bounds* out) const {
  chr_log_bounds full{};
  full.struct_size = out->struct_size;
  full.first_index = state.first_index;
  full.last_index = state.last_index;
  full.prev_term = state.prev_term;
  full.last_term = state.last_term;
  full.first_offset = state.first_offset;
  full.next_offset = state.next_offset;
  full.hard_state = state.hard_state;
  full.bytes = bytes();
  std::memcpy(out, &full, std::min<size_t>(out->struct_size, sizeof full));
}

void Group::ResetSubmitted() {
  submitted = {state.first_index, state.last_index, state.last_term, state.next_offset, exists};
}

}  // namespace chronik_log_wal
