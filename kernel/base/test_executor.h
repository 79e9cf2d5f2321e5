// SPDX-License-Identifier: Apache-2.0
// Executors for tests: any number of "threads" that share one queue in order of posting and one virtual clock, all on
// the test's own thread. The same test does the same thing each time; time passes only when the test says so.
#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "kernel/base/clock.h"
#include "kernel/base/invariant.h"

namespace chronik {

class TestThreads {
 public:
  class Thread final : public Executor {
   public:
    explicit Thread(TestThreads& all) : all_(all) {}
    Instant Now() const override { return all_.now_; }
    WallTime WallNow() const override {
      return WallTime(std::chrono::milliseconds(1'700'000'000'000) +
                      std::chrono::duration_cast<std::chrono::milliseconds>(all_.now_.time_since_epoch()));
    }
    void Post(Task task) override { tasks_.emplace_back(++all_.posted_, std::move(task)); }
    TimerId Schedule(Duration delay, Task task) override {
      const TimerId id = ++all_.posted_;
      all_.timers_.emplace(std::pair(all_.now_ + std::max(delay, Duration(0)), id), Timer{this, std::move(task)});
      return id;
    }
    void Cancel(TimerId id) override {
      std::erase_if(all_.timers_, [&](const auto& timer) { return timer.first.second == id; });
    }
    bool InThread() const override { return all_.running_ == this; }

    // While held, what was posted here waits: the way to let other threads win a race.
    void Hold(bool held) { held_ = held; }

   private:
    friend class TestThreads;
    TestThreads& all_;
    bool held_ = false;
    std::deque<std::pair<uint64_t, Task>> tasks_;
  };

  TestThreads() = default;
  TestThreads(const TestThreads&) = delete;
  TestThreads& operator=(const TestThreads&) = delete;

  Thread& Add() { return *threads_.emplace_back(std::make_unique<Thread>(*this)); }

  // Runs the task that was posted first. False: there is none.
  bool RunOne() {
    Thread* next = nullptr;
    for (const auto& thread : threads_) {
      if (thread->held_ || thread->tasks_.empty()) continue;
      if (next == nullptr || thread->tasks_.front().first < next->tasks_.front().first) next = thread.get();
    }
    if (next == nullptr) return false;
    Task task = std::move(next->tasks_.front().second);
    next->tasks_.pop_front();
    RunOn(*next, std::move(task));
    return true;
  }
  // Runs until nothing is queued. The clock stands still.
  void Run() {
    constexpr int kTasksMax = 1'000'000;
    int tasks = 0;
    while (RunOne()) CHRONIK_CHECK(++tasks < kTasksMax) << "the tasks keep each other busy for ever";
  }
  // Lets time pass: timers fire in order, each with all that follows from it.
  void Advance(Duration duration) {
    Run();
    const Instant until = now_ + duration;
    while (!timers_.empty() && timers_.begin()->first.first <= until) {
      auto timer = timers_.extract(timers_.begin());
      now_ = timer.key().first;
      RunOn(*timer.mapped().thread, std::move(timer.mapped().task));
      Run();
    }
    now_ = until;
  }
  size_t timers() const { return timers_.size(); }

 private:
  struct Timer {
    Thread* thread;
    Task task;
  };

  void RunOn(Thread& thread, Task task) {
    running_ = &thread;
    task();
    running_ = nullptr;
  }

  Instant now_{std::chrono::hours(1)};
  uint64_t posted_ = 0;
  const Thread* running_ = nullptr;
  std::map<std::pair<Instant, uint64_t>, Timer> timers_;
  std::vector<std::unique_ptr<Thread>> threads_;
};

}  // namespace chronik
