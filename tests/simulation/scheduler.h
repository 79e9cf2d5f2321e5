// SPDX-License-Identifier: Apache-2.0
// The simulator's time and its run loop. Everything that happens is an event; events run one at a time, by time, and at
// the same time in the order they were asked for. The virtual clock jumps from event to event.
//
// Code runs in one of two ways:
//   - a plain event (At, After) runs on the loop's own stack: fault injectors, networks, checks. It must not block.
//   - a simulated thread has a stack of its own and may block on simulated_threads.h, on the simulated disk and in
//     Sleep. The tasks of a SimExecutor (executor.h) and the threads of a plugin are of this kind.
// A thread that becomes ready runs a small random time later, so that other seeds see other interleavings.
//
// One Scheduler belongs to one thread of the operating system and must be the only one that it runs at a time. It
// outlives all that refers to it. Reader's order: random.h, trace.h, fiber.h, this file, process.h, executor.h,
// simulated_threads.h.
#pragma once

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "kernel/base/clock.h"
#include "kernel/base/function.h"
#include "tests/simulation/fiber.h"
#include "tests/simulation/random.h"
#include "tests/simulation/trace.h"

namespace chronik::sim {

class Process;
class Scheduler;

// One simulated thread. Owned by the scheduler and used again for another thread once its body has returned.
class SimThread {
 public:
  const std::string& name() const { return name_; }
  Process& process() const { return *process_; }
  Scheduler& scheduler() const { return scheduler_; }

 private:
  friend class Scheduler;
  SimThread(Scheduler& scheduler, uint64_t number) : scheduler_(scheduler), number_(number) {}

  Scheduler& scheduler_;
  const uint64_t number_;
  Fiber fiber_;
  std::string name_;
  Process* process_ = nullptr;
  uint64_t wait_ = 0;                // counts what it waited for; a wake-up that is meant for an earlier wait is void
  const char* waits_for_ = nullptr;  // null: it runs
  SimThread* const* held_by_ = nullptr;  // where it stands who has what it waits for now, if that is one thread
};

class Scheduler {
 public:
  // How long a ready thread or a posted task waits for its turn: up to `handoff_max`, once in `late_one_in` times up to
  // 50 times as long. `preempt_one_in`: how often a thread loses its turn just before it takes a mutex.
  struct Pace {
    Duration handoff_max = std::chrono::microseconds(20);
    uint64_t late_one_in = 200;
    uint64_t preempt_one_in = 50;
  };

  explicit Scheduler(uint64_t seed) : Scheduler(seed, Pace{}) {}
  Scheduler(uint64_t seed, Pace pace);
  ~Scheduler();
  Scheduler(const Scheduler&) = delete;
  Scheduler& operator=(const Scheduler&) = delete;

  Instant Now() const { return now_; }
  Random& random() { return random_; }
  Trace& trace() { return trace_; }
  void Note(std::string_view kind, std::initializer_list<uint64_t> numbers) { trace_.Note(now_, kind, numbers); }
  uint64_t events() const { return events_run_; }

  void At(Instant time, Task task);  // not before now
  void After(Duration delay, Task task) { At(now_ + delay, std::move(task)); }
  // Runs the next event. False: there is none.
  bool RunOne();
  // Runs what is due until then; afterwards it is then.
  void RunUntil(Instant time);
  void RunFor(Duration duration) { RunUntil(now_ + duration); }
  // When the next event is due; Instant::max(): there is none.
  Instant NextEvent() const;

  // For what blocks (a plugin's start, opening groups): runs `task` on a thread of `process`, and events, until it has
  // returned. From outside of any event only; an event posts to an executor instead. If that would take for ever,
  // CHRONIK_CHECK fails and names all threads that wait and what for.
  void RunBlocking(Process& process, const std::string& name, Task task);
  // Starts a thread, after a random while.
  void Spawn(Process& process, const std::string& name, Task body);
  // Runs `body` on a thread now, as part of the current plain event, until it blocks or returns.
  SimThread* RunOnThread(Process& process, const std::string& name, Task body);

  // The thread that runs now; null in a plain event.
  static SimThread* CurrentThread();
  // For the current thread:
  static void Sleep(Duration duration);
  // What synchronisation is made of: note the ticket, tell whoever shall wake it, and block.
  struct Ticket {
    SimThread* thread = nullptr;
    uint64_t wait = 0;
  };
  static Ticket NextWait();
  static void Block(const char* why, SimThread* const* held_by = nullptr);
  // Lets the thread go on after a random while, if it still waits for that. Later wake-ups for the same wait are void.
  void Wake(Ticket ticket);
  void WakeAt(Ticket ticket, Instant time);
  Duration Handoff();
  bool Preempts() { return random_.OneIn(pace_.preempt_one_in); }

  // Each thread that waits, and what for; one line each.
  std::string Waiting() const;

 private:
  static const SimThread* HolderFor(const SimThread& thread) {
    return thread.held_by_ != nullptr ? *thread.held_by_ : nullptr;
  }
  struct Key {
    Instant time;
    uint64_t sequence;
    uint32_t slot;
    // For a heap whose first element is the next event.
    bool operator<(const Key& other) const {
      return time != other.time ? time > other.time : sequence > other.sequence;
    }
  };

  SimThread* AcquireThread(Process& process, const std::string& name);
  void Continue(Ticket ticket);
  void Resume(SimThread& thread);

  Instant now_{std::chrono::hours(1)};
  Random random_;
  const Pace pace_;
  Trace trace_;
  uint64_t sequence_ = 0;
  uint64_t events_run_ = 0;
  std::vector<Key> heap_;
  std::vector<Task> slots_;
  std::vector<uint32_t> free_slots_;
  std::vector<std::unique_ptr<SimThread>> threads_;
  std::vector<SimThread*> idle_threads_;
};

}  // namespace chronik::sim
