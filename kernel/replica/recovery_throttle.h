// SPDX-License-Identifier: Apache-2.0
// How fast followers that are far behind are fed, all groups of a shard together: what they need is read from disk, and
// must not take disk and network from producers when a node comes back that missed everything.
//
// A bucket of tokens, a token a byte. Who asks goes on at once while the bucket is not empty, and says afterwards how
// much it took; the others wait in order. Shard thread only.
#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <utility>

#include "kernel/base/clock.h"
#include "kernel/base/function.h"

namespace chronik::replica {

class RecoveryThrottle {
 public:
  // 0: no limit.
  RecoveryThrottle(Executor& executor, uint64_t bytes_per_second)
      : executor_(executor), rate_(static_cast<double>(bytes_per_second)), filled_(executor.Now()) {}
  ~RecoveryThrottle() {
    if (timer_ != 0) executor_.Cancel(timer_);
  }
  RecoveryThrottle(const RecoveryThrottle&) = delete;
  RecoveryThrottle& operator=(const RecoveryThrottle&) = delete;

  // Runs `go` now, or later in its turn. `who` can take it back.
  void Ask(const void* who, UniqueFunction<void()> go) {
    Fill();
    if (rate_ == 0 || (waiting_.empty() && tokens_ >= 0)) return go();
    waiting_.push_back({who, std::move(go)});
    WaitForTokens();
  }
  void Took(uint64_t bytes) {
    if (rate_ != 0) tokens_ -= static_cast<double>(bytes);
  }
  // Who goes away: what it asked for is forgotten.
  void Forget(const void* who) {
    std::erase_if(waiting_, [who](const Waiting& waiting) { return waiting.who == who; });
  }

 private:
  struct Waiting {
    const void* who;
    UniqueFunction<void()> go;
  };

  // A tenth of a second's worth at most: a shard that was idle does not begin with a flood.
  void Fill() {
    const Instant now = executor_.Now();
    tokens_ = std::min(tokens_ + rate_ * std::chrono::duration<double>(now - filled_).count(), rate_ / 10);
    filled_ = now;
  }
  void WaitForTokens() {
    if (timer_ != 0 || waiting_.empty()) return;
    const double missing = std::max(-tokens_, rate_ / 1000);
    const auto wait = std::chrono::duration_cast<Duration>(std::chrono::duration<double>(missing / rate_));
    timer_ = executor_.Schedule(wait, [this] {
      timer_ = 0;
      Fill();
      // One at a time: only what it reads tells how much it took.
      if (!waiting_.empty() && tokens_ >= 0) {
        auto go = std::move(waiting_.front().go);
        waiting_.pop_front();
        go();
      }
      WaitForTokens();
    });
  }

  Executor& executor_;
  const double rate_;
  double tokens_ = 0;
  Instant filled_;
  Executor::TimerId timer_ = 0;
  std::deque<Waiting> waiting_;
};

}  // namespace chronik::replica
