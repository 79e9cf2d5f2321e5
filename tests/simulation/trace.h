// SPDX-License-Identifier: Apache-2.0
// What happened in a run, as one running hash: two runs with the same hash were the same run. On request also the last
// lines in words. Note numbers only that mean the same in every build: no addresses, no sizes of types.
#pragma once

#include <cstdint>
#include <deque>
#include <initializer_list>
#include <string>
#include <string_view>

#include "kernel/base/clock.h"

namespace chronik::sim {

class Trace {
 public:
  void Note(Instant time, std::string_view kind, std::initializer_list<uint64_t> numbers);
  uint64_t hash() const { return hash_; }
  uint64_t count() const { return count_; }

  // Keeps the last `lines_max` notes as text from now on; 0: none.
  void Record(size_t lines_max) { lines_max_ = lines_max; }
  bool recording() const { return lines_max_ != 0; }
  // A line for people; it does not count for the hash. Ask recording() before building a costly one.
  void Line(Instant time, const std::string& text);
  const std::deque<std::string>& lines() const { return lines_; }

 private:
  void Mix(uint64_t value);

  uint64_t hash_ = 0x6368726f6e696b21u;
  uint64_t count_ = 0;
  size_t lines_max_ = 0;
  std::deque<std::string> lines_;
};

}  // namespace chronik::sim
