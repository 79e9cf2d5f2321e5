// SPDX-License-Identifier: Apache-2.0
#include "tests/simulation/scheduler.h"

#include <algorithm>
#include <utility>

#include "kernel/base/invariant.h"
#include "tests/simulation/process.h"

namespace chronik::sim {
namespace {

thread_local SimThread* g_current = nullptr;

constexpr Duration kBlockingMax = std::chrono::hours(24);

}  // namespace

Scheduler::Scheduler(uint64_t seed, Pace pace) : random_(seed), pace_(pace) {}

Scheduler::~Scheduler() {
  CHRONIK_CHECK(idle_threads_.size() == threads_.size()) << "the run ends while threads wait:\n" << Waiting();
}

void Scheduler::At(Instant time, Task task) {
  uint32_t slot = 0;
  if (free_slots_.empty()) {
    slot = static_cast<uint32_t>(slots_.size());
    slots_.push_back(std::move(task));
  } else {
    slot = free_slots_.back();
    free_slots_.pop_back();
    slots_[slot] = std::move(task);
  }
  heap_.push_back({std::max(time, now_), ++sequence_, slot});
  std::push_heap(heap_.begin(), heap_.end());
}

Instant Scheduler::NextEvent() const { return heap_.empty() ? Instant::max() : heap_.front().time; }

bool Scheduler::RunOne() {
  CHRONIK_CHECK(g_current == nullptr) << "a simulated thread runs the loop that runs it";
  if (heap_.empty()) return false;
  std::pop_heap(heap_.begin(), heap_.end());
  const Key key = heap_.back();
  heap_.pop_back();
  Task task = std::move(slots_[key.slot]);
  free_slots_.push_back(key.slot);
  now_ = key.time;
  ++events_run_;
  trace_.Note(now_, "event", {key.sequence});
  task();
  return true;
}

void Scheduler::RunUntil(Instant time) {
  while (NextEvent() <= time) (void)RunOne();
  now_ = std::max(now_, time);
}

Duration Scheduler::Handoff() {
  const Duration max = random_.OneIn(pace_.late_one_in) ? pace_.handoff_max * 50 : pace_.handoff_max;
  return random_.Between(Duration(1), std::max(max, Duration(1)));
}

SimThread* Scheduler::AcquireThread(Process& process, const std::string& name) {
  if (idle_threads_.empty()) {
    threads_.push_back(std::unique_ptr<SimThread>(new SimThread(*this, threads_.size())));
    idle_threads_.push_back(threads_.back().get());
  }
  SimThread* const thread = idle_threads_.back();
  idle_threads_.pop_back();
  thread->process_ = &process;
  thread->name_ = name;
  return thread;
}

void Scheduler::Resume(SimThread& thread) {
  thread.waits_for_ = nullptr;
  thread.held_by_ = nullptr;
  SimThread* const before = std::exchange(g_current, &thread);
  CHRONIK_CHECK(before == nullptr) << thread.name() << " is run from within " << before->name();
  thread.fiber_.Resume();
  g_current = nullptr;
  if (!thread.fiber_.idle()) return;
  ++thread.wait_;
  idle_threads_.push_back(&thread);
}

SimThread* Scheduler::RunOnThread(Process& process, const std::string& name, Task body) {
  SimThread* const thread = AcquireThread(process, name);
  thread->fiber_.Load(std::move(body));
  Resume(*thread);
  return thread;
}

void Scheduler::Spawn(Process& process, const std::string& name, Task body) {
  SimThread* const thread = AcquireThread(process, name);
  thread->fiber_.Load(std::move(body));
  thread->waits_for_ = "its start";
  Wake({thread, ++thread->wait_});
}

void Scheduler::RunBlocking(Process& process, const std::string& name, Task task) {
  bool done = false;
  Spawn(process, name, [&] {
    task();
    done = true;
  });
  const Instant latest = now_ + kBlockingMax;
  while (!done) {
    CHRONIK_CHECK(RunOne()) << name << " never ends; these threads wait, and nothing else is to happen:\n" << Waiting();
    CHRONIK_CHECK(done || now_ < latest) << name << " has not ended after a day; these threads wait:\n" << Waiting();
  }
}

SimThread* Scheduler::CurrentThread() { return g_current; }

Scheduler::Ticket Scheduler::NextWait() {
  CHRONIK_CHECK(g_current != nullptr) << "only a simulated thread may block; this is a plain event, or no event at all";
  return {g_current, g_current->wait_ + 1};
}

void Scheduler::Block(const char* why, SimThread* const* held_by) {
  SimThread* const thread = NextWait().thread;
  ++thread->wait_;
  thread->waits_for_ = why;
  thread->held_by_ = held_by;
  // Asked anew at each link: what a thread waits for may be free by now, and the thread not awake yet.
  for (const SimThread* other = HolderFor(*thread); other != nullptr; other = HolderFor(*other)) {
    CHRONIK_CHECK(other != thread) << "deadlock: " << thread->name() << " waits for " << why << " of "
                                   << (*held_by)->name() << ", which waits for it:\n"
                                   << thread->scheduler_.Waiting();
  }
  thread->fiber_.Suspend();
}

void Scheduler::Wake(Ticket ticket) { WakeAt(ticket, now_ + Handoff()); }

void Scheduler::WakeAt(Ticket ticket, Instant time) {
  At(time, [this, ticket] { Continue(ticket); });
}

void Scheduler::Continue(Ticket ticket) {
  SimThread& thread = *ticket.thread;
  if (thread.wait_ != ticket.wait || thread.waits_for_ == nullptr) return;
  if (thread.process_->Hold([this, ticket] { Continue(ticket); })) return;
  Resume(thread);
}

void Scheduler::Sleep(Duration duration) {
  const Ticket ticket = NextWait();
  Scheduler& scheduler = ticket.thread->scheduler();
  scheduler.WakeAt(ticket, scheduler.now_ + duration);
  Block("the clock");
}

std::string Scheduler::Waiting() const {
  std::string text;
  for (const auto& thread : threads_) {
    if (thread->waits_for_ == nullptr) continue;
    text += "  " + thread->name_ + " waits for " + thread->waits_for_;
    if (const SimThread* holder = HolderFor(*thread)) text += " held by " + holder->name_;
    text += '\n';
  }
  return text;
}

}  // namespace chronik::sim
