// SPDX-License-Identifier: Apache-2.0
#include "plugins/transport_thrift/loop.h"

#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <exception>
#include <future>
#include <memory>
#include <string>
#include <system_error>

namespace chronik_transport_thrift {

namespace sdk = chronik::sdk;

Wake::Wake() : fd_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  if (fd_ < 0) throw std::system_error(errno, std::system_category(), "eventfd");
}
Wake::~Wake() { ::close(fd_); }

void Wake::Notify() {
  const std::scoped_lock lock(mutex_);
  if (!std::exchange(set_, true)) ::eventfd_write(fd_, 1);
}

void Wake::Clear() {
  const std::scoped_lock lock(mutex_);
  eventfd_t ignored = 0;
  if (std::exchange(set_, false)) ::eventfd_read(fd_, &ignored);
}

std::thread StartThread(std::function<void()> body) {
  sigset_t all;
  sigset_t before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  std::thread thread;
  std::exception_ptr failure;
  try {
    thread = std::thread(std::move(body));
  } catch (...) {
    failure = std::current_exception();
  }
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (failure != nullptr) std::rethrow_exception(failure);
  return thread;
}

void Threads::Spawn(std::function<void()> body) {
  const std::scoped_lock lock(mutex_);
  entries_.emplace_back();
  const auto entry = std::prev(entries_.end());
  try {
    entry->thread = StartThread([this, entry, body = std::move(body)]() mutable {
      try {
        body();
      } catch (const std::exception& e) {
        host_.LogError(std::string("a thread of the transport ended: ") + e.what());
      }
      body = nullptr;  // what it holds goes before the thread counts as finished
      const std::scoped_lock ended(mutex_);
      entry->finished = true;
    });
  } catch (...) {
    entries_.erase(entry);
    throw;
  }
}

void Threads::JoinFinished() {
  std::list<Entry> finished;
  {
    const std::scoped_lock lock(mutex_);
    for (auto it = entries_.begin(); it != entries_.end();) {
      const auto entry = it++;
      if (entry->finished) finished.splice(finished.end(), entries_, entry);
    }
  }
  for (Entry& entry : finished) entry.thread.join();
}

void Threads::JoinAll() {
  for (;;) {
    std::thread next;
    {
      const std::scoped_lock lock(mutex_);
      const auto it =
          std::find_if(entries_.begin(), entries_.end(), [](const Entry& e) { return e.thread.joinable(); });
      if (it == entries_.end()) break;
      next = std::move(it->thread);
    }
    next.join();
  }
  const std::scoped_lock lock(mutex_);
  entries_.clear();
}

void Loop::Start() {
  thread_ = StartThread([this] { Run(); });
}

void Loop::End() {
  {
    const std::scoped_lock lock(mutex_);
    ending_ = true;
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void Loop::Post(std::function<void()> task) {
  {
    const std::scoped_lock lock(mutex_);
    if (ending_) return;
    tasks_.push_back(std::move(task));
    if (tasks_.size() > 1) return;
  }
  changed_.notify_one();
}

void Loop::RunAndWait(std::function<void()> task) {
  if (std::this_thread::get_id() == thread_.get_id()) return Post(std::move(task));
  const auto packaged = std::make_shared<std::packaged_task<void()>>(std::move(task));
  std::future<void> ran = packaged->get_future();
  {
    const std::scoped_lock lock(mutex_);
    if (ending_) throw sdk::Error(CHR_E_CLOSED, "the transport has stopped");
    tasks_.emplace_back([packaged] { (*packaged)(); });
  }
  changed_.notify_one();
  ran.get();
}

void Loop::Run() {
  std::deque<std::function<void()>> now;
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [&] { return ending_ || !tasks_.empty(); });
    if (tasks_.empty()) return;
    now.swap(tasks_);
    lock.unlock();
    for (auto& task : now) {
      try {
        task();
      } catch (const std::exception& e) {  // out of memory: what was being done is lost, timeouts find what hangs
        host_.LogError(std::string("the transport gave up an operation: ") + e.what());
      }
    }
    now.clear();
    lock.lock();
  }
}

}  // namespace chronik_transport_thrift
