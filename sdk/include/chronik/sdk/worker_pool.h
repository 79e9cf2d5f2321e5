// SPDX-License-Identifier: Apache-2.0
// A few threads of a plugin's own for work that blocks, and a queue before them.
#pragma once

#include <pthread.h>
#include <signal.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include <chronik/sdk/version.h>

CHRONIK_SDK_BEGIN

class WorkerPool {
 public:
  using Task = std::function<void()>;  // must not throw

  WorkerPool() = default;
  WorkerPool(const WorkerPool&) = delete;
  WorkerPool& operator=(const WorkerPool&) = delete;
  ~WorkerPool() { Close(); }

  void Start(size_t threads) {
    // A signal of the process is for its own threads.
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    for (size_t i = 0; i < threads; ++i) {
      threads_.emplace_back([this] { Work(); });
    }
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
  }

  void Post(Task task) {
    const std::scoped_lock lock(mutex_);
    tasks_.push_back(std::move(task));
    wake_.notify_one();
  }

  // Until nothing is queued and nothing runs; false if that takes longer than `timeout`.
  bool AwaitIdle(std::chrono::nanoseconds timeout) {
    constexpr std::chrono::nanoseconds kLong = std::chrono::hours(24);  // the clock must not overflow
    std::unique_lock lock(mutex_);
    return idle_.wait_for(lock, std::min(timeout, kLong), [this] { return tasks_.empty() && running_ == 0; });
  }

  // Runs what is queued and what that queues, and joins.
  void Close() {
    {
      const std::scoped_lock lock(mutex_);
      closed_ = true;
      wake_.notify_all();
    }
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
  }

 private:
  void Work() {
    std::unique_lock lock(mutex_);
    while (true) {
      wake_.wait(lock, [this] { return !tasks_.empty() || (closed_ && running_ == 0); });
      if (tasks_.empty()) return;
      {
        const Task task = std::move(tasks_.front());
        tasks_.pop_front();
        ++running_;
        lock.unlock();
        task();
      }  // what the task holds is released without the lock
      lock.lock();
      --running_;
      if (tasks_.empty() && running_ == 0) {
        idle_.notify_all();
        wake_.notify_all();  // closed, they may end now
      }
    }
  }

  std::mutex mutex_;
  std::condition_variable wake_;
  std::condition_variable idle_;
  std::deque<Task> tasks_;
  size_t running_ = 0;
  bool closed_ = false;
  std::vector<std::thread> threads_;
};

CHRONIK_SDK_END
