// SPDX-License-Identifier: Apache-2.0
// A shard: one thread, one event loop, everything that belongs to it. Also the executor that core logic sees.
#pragma once

#include <memory>
#include <string>

#include "kernel/base/clock.h"

namespace boost::asio {
class io_context;
}

namespace chronik::server {

class Shard final : public Executor {
 public:
  // `name` is the thread's, at most 15 characters. Runs from construction until Stop.
  explicit Shard(const std::string& name);
  ~Shard() override;

  Instant Now() const override;
  WallTime WallNow() const override;
  void Post(Task task) override;
  TimerId Schedule(Duration delay, Task task) override;
  void Cancel(TimerId id) override;
  bool InThread() const override;

  // Ends the loop after the tasks that are queued now, and joins. Not from the shard's own thread.
  void Stop();
  boost::asio::io_context& io();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace chronik::server
