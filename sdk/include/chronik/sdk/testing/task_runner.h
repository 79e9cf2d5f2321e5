// SPDX-License-Identifier: Apache-2.0
// The fake host's threads and clock: posted tasks on real threads, or by hand; timers in real or simulated time.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <map>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include <chronik/host.h>
#include <chronik/sdk/version.h>

CHRONIK_SDK_BEGIN
namespace testing {

using TaskFn = void (*)(void*) CHR_NX;

// A queue of tasks and the threads that run them. Zero threads: the test runs them with RunAll.
class TaskRunner {
 public:
  explicit TaskRunner(size_t threads) {
    for (size_t i = 0; i < threads; ++i) {
      threads_.emplace_back([this] { Work(); });
    }
  }
  TaskRunner(const TaskRunner&) = delete;
  TaskRunner& operator=(const TaskRunner&) = delete;
  ~TaskRunner() { Close(); }

  chr_status Post(TaskFn fn, void* arg) {
    const std::scoped_lock lock(mutex_);
    if (closed_) {
      return CHR_E_CLOSED;
    }
    tasks_.emplace_back(fn, arg);
    wake_.notify_one();
    return CHR_OK;
  }

  // While paused nothing starts; what already runs goes on.
  void SetPaused(bool paused) {
    const std::scoped_lock lock(mutex_);
    paused_ = paused;
    wake_.notify_all();
  }

  // Runs, on this thread, tasks until none is queued. Returns how many ran.
  size_t RunAll() {
    size_t ran = 0;
    std::unique_lock lock(mutex_);
    while (!tasks_.empty()) {
      RunFront(lock);
      ++ran;
    }
    return ran;
  }

  // Refuses new tasks, runs the queued ones and joins.
  void Close() {
    {
      const std::scoped_lock lock(mutex_);
      closed_ = true;
      paused_ = false;
      wake_.notify_all();
    }
    for (std::thread& thread : threads_) {
      thread.join();
    }
    threads_.clear();
    RunAll();
  }

 private:
  void Work() {
    std::unique_lock lock(mutex_);
    for (;;) {
      wake_.wait(lock, [this] { return closed_ || (!paused_ && !tasks_.empty()); });
      if (tasks_.empty()) {
        return;
      }
      RunFront(lock);
    }
  }
  void RunFront(std::unique_lock<std::mutex>& lock) {
    const auto [fn, arg] = tasks_.front();
    tasks_.pop_front();
    lock.unlock();
    fn(arg);
    lock.lock();
  }

  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::pair<TaskFn, void*>> tasks_;
  bool paused_ = false;
  bool closed_ = false;
  std::vector<std::thread> threads_;
};

// Timers on one clock. Real: the process's steady clock and one thread. Simulated: time moves in Advance only, and
// timers fire on the thread that calls it.
class TimerWheel {
 public:
  explicit TimerWheel(bool simulated) : simulated_(simulated) {
    if (!simulated_) {
      thread_ = std::thread([this] { Work(); });
    }
  }
  TimerWheel(const TimerWheel&) = delete;
  TimerWheel& operator=(const TimerWheel&) = delete;
  ~TimerWheel() {
    {
      const std::scoped_lock lock(mutex_);
      closed_ = true;
      changed_.notify_all();
    }
    if (thread_.joinable()) {
      thread_.join();
    }
  }

  uint64_t MonoNs() const {
    const std::scoped_lock lock(mutex_);
    return Now();
  }

  uint64_t Start(uint64_t delay_ns, uint64_t period_ns, TaskFn fn, void* arg) {
    const std::scoped_lock lock(mutex_);
    const uint64_t id = next_id_++;
    timers_.emplace(id, Timer{Now() + delay_ns, period_ns, fn, arg});
    changed_.notify_all();
    return id;
  }

  void Cancel(uint64_t id) {
    std::unique_lock lock(mutex_);
    timers_.erase(id);
    if (runner_ != std::this_thread::get_id()) {
      changed_.wait(lock, [&] { return running_ != id; });
    }
  }

  void Advance(uint64_t ns) {
    std::unique_lock lock(mutex_);
    const uint64_t target = simulated_ns_ + ns;
    for (;;) {
      const auto due = Earliest();
      if (!due || timers_.at(*due).at_ns > target) {
        break;
      }
      simulated_ns_ = timers_.at(*due).at_ns;
      Fire(*due, lock);
    }
    simulated_ns_ = target;
  }

 private:
  struct Timer {
    uint64_t at_ns;
    uint64_t period_ns;
    TaskFn fn;
    void* arg;
  };

  uint64_t Now() const {
    return simulated_ ? simulated_ns_
                      : static_cast<uint64_t>(
                            std::chrono::nanoseconds(std::chrono::steady_clock::now().time_since_epoch()).count());
  }
  std::optional<uint64_t> Earliest() const {
    std::optional<uint64_t> best;
    for (const auto& [id, timer] : timers_) {
      if (!best || timer.at_ns < timers_.at(*best).at_ns) {
        best = id;
      }
    }
    return best;
  }
  void Fire(uint64_t id, std::unique_lock<std::mutex>& lock) {
    Timer& timer = timers_.at(id);
    const Timer now = timer;
    if (now.period_ns == 0) {
      timers_.erase(id);
    } else {
      timer.at_ns += now.period_ns;
    }
    running_ = id;
    runner_ = std::this_thread::get_id();
    lock.unlock();
    now.fn(now.arg);
    lock.lock();
    running_ = 0;
    runner_ = std::thread::id();
    changed_.notify_all();
  }
  void Work() {
    std::unique_lock lock(mutex_);
    while (!closed_) {
      const auto due = Earliest();
      if (!due) {
        changed_.wait(lock);
        continue;
      }
      const uint64_t at_ns = timers_.at(*due).at_ns;
      const uint64_t now_ns = Now();
      if (at_ns > now_ns) {
        changed_.wait_for(lock, std::chrono::nanoseconds(at_ns - now_ns));
      } else {
        Fire(*due, lock);
      }
    }
  }

  const bool simulated_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::map<uint64_t, Timer> timers_;
  uint64_t next_id_ = 1;
  uint64_t simulated_ns_ = 1'000'000'000;
  uint64_t running_ = 0;
  std::thread::id runner_;
  bool closed_ = false;
  std::thread thread_;
};

}  // namespace testing
CHRONIK_SDK_END
