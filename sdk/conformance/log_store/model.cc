// SPDX-License-Identifier: Apache-2.0
// The reference log and the generator of legal operations.
#include "sdk/conformance/log_store/model.h"

#include <algorithm>

namespace chronik_conformance {

void ModelLog::Apply(const Op& op) {
  switch (op.opcode) {
    case CHR_LOG_APPEND:
      if (!op.entries.empty()) {
        entries_.resize(op.entries.front().index - first_index_);
        entries_.insert(entries_.end(), op.entries.begin(), op.entries.end());
      }
      hard_state_ = op.hard_state.value_or(hard_state_);
      break;
    case CHR_LOG_TRUNCATE_PREFIX:
      if (op.index > first_index_) {
        prev_term_ = TermBefore(op.index);
        first_offset_ = OffsetAt(op.index);
        entries_.erase(entries_.begin(), entries_.begin() + static_cast<int64_t>(op.index - first_index_));
        first_index_ = op.index;
      }
      break;
    case CHR_LOG_RESET:
      entries_.clear();
      first_index_ = op.index;
      prev_term_ = op.term;
      first_offset_ = op.offset;
      break;
    case CHR_LOG_CHECKPOINT: checkpoint_ = op.blob; break;
    default: break;
  }
}

uint64_t ModelLog::TermBefore(uint64_t index) const {
  return index == first_index_ ? prev_term_ : entries_[index - 1 - first_index_].term;
}

int64_t ModelLog::OffsetAt(uint64_t index) const {
  if (index == first_index_) {
    return first_offset_;
  }
  const Entry& before = entries_[index - 1 - first_index_];
  return before.base_offset + before.offset_count;
}

std::vector<chr_log_term> ModelLog::Terms() const {
  std::vector<chr_log_term> terms;
  for (const Entry& entry : entries_) {
    if (terms.empty() || terms.back().term != entry.term) {
      terms.push_back({entry.term, entry.index, entry.base_offset});
    }
  }
  return terms;
}

ReadAnswer ModelLog::Read(const chr_log_read& what) const {
  const auto is_start = [&](const Entry& entry) {
    const bool data = entry.offset_count > 0;
    switch (what.by) {
      case CHR_LOG_BY_INDEX: return entry.index == static_cast<uint64_t>(what.key);
      case CHR_LOG_BY_OFFSET: return data && entry.base_offset + entry.offset_count > what.key;
      case CHR_LOG_BY_TIMESTAMP: return data && entry.max_timestamp >= what.key;
      default:
        return data && std::none_of(entries_.begin(), entries_.end(), [&](const Entry& other) {
                 return other.offset_count > 0 && other.index < what.end_index &&
                        other.max_timestamp > entry.max_timestamp;
               });
    }
  };
  if (what.by == CHR_LOG_BY_INDEX &&
      (static_cast<uint64_t>(what.key) < first_index_ || static_cast<uint64_t>(what.key) > last_index() + 1)) {
    return {CHR_E_RANGE, {}};
  }
  if (what.by == CHR_LOG_BY_OFFSET && what.key < first_offset_) {
    return {CHR_E_RANGE, {}};
  }
  ReadAnswer answer;
  uint64_t bytes = 0;
  auto it = std::find_if(entries_.begin(), entries_.end(), is_start);
  for (; it != entries_.end() && it->index < what.end_index; ++it) {
    bytes += it->payload.size();
    const bool full = bytes > what.max_bytes || (what.max_entries > 0 && answer.entries.size() == what.max_entries);
    if (full && !answer.entries.empty()) {
      break;
    }
    answer.entries.push_back(*it);
  }
  return answer;
}

bool Answers(const ReadAnswer& got, const ReadAnswer& want) {
  return got.status == want.status && got.entries.empty() == want.entries.empty() &&
         got.entries.size() <= want.entries.size() &&
         std::equal(got.entries.begin(), got.entries.end(), want.entries.begin());
}

uint64_t Draw(std::mt19937_64& random, uint64_t low, uint64_t high) { return low + random() % (high - low + 1); }

std::string Payload(uint64_t seed, size_t size) {
  std::string bytes(size, '\0');
  uint64_t state = seed * 0x9E3779B97F4A7C15u + size;
  for (size_t i = 0; i < size; ++i) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    bytes[i] = static_cast<char>(state >> 56);
  }
  return bytes;
}

Op AppendOp(const ModelLog& log, uint64_t from, uint64_t count, size_t bytes, uint64_t term) {
  Op op;
  int64_t offset = log.OffsetAt(from);
  for (uint64_t i = 0; i < count; ++i) {
    const uint64_t index = from + i;
    op.entries.push_back({index, term, offset, static_cast<int64_t>(1000 + index), 1 + static_cast<uint32_t>(index % 3),
                          1, Payload(index * 31 + term, bytes)});
    offset += op.entries.back().offset_count;
  }
  return op;
}

Op AppendOp(const ModelLog& log, uint64_t count, size_t bytes) {
  return AppendOp(log, log.last_index() + 1, count, bytes, std::max<uint64_t>(log.last_term(), 1));
}

namespace {

Op RandomAppend(std::mt19937_64& random, const ModelLog& log) {
  Op op;
  const bool replaces = log.entries().size() > 1 && Draw(random, 0, 7) == 0;
  uint64_t index = replaces ? Draw(random, log.first_index(), log.last_index()) : log.last_index() + 1;
  // Raft replaces a suffix in a newer term only.
  uint64_t term = replaces ? log.last_term() + 1 : std::max<uint64_t>(log.last_term(), 1) + (Draw(random, 0, 9) == 0);
  int64_t offset = log.OffsetAt(index);
  for (uint64_t count = Draw(random, 1, 6); count > 0; --count) {
    const bool data = Draw(random, 0, 4) != 0;
    const size_t bytes = Draw(random, 0, 9) == 0 ? Draw(random, 0, 8000) : Draw(random, 0, 200);
    Entry entry{index, term, offset, -1, 0, static_cast<uint32_t>(random()), Payload(random(), bytes)};
    if (data) {
      entry.offset_count = static_cast<uint32_t>(Draw(random, 1, 50));
      entry.max_timestamp = static_cast<int64_t>(1'000 + Draw(random, 0, 500));
    }
    op.entries.push_back(entry);
    offset += entry.offset_count;
    term += Draw(random, 0, 19) == 0;
    ++index;
  }
  op.pieces = static_cast<uint32_t>(Draw(random, 1, 4));
  return op;
}

}  // namespace

Op RandomOp(std::mt19937_64& random, const ModelLog& log) {
  const uint64_t dice = Draw(random, 0, 99);
  Op op;
  if (dice < 75) {
    op = RandomAppend(random, log);
  } else if (dice < 85) {
    op.opcode = CHR_LOG_TRUNCATE_PREFIX;
    op.index = Draw(random, log.first_index() > 3 ? log.first_index() - 3 : 0, log.last_index() + 1);
  } else if (dice < 88) {
    op.opcode = CHR_LOG_RESET;
    op.index = log.last_index() + Draw(random, 1, 50);
    op.term = log.last_term() + Draw(random, 0, 2);
    op.offset = log.next_offset() + static_cast<int64_t>(Draw(random, 0, 500));
  } else if (dice < 93) {
    op.opcode = CHR_LOG_CHECKPOINT;
    op.blob = Payload(random(), Draw(random, 0, 5000));
  }
  if (op.opcode == CHR_LOG_APPEND && (dice >= 93 || Draw(random, 0, 3) == 0)) {
    const HardState& old = log.hard_state();
    op.hard_state = HardState{old.term + Draw(random, 0, 2), Draw(random, 0, 5), old.commit + Draw(random, 0, 3)};
  }
  return op;
}

}  // namespace chronik_conformance
