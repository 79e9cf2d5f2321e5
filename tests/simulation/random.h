// SPDX-License-Identifier: Apache-2.0
// The one source of chance in a run. Our own generator and our own distributions, in integers only: the standard's
// distributions differ between libraries, and a run must be the same everywhere.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>

#include "kernel/base/clock.h"

namespace chronik::sim {

// xoshiro256**, seeded by splitmix64, both by Blackman and Vigna (public domain algorithms).
class Random {
 public:
  explicit Random(uint64_t seed) {
    for (uint64_t& word : state_) {
      seed += 0x9e3779b97f4a7c15u;
      uint64_t z = seed;
      z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
      z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
      word = z ^ (z >> 31);
    }
  }

  uint64_t Next() {
    const uint64_t result = std::rotl(state_[1] * 5, 7) * 9;
    const uint64_t shifted = state_[1] << 17;
    state_[2] ^= state_[0];
    state_[3] ^= state_[1];
    state_[1] ^= state_[2];
    state_[0] ^= state_[3];
    state_[2] ^= shifted;
    state_[3] = std::rotl(state_[3], 45);
    return result;
  }
  // In [0, end); 0 for end 0.
  uint64_t Below(uint64_t end) {
    __extension__ using Wide = unsigned __int128;
    return static_cast<uint64_t>((static_cast<Wide>(Next()) * end) >> 64);
  }
  // In [low, high].
  uint64_t Between(uint64_t low, uint64_t high) { return low + Below(high - low + 1); }
  Duration Between(Duration low, Duration high) {
    return low + Duration(static_cast<int64_t>(Below(static_cast<uint64_t>((high - low).count()) + 1)));
  }
  // True once in `n` times on average; 0: never.
  bool OneIn(uint64_t n) { return n != 0 && Below(n) == 0; }
  bool Percent(uint64_t percent) { return Below(100) < percent; }

  // Like a log-normal distribution: half of the values are below `median`, most within a factor of 2, a few at up to
  // 16 times. A sum of uniform values, as the exponent of two, stands in for the normal distribution.
  Duration LogNormal(Duration median) {
    constexpr int64_t kOne = 1024;  // fixed point
    int64_t exponent = 0;
    for (int i = 0; i < 4; ++i) exponent += static_cast<int64_t>(Below(2 * kOne + 1)) - kOne;
    const int64_t whole = exponent >= 0 ? exponent / kOne : -((-exponent + kOne - 1) / kOne);
    const int64_t scaled = median.count() * (kOne + exponent - whole * kOne) / kOne;  // 2^f is about 1 + f
    return Duration(whole >= 0 ? scaled << whole : scaled >> -whole);
  }

 private:
  uint64_t state_[4];
};

}  // namespace chronik::sim
