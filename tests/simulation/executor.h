// SPDX-License-Identifier: Apache-2.0
// A shard's thread, or a node's control thread, in the simulator: tasks run one at a time, in the order they were
// posted, each as an event of its own and on a simulated thread, so that a task may block (then the later ones wait).
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "kernel/base/clock.h"
#include "tests/simulation/process.h"

namespace chronik::sim {

class SimExecutor final : public Executor {
 public:
  SimExecutor(Process& process, std::string name);
  // Drops what is queued. A task must not be under way: see busy().
  ~SimExecutor() override;
  SimExecutor(const SimExecutor&) = delete;
  SimExecutor& operator=(const SimExecutor&) = delete;

  // The node's clocks.
  Instant Now() const override;
  WallTime WallNow() const override;
  // From anywhere. Runs a small random time later.
  void Post(Task task) override;
  // By the node's clock. From anywhere, for the simulator's own ends.
  TimerId Schedule(Duration delay, Task task) override;
  void Cancel(TimerId id) override;
  bool InThread() const override;

  Process& process() const;
  // A task has begun and is blocked, or runs.
  bool busy() const;
  size_t queued() const;

 private:
  struct State;
  const std::shared_ptr<State> state_;  // shared with the events that are under way
};

}  // namespace chronik::sim
