// SPDX-License-Identifier: Apache-2.0
// One simulated process of an operating system: what a node's executors and threads have in common. It can be stopped
// for a while (SIGSTOP), it can be killed, and its clocks can be wrong.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tests/simulation/scheduler.h"

namespace chronik::sim {

// Told of Process::Kill, at once.
class KillListener {
 public:
  virtual ~KillListener() = default;
  virtual void Killed() = 0;
};

class Process {
 public:
  // Outlives its threads and executors.
  Process(Scheduler& scheduler, std::string name);

  Scheduler& scheduler() const { return scheduler_; }
  const std::string& name() const { return name_; }

  // Nothing of it runs for that long; what falls due meanwhile runs afterwards, in order. Its clocks go on.
  void Pause(Duration duration);
  bool paused() const { return scheduler_.Now() < paused_until_; }
  // Its executors drop what they have, and what they get from now on; a task that is blocked still runs to its end. Its
  // other threads go on, as their owner has to join them: whoever kills a process makes its disk and network refuse
  // (SimDisk::Crash) and then stops its plugins. Also ends a pause.
  void Kill();
  bool killed() const { return killed_; }

  // The node's own clocks. The monotonic one can be fast or slow, by `parts_per_million` from now on, and is never
  // behind what it showed before. The wall clock can also jump.
  Instant Now() const;
  WallTime WallNow() const;
  void SetRate(int64_t parts_per_million);
  void JumpWall(Duration jump) { wall_offset_ += jump; }
  // How long the simulator's clock takes while the node's own advances by `own`.
  Duration TrueDuration(Duration own) const;

  // For what runs in this process: true if it is paused; then `task` is called when it goes on.
  bool Hold(Task task);
  void Add(KillListener* listener) { kill_listeners_.push_back(listener); }
  void Remove(KillListener* listener) { std::erase(kill_listeners_, listener); }

 private:
  void Continue();

  Scheduler& scheduler_;
  const std::string name_;
  Instant paused_until_{};
  std::vector<Task> held_;
  bool killed_ = false;
  std::vector<KillListener*> kill_listeners_;
  Instant rate_since_;   // on the simulator's clock
  Instant own_at_rate_;  // on the own clock, at that time
  int64_t parts_per_million_ = 0;
  Duration wall_offset_{0};
};

}  // namespace chronik::sim
