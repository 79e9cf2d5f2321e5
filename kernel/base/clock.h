// SPDX-License-Identifier: Apache-2.0
// Time and threads as core logic sees them: a clock, and the one thread it runs on. Production gives an Asio
// io_context, the simulator a virtual clock.
#pragma once

#include <chrono>
#include <cstdint>

#include "kernel/base/function.h"

namespace chronik {

using Duration = std::chrono::nanoseconds;
// Monotonic; its epoch means nothing.
struct MonotonicClock {
  using rep = Duration::rep;
  using period = Duration::period;
  using duration = Duration;
  using time_point = std::chrono::time_point<MonotonicClock>;
  static constexpr bool is_steady = true;
};
using Instant = MonotonicClock::time_point;
using WallTime = std::chrono::time_point<std::chrono::system_clock, std::chrono::milliseconds>;  // as in Kafka records

class Clock {
 public:
  virtual ~Clock() = default;
  virtual Instant Now() const = 0;
  virtual WallTime WallNow() const = 0;
};

// One shard's thread. Tasks run one at a time, in the order they were posted.
class Executor : public Clock {
 public:
  using TimerId = uint64_t;          // 0 = none
  virtual void Post(Task task) = 0;  // from any thread
  // The rest: on the executor's own thread only.
  virtual TimerId Schedule(Duration delay, Task task) = 0;
  virtual void Cancel(TimerId id) = 0;  // a timer that fired or never was is fine
  virtual bool InThread() const = 0;
};

}  // namespace chronik
