// SPDX-License-Identifier: Apache-2.0
#include "tests/simulation/simulated_threads.h"

#include <algorithm>

#include "kernel/base/invariant.h"
#include "tests/simulation/process.h"

namespace chronik::sim {

Mutex::~Mutex() { CHRONIK_CHECK(!locked_ && waiters_.empty()) << "a mutex ends while it is in use"; }

bool Mutex::try_lock() {
  if (locked_) return false;
  locked_ = true;
  owner_ = Scheduler::CurrentThread();
  return true;
}

void Mutex::lock() {
  SimThread* const self = Scheduler::CurrentThread();
  if (self != nullptr && self->scheduler().Preempts()) Scheduler::Sleep(self->scheduler().Handoff());
  while (!try_lock()) {
    CHRONIK_CHECK(owner_ != self || self == nullptr) << self->name() << " takes a mutex twice";
    waiters_.push_back(Scheduler::NextWait());
    Scheduler::Block("a mutex", &owner_);
  }
}

void Mutex::unlock() {
  CHRONIK_CHECK(locked_) << "a mutex is freed twice";
  locked_ = false;
  owner_ = nullptr;
  if (waiters_.empty()) return;
  // One of them, in no order; somebody else may still be faster. All who lose wait for the next.
  Scheduler& scheduler = waiters_.front().thread->scheduler();
  const size_t chosen = scheduler.random().Below(waiters_.size());
  std::swap(waiters_[chosen], waiters_.back());
  scheduler.Wake(waiters_.back());
  waiters_.pop_back();
}

Condition::~Condition() { CHRONIK_CHECK(waiters_.empty()) << "a condition ends while somebody waits for it"; }

void Condition::Notify(size_t which) {
  Waiter* const waiter = waiters_[which];
  waiters_.erase(waiters_.begin() + static_cast<std::ptrdiff_t>(which));
  waiter->notified = true;
  waiter->ticket.thread->scheduler().Wake(waiter->ticket);
}

void Condition::notify_one() {
  if (waiters_.empty()) return;
  Notify(waiters_.front()->ticket.thread->scheduler().random().Below(waiters_.size()));
}

void Condition::notify_all() {
  while (!waiters_.empty()) Notify(0);
}

void Condition::wait(std::unique_lock<Mutex>& lock) {
  Waiter self{Scheduler::NextWait()};
  waiters_.push_back(&self);
  lock.unlock();
  Scheduler::Block("a condition");
  lock.lock();
}

std::cv_status Condition::wait_for(std::unique_lock<Mutex>& lock, Duration timeout) {
  Waiter self{Scheduler::NextWait()};
  Scheduler& scheduler = self.ticket.thread->scheduler();
  waiters_.push_back(&self);
  lock.unlock();
  scheduler.WakeAt(self.ticket, scheduler.Now() + timeout);
  Scheduler::Block("a condition, with a limit of time");
  std::erase(waiters_, &self);
  lock.lock();
  return self.notified ? std::cv_status::no_timeout : std::cv_status::timeout;
}

struct Thread::State {
  bool ended = false;
  std::vector<Scheduler::Ticket> joining;
};

Thread::Thread(std::function<void()> body) : state_(std::make_shared<State>()) {
  Process& process = Scheduler::NextWait().thread->process();
  process.scheduler().Spawn(process, process.name() + "/thread", [state = state_, run = std::move(body)]() mutable {
    run();
    run = nullptr;
    state->ended = true;
    for (const Scheduler::Ticket& ticket : state->joining) ticket.thread->scheduler().Wake(ticket);
  });
}

Thread::~Thread() { CHRONIK_CHECK(!joinable()) << "a thread that nobody joined"; }

Thread& Thread::operator=(Thread&& other) noexcept {
  CHRONIK_CHECK(!joinable()) << "a thread that nobody joined";
  state_ = std::move(other.state_);
  return *this;
}

void Thread::join() {
  if (!state_->ended) {
    state_->joining.push_back(Scheduler::NextWait());
    Scheduler::Block("the end of a thread");
  }
  state_.reset();
}

uint32_t RandomDevice::operator()() {
  return static_cast<uint32_t>(Scheduler::NextWait().thread->scheduler().random().Next() >> 32);
}

}  // namespace chronik::sim
