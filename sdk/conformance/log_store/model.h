// SPDX-License-Identifier: Apache-2.0
// The reference: one log as plain vectors, written from the header's words and not for speed. What a store answers is
// compared with this.
#pragma once

#include <cstdint>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include <chronik/log_store.h>

namespace chronik_conformance {

struct Entry {
  uint64_t index = 0;
  uint64_t term = 0;
  int64_t base_offset = 0;
  int64_t max_timestamp = -1;
  uint32_t offset_count = 0;
  uint32_t kind = 0;
  std::string payload;
  bool operator==(const Entry&) const = default;
};

struct HardState {
  uint64_t term = 0;
  uint64_t vote = 0;
  uint64_t commit = 0;
  bool operator==(const HardState&) const = default;
};

// One operation with everything it needs; `pieces` says into how many buffers a payload is cut.
struct Op {
  uint32_t opcode = CHR_LOG_APPEND;
  std::vector<Entry> entries;
  std::optional<HardState> hard_state;
  uint64_t index = 0;
  uint64_t term = 0;
  int64_t offset = 0;
  std::string blob;
  uint32_t pieces = 1;
};

struct ReadAnswer {
  chr_status status = CHR_OK;
  std::vector<Entry> entries;
};

// May a read answer `got` where the model answers `want`? The header bounds an answer from above and asks for at least
// one entry, so a store may stop early, at a file's end say; what it returns must be the beginning of `want`.
bool Answers(const ReadAnswer& got, const ReadAnswer& want);

class ModelLog {
 public:
  void Apply(const Op& op);
  ReadAnswer Read(const chr_log_read& what) const;
  std::vector<chr_log_term> Terms() const;

  uint64_t first_index() const { return first_index_; }
  uint64_t last_index() const { return first_index_ + entries_.size() - 1; }
  uint64_t TermBefore(uint64_t index) const;  // of entry index - 1
  int64_t OffsetAt(uint64_t index) const;     // base offset of entry `index`, or where it will be
  uint64_t prev_term() const { return prev_term_; }
  uint64_t last_term() const { return TermBefore(last_index() + 1); }
  int64_t first_offset() const { return first_offset_; }
  int64_t next_offset() const { return OffsetAt(last_index() + 1); }
  const std::vector<Entry>& entries() const { return entries_; }
  const HardState& hard_state() const { return hard_state_; }
  const std::optional<std::string>& checkpoint() const { return checkpoint_; }

 private:
  uint64_t first_index_ = 1;
  uint64_t prev_term_ = 0;
  int64_t first_offset_ = 0;
  std::vector<Entry> entries_;
  HardState hard_state_;
  std::optional<std::string> checkpoint_;
};

// A reproducible payload: the same seed and size give the same bytes, different seeds different ones.
std::string Payload(uint64_t seed, size_t size);

// The next legal operation on `log`. Sizes stay below about 8 KiB an entry.
Op RandomOp(std::mt19937_64& random, const ModelLog& log);

// One append of `count` entries that continues `log` at `from`, data entries of `bytes` each, in `term`.
Op AppendOp(const ModelLog& log, uint64_t from, uint64_t count, size_t bytes, uint64_t term);
// The same at the end, in the term of the last entry, or 1.
Op AppendOp(const ModelLog& log, uint64_t count, size_t bytes);

// Uniform in [low, high].
uint64_t Draw(std::mt19937_64& random, uint64_t low, uint64_t high);

}  // namespace chronik_conformance
