// SPDX-License-Identifier: Apache-2.0
#include "tests/simulation/trace.h"

#include <cinttypes>
#include <cstdio>

namespace chronik::sim {

void Trace::Mix(uint64_t value) {
  hash_ = (hash_ ^ value) * 0x9fb21c651e98df25u;
  hash_ ^= hash_ >> 32;
}

void Trace::Note(Instant time, std::string_view kind, std::initializer_list<uint64_t> numbers) {
  ++count_;
  Mix(static_cast<uint64_t>(time.time_since_epoch().count()));
  uint64_t word = 0;
  for (const char c : kind) word = word * 131 + static_cast<unsigned char>(c);
  Mix(word);
  for (const uint64_t number : numbers) Mix(number);
  if (!recording()) return;
  std::string text(kind);
  for (const uint64_t number : numbers) text.append(" ").append(std::to_string(number));
  Line(time, text);
}

void Trace::Line(Instant time, const std::string& text) {
  if (!recording()) return;
  char stamp[40];
  const int64_t ns = time.time_since_epoch().count();
  std::snprintf(stamp, sizeof stamp, "%" PRId64 ".%09" PRId64 " ", ns / 1'000'000'000, ns % 1'000'000'000);
  lines_.push_back(stamp + text);
  if (lines_.size() > lines_max_) lines_.pop_front();
}

}  // namespace chronik::sim
