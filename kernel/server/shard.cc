// SPDX-License-Identifier: Apache-2.0
#include "kernel/server/shard.h"

#include <pthread.h>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <mutex>
#include <thread>
#include <unordered_map>
#include <utility>
#include <vector>

namespace chronik::server {

// Tasks of other threads gather in `inbox`; the first one wakes the loop, which takes all that are there at once.
struct Shard::Impl {
  boost::asio::io_context io{1};
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work{io.get_executor()};
  std::mutex mutex;
  std::vector<Task> inbox;
  std::vector<Task> running;
  std::unordered_map<TimerId, std::unique_ptr<boost::asio::steady_timer>> timers;
  TimerId next_timer = 1;
  std::thread thread;

  void Drain() {
    {
      const std::scoped_lock lock(mutex);
      running.swap(inbox);
    }
    for (Task& task : running) task();
    running.clear();
  }
};

Shard::Shard(const std::string& name) : impl_(std::make_unique<Impl>()) {
  impl_->thread = std::thread([this] { impl_->io.run(); });
  ::pthread_setname_np(impl_->thread.native_handle(), name.substr(0, 15).c_str());
}

Shard::~Shard() { Stop(); }

boost::asio::io_context& Shard::io() { return impl_->io; }

Instant Shard::Now() const {
  return Instant(std::chrono::duration_cast<Duration>(std::chrono::steady_clock::now().time_since_epoch()));
}

WallTime Shard::WallNow() const {
  return std::chrono::time_point_cast<std::chrono::milliseconds>(std::chrono::system_clock::now());
}

void Shard::Post(Task task) {
  bool first = false;
  {
    const std::scoped_lock lock(impl_->mutex);
    first = impl_->inbox.empty();
    impl_->inbox.push_back(std::move(task));
  }
  if (first) boost::asio::post(impl_->io, [impl = impl_.get()] { impl->Drain(); });
}

Executor::TimerId Shard::Schedule(Duration delay, Task task) {
  const TimerId id = impl_->next_timer++;
  auto timer = std::make_unique<boost::asio::steady_timer>(
      impl_->io, std::chrono::duration_cast<std::chrono::steady_clock::duration>(delay));
  timer->async_wait([impl = impl_.get(), id, task = std::move(task)](const boost::system::error_code& error) mutable {
    if (error || impl->timers.erase(id) == 0) return;
    task();
  });
  impl_->timers.emplace(id, std::move(timer));
  return id;
}

void Shard::Cancel(TimerId id) { impl_->timers.erase(id); }

bool Shard::InThread() const { return std::this_thread::get_id() == impl_->thread.get_id(); }

void Shard::Stop() {
  if (!impl_->thread.joinable()) return;
  Post([this] {
    impl_->timers.clear();
    impl_->work.reset();
    impl_->io.stop();
  });
  impl_->thread.join();
}

}  // namespace chronik::server
