// SPDX-License-Identifier: Apache-2.0
#include "kernel/host/tasks.h"

#include <algorithm>
#include <system_error>

#include "kernel/base/log.h"

namespace chronik::host {
namespace {

// Keeps now + delay from overflowing.
constexpr Duration kDelayMax = std::chrono::hours(24 * 365);

// An empty thread where the system gives none.
template <class Fn>
std::thread StartThread(Fn fn) {
  try {
    return std::thread(std::move(fn));
  } catch (const std::system_error& e) {
    CHRONIK_LOG(kWarn) << "cannot start a thread for plugin tasks: " << e.what();
    return {};
  }
}

}  // namespace

TaskPool::~TaskPool() {
  std::map<uint64_t, Timer> dropped;  // destroyed outside the lock
  {
    const std::scoped_lock lock(mutex_);
    stopping_ = true;  // from here on no thread is added
    dropped.swap(timers_);
    due_.clear();
  }
  short_.wake.notify_all();
  blocking_.wake.notify_all();
  timer_wake_.notify_all();
  for (Queue* queue : {&short_, &blocking_}) {
    for (std::thread& thread : queue->threads) thread.join();
  }
  if (timer_thread_.joinable()) timer_thread_.join();
}

bool TaskPool::Add(Queue& queue, Task task, size_t threads_max) {
  {
    const std::scoped_lock lock(mutex_);
    if (stopping_ || queue.tasks.size() >= kQueuedMax) return false;
    if (queue.idle <= queue.tasks.size() && queue.threads.size() < threads_max) {
      std::thread thread = StartThread([this, &queue] { Work(queue); });
      if (thread.joinable()) queue.threads.push_back(std::move(thread));
      if (queue.threads.empty()) return false;
    }
    queue.tasks.push_back(std::move(task));
  }
  queue.wake.notify_one();
  return true;
}

void TaskPool::Work(Queue& queue) {
  std::unique_lock lock(mutex_);
  for (;;) {
    ++queue.idle;
    queue.wake.wait(lock, [&] { return stopping_ || !queue.tasks.empty(); });
    --queue.idle;
    if (queue.tasks.empty()) return;
    Task task = std::move(queue.tasks.front());
    queue.tasks.pop_front();
    lock.unlock();
    task();
    task = nullptr;
    lock.lock();
  }
}

uint64_t TaskPool::Schedule(Duration delay, Duration period, UniqueFunction<void()> fn) {
  uint64_t id = 0;
  const auto due = std::chrono::steady_clock::now() + std::clamp(delay, Duration::zero(), kDelayMax);
  {
    const std::scoped_lock lock(mutex_);
    if (stopping_ || timers_.size() >= kQueuedMax) return 0;
    if (!timer_thread_.joinable()) timer_thread_ = StartThread([this] { RunTimers(); });
    if (!timer_thread_.joinable()) return 0;
    id = next_timer_++;
    timers_.emplace(id, Timer{due, std::min(period, kDelayMax), std::move(fn)});
    due_.emplace(due, id);
  }
  timer_wake_.notify_one();
  return id;
}

void TaskPool::Cancel(uint64_t id) {
  if (id == 0) return;  // no timer has it, and while none runs it would be waited for as the one that does
  Timer cancelled;      // destroyed outside the lock
  std::unique_lock lock(mutex_);
  if (const auto found = timers_.find(id); found != timers_.end()) {
    due_.erase({found->second.due, id});
    cancelled = std::move(found->second);
    timers_.erase(found);
  }
  if (std::this_thread::get_id() != timer_thread_.get_id()) {
    timer_ran_.wait(lock, [&] { return running_timer_ != id; });
  }
  lock.unlock();
}

void TaskPool::RunTimers() {
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    if (due_.empty()) {
      timer_wake_.wait(lock);
      continue;
    }
    const auto [due, id] = *due_.begin();
    if (due > std::chrono::steady_clock::now()) {
      timer_wake_.wait_until(lock, due);
      continue;
    }
    due_.erase(due_.begin());
    RunTimer(lock, id);
  }
}

void TaskPool::RunTimer(std::unique_lock<std::mutex>& lock, uint64_t id) {
  // The function is moved out while it runs, and the entry stays in timers_ if it is periodic: Cancel removes either.
  const auto entry = timers_.find(id);
  UniqueFunction<void()> fn = std::move(entry->second.fn);
  if (entry->second.period <= Duration::zero()) timers_.erase(entry);
  running_timer_ = id;
  lock.unlock();
  fn();
  lock.lock();
  if (const auto kept = timers_.find(id); kept != timers_.end()) {
    Timer& timer = kept->second;
    const auto now = std::chrono::steady_clock::now();
    timer.due = std::max(timer.due + timer.period, now);
    timer.fn = std::move(fn);
    due_.emplace(timer.due, id);
  }
  // What the function owns goes before Cancel returns.
  lock.unlock();
  fn = nullptr;
  lock.lock();
  running_timer_ = 0;
  timer_ran_.notify_all();
}

}  // namespace chronik::host
