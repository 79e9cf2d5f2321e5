// SPDX-License-Identifier: Apache-2.0
// The threads that plugins borrow: short tasks, blocking tasks, timers. A thread starts when there is work for it; an
// idle pool uses no CPU.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <map>
#include <mutex>
#include <set>
#include <thread>
#include <utility>
#include <vector>

#include "kernel/base/clock.h"
#include "kernel/base/function.h"

namespace chronik::host {

// Thread-safe.
class TaskPool {
 public:
  static constexpr size_t kQueuedMax = 1 << 16;  // of each kind, and timers

  explicit TaskPool(size_t blocking_threads_max = 4) : blocking_threads_max_(blocking_threads_max) {}
  ~TaskPool();  // runs what was posted, drops timers
  TaskPool(const TaskPool&) = delete;
  TaskPool& operator=(const TaskPool&) = delete;

  // Short tasks run in order on one thread; blocking ones on up to `blocking_threads_max`. False: refused, because too
  // many wait, the system gives no thread, or the pool is being destroyed; then the task never runs.
  bool Post(Task task) { return Add(short_, std::move(task), 1); }
  bool PostBlocking(Task task) { return Add(blocking_, std::move(task), blocking_threads_max_); }

  // Runs `fn` on the timer thread after `delay`, then every `period` if that is above zero; runs that were missed are
  // left out. Must be short: all timers share the thread. 0: refused, as above.
  uint64_t Schedule(Duration delay, Duration period, UniqueFunction<void()> fn);
  // When it returns, the function neither runs nor will run - unless called from a timer's function, which it does not
  // wait for. An id that is not known is fine.
  void Cancel(uint64_t id);

 private:
  using TimePoint = std::chrono::steady_clock::time_point;
  struct Queue {
    std::deque<Task> tasks;
    std::condition_variable wake;
    std::vector<std::thread> threads;
    size_t idle = 0;
  };
  struct Timer {
    TimePoint due;
    Duration period;
    UniqueFunction<void()> fn;
  };

  bool Add(Queue& queue, Task task, size_t threads_max);
  void Work(Queue& queue);
  void RunTimers();
  void RunTimer(std::unique_lock<std::mutex>& lock, uint64_t id);

  const size_t blocking_threads_max_;
  std::mutex mutex_;
  bool stopping_ = false;
  Queue short_;
  Queue blocking_;
  std::map<uint64_t, Timer> timers_;
  std::set<std::pair<TimePoint, uint64_t>> due_;  // every timer that waits
  uint64_t next_timer_ = 1;
  uint64_t running_timer_ = 0;
  std::condition_variable timer_wake_;
  std::condition_variable timer_ran_;
  std::thread timer_thread_;
};

}  // namespace chronik::host
