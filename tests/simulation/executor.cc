// SPDX-License-Identifier: Apache-2.0
#include "tests/simulation/executor.h"

#include <algorithm>
#include <deque>
#include <map>
#include <utility>

#include "kernel/base/invariant.h"

namespace chronik::sim {

struct SimExecutor::State final : KillListener, std::enable_shared_from_this<State> {
  State(Process& of, std::string executor_name) : process(of), name(std::move(executor_name)) {}
  void Killed() override { Drop(); }

  struct Queued {
    Instant due;
    Task task;
  };

  Scheduler& scheduler() const { return process.scheduler(); }
  bool dead() const { return destroyed || process.killed(); }

  void Add(Task task) {
    if (dead()) return;
    last_due = std::max(last_due, scheduler().Now() + scheduler().Handoff());
    queue.push_back({last_due, std::move(task)});
    Arm();
  }
  // At most one event is under way for the head of the queue, and none while a task runs.
  void Arm() {
    if (armed || running || queue.empty()) return;
    armed = true;
    scheduler().At(queue.front().due, [self = shared_from_this()] { self->RunHead(); });
  }
  void RunHead() {
    if (!dead() && process.Hold([self = shared_from_this()] { self->RunHead(); })) return;
    armed = false;
    if (dead()) return;
    running = true;
    scheduler().RunOnThread(process, name, [self = shared_from_this()] {
      self->thread = Scheduler::CurrentThread();
      {
        Task task = std::move(self->queue.front().task);
        self->queue.pop_front();
        task();
      }
      self->thread = nullptr;
      self->running = false;
      self->Arm();
    });
  }
  void Drop() {
    // Emptied first: what a dropped task owns may come back here.
    const auto dropped = std::exchange(queue, {});
    const auto stopped = std::exchange(timers, {});
  }

  Process& process;
  const std::string name;
  std::deque<Queued> queue;
  Instant last_due{};
  bool armed = false;
  bool running = false;
  bool destroyed = false;
  const SimThread* thread = nullptr;
  TimerId last_timer = 0;
  std::map<TimerId, Task> timers;
};

SimExecutor::SimExecutor(Process& process, std::string name)
    : state_(std::make_shared<State>(process, process.name() + "/" + std::move(name))) {
  process.Add(state_.get());
}

SimExecutor::~SimExecutor() {
  CHRONIK_CHECK(!busy()) << state_->name << " ends in the middle of a task";
  state_->process.Remove(state_.get());
  state_->destroyed = true;
  state_->Drop();
}

Instant SimExecutor::Now() const { return state_->process.Now(); }
WallTime SimExecutor::WallNow() const { return state_->process.WallNow(); }
void SimExecutor::Post(Task task) { state_->Add(std::move(task)); }

Executor::TimerId SimExecutor::Schedule(Duration delay, Task task) {
  if (state_->dead()) return 0;
  const TimerId id = ++state_->last_timer;
  state_->timers.emplace(id, std::move(task));
  const Duration wait = state_->process.TrueDuration(std::max(delay, Duration(0)));
  state_->scheduler().After(wait, [state = state_, id] {
    if (!state->timers.contains(id)) return;
    // The task may still be cancelled while it waits for its turn.
    state->Add([state, id] {
      const auto found = state->timers.find(id);
      if (found == state->timers.end()) return;
      Task due = std::move(found->second);
      state->timers.erase(found);
      due();
    });
  });
  return id;
}

void SimExecutor::Cancel(TimerId id) { state_->timers.erase(id); }

bool SimExecutor::InThread() const { return state_->thread != nullptr && state_->thread == Scheduler::CurrentThread(); }

Process& SimExecutor::process() const { return state_->process; }
bool SimExecutor::busy() const { return state_->running; }
size_t SimExecutor::queued() const { return state_->queue.size(); }

}  // namespace chronik::sim
