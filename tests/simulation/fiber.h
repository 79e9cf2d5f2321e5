// SPDX-License-Identifier: Apache-2.0
// A stack of its own to run tasks on, left and entered again at will: what a simulated thread stands on. All fibers
// belong to the operating system's thread that made them, and exactly one piece of code runs at a time.
#pragma once

#include <ucontext.h>

#include <cstddef>

#include "kernel/base/function.h"

namespace chronik::sim {

class Fiber {
 public:
  Fiber();
  // The fiber must be idle: what stands on a stack that is left for good is never destroyed.
  ~Fiber();
  Fiber(const Fiber&) = delete;
  Fiber& operator=(const Fiber&) = delete;

  // Gives an idle fiber its next task; Resume begins it.
  void Load(Task task);
  // Not from within a fiber. Runs until the task suspends or has returned.
  void Resume();
  // On this fiber only: goes back to Resume's caller.
  void Suspend();
  bool idle() const { return !task_; }

 private:
  static void Enter();
  [[noreturn]] void Run();
  void SwitchBack();

  void* memory_ = nullptr;  // a guard page, then the stack
  ucontext_t inside_{};
  ucontext_t outside_{};
  Task task_;
  // The C++ runtime's count of exceptions in flight is per thread of the operating system, hence kept per fiber here.
  struct Exceptions {
    void* caught = nullptr;
    unsigned int uncaught = 0;
  } exceptions_;
  void SwapExceptions();
  // What the sanitizers must be told at each switch.
  void* fake_stack_ = nullptr;
  const void* outside_stack_ = nullptr;
  size_t outside_stack_size_ = 0;
  void* tsan_inside_ = nullptr;
  void* tsan_outside_ = nullptr;
};

}  // namespace chronik::sim
