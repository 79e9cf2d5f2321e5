// SPDX-License-Identifier: Apache-2.0
// Stand-ins for std::mutex, std::condition_variable, std::thread, std::call_once and std::random_device which block
// simulated threads (scheduler.h). Who gets a mutex or a notification is up to the run's seed. A mutex that is free may
// be taken by a plain event too; everything that blocks needs a simulated thread.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "tests/simulation/scheduler.h"

namespace chronik::sim {

class Mutex {
 public:
  Mutex() = default;
  ~Mutex();
  Mutex(const Mutex&) = delete;
  Mutex& operator=(const Mutex&) = delete;

  void lock();
  bool try_lock();
  void unlock();

 private:
  bool locked_ = false;
  SimThread* owner_ = nullptr;  // null: free, or taken by a plain event
  std::vector<Scheduler::Ticket> waiters_;
};

class Condition {
 public:
  Condition() = default;
  ~Condition();
  Condition(const Condition&) = delete;
  Condition& operator=(const Condition&) = delete;

  void notify_one();
  void notify_all();
  void wait(std::unique_lock<Mutex>& lock);
  template <class Predicate>
  void wait(std::unique_lock<Mutex>& lock, Predicate done) {
    while (!done()) wait(lock);
  }
  std::cv_status wait_for(std::unique_lock<Mutex>& lock, Duration timeout);
  template <class Predicate>
  bool wait_for(std::unique_lock<Mutex>& lock, Duration timeout, Predicate done);

 private:
  struct Waiter {
    Scheduler::Ticket ticket;
    bool notified = false;
  };
  void Notify(size_t which);

  std::vector<Waiter*> waiters_;
};

class Thread {
 public:
  Thread() = default;
  // Starts in the process of the thread that makes it.
  explicit Thread(std::function<void()> body);
  Thread(Thread&&) = default;
  Thread& operator=(Thread&& other) noexcept;
  ~Thread();

  bool joinable() const { return state_ != nullptr; }
  void join();

 private:
  struct State;
  std::shared_ptr<State> state_;
};

class OnceFlag {
 private:
  template <class F>
  friend void CallOnce(OnceFlag& flag, F&& f);
  Mutex mutex_;
  bool called_ = false;
};

template <class F>
void CallOnce(OnceFlag& flag, F&& f) {
  const std::scoped_lock lock(flag.mutex_);
  if (flag.called_) return;
  std::forward<F>(f)();
  flag.called_ = true;
}

// From the run's seed; for simulated threads.
class RandomDevice {
 public:
  uint32_t operator()();
};

template <class Predicate>
bool Condition::wait_for(std::unique_lock<Mutex>& lock, Duration timeout, Predicate done) {
  const Scheduler& scheduler = Scheduler::NextWait().thread->scheduler();
  const Instant until = scheduler.Now() + timeout;
  while (!done()) {
    if (wait_for(lock, until - scheduler.Now()) == std::cv_status::timeout) return done();
  }
  return true;
}

}  // namespace chronik::sim
