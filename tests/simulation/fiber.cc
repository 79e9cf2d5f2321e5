// SPDX-License-Identifier: Apache-2.0
#include "tests/simulation/fiber.h"

#include <cxxabi.h>
#include <sys/mman.h>

#include <cstring>
#include <utility>

#include "kernel/base/invariant.h"

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif
#ifdef __SANITIZE_THREAD__
#include <sanitizer/tsan_interface.h>
#endif

namespace chronik::sim {
namespace {

constexpr size_t kGuardBytes = 4096;
constexpr size_t kStackBytes = 256 << 10;  // AddressSanitizer wipes its notes of all of it at each switch
thread_local Fiber* g_entering = nullptr;

}  // namespace

Fiber::Fiber() {
  memory_ = ::mmap(nullptr, kGuardBytes + kStackBytes, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK | MAP_NORESERVE, -1, 0);
  CHRONIK_CHECK(memory_ != MAP_FAILED) << "no memory for a stack";
  CHRONIK_CHECK(::mprotect(memory_, kGuardBytes, PROT_NONE) == 0) << "no guard page";
  CHRONIK_CHECK(::getcontext(&inside_) == 0) << "getcontext";
  inside_.uc_stack.ss_sp = static_cast<char*>(memory_) + kGuardBytes;
  inside_.uc_stack.ss_size = kStackBytes;
  inside_.uc_link = nullptr;
  ::makecontext(&inside_, &Fiber::Enter, 0);
#ifdef __SANITIZE_THREAD__
  tsan_inside_ = __tsan_create_fiber(0);
#endif
}

Fiber::~Fiber() {
  CHRONIK_CHECK(idle()) << "a fiber ends with a task on its stack";
#ifdef __SANITIZE_ADDRESS__
  __asan_unpoison_memory_region(inside_.uc_stack.ss_sp, kStackBytes);
#endif
#ifdef __SANITIZE_THREAD__
  __tsan_destroy_fiber(tsan_inside_);
#endif
  (void)::munmap(memory_, kGuardBytes + kStackBytes);
}

void Fiber::Load(Task task) {
  CHRONIK_CHECK(idle()) << "the fiber has a task";
  task_ = std::move(task);
}

void Fiber::SwapExceptions() {
  static_assert(sizeof(Exceptions) == 16, "the Itanium C++ ABI's __cxa_eh_globals");
  void* const globals = static_cast<void*>(abi::__cxa_get_globals());
  Exceptions other;
  std::memcpy(&other, globals, sizeof other);
  std::memcpy(globals, &exceptions_, sizeof exceptions_);
  exceptions_ = other;
}

void Fiber::Resume() {
  g_entering = this;
  SwapExceptions();
#ifdef __SANITIZE_ADDRESS__
  void* fake_stack = nullptr;
  __sanitizer_start_switch_fiber(&fake_stack, inside_.uc_stack.ss_sp, kStackBytes);
#endif
#ifdef __SANITIZE_THREAD__
  tsan_outside_ = __tsan_get_current_fiber();
  __tsan_switch_to_fiber(tsan_inside_, 0);
#endif
  CHRONIK_CHECK(::swapcontext(&outside_, &inside_) == 0) << "swapcontext";
#ifdef __SANITIZE_ADDRESS__
  __sanitizer_finish_switch_fiber(fake_stack, nullptr, nullptr);
#endif
  SwapExceptions();
}

void Fiber::SwitchBack() {
#ifdef __SANITIZE_ADDRESS__
  __sanitizer_start_switch_fiber(&fake_stack_, outside_stack_, outside_stack_size_);
#endif
#ifdef __SANITIZE_THREAD__
  __tsan_switch_to_fiber(tsan_outside_, 0);
#endif
  CHRONIK_CHECK(::swapcontext(&inside_, &outside_) == 0) << "swapcontext";
#ifdef __SANITIZE_ADDRESS__
  __sanitizer_finish_switch_fiber(fake_stack_, &outside_stack_, &outside_stack_size_);
#endif
}

void Fiber::Suspend() { SwitchBack(); }

void Fiber::Enter() { g_entering->Run(); }

void Fiber::Run() {
#ifdef __SANITIZE_ADDRESS__
  __sanitizer_finish_switch_fiber(nullptr, &outside_stack_, &outside_stack_size_);
#endif
  for (;;) {
    task_();
    task_ = nullptr;
    SwitchBack();
  }
}

}  // namespace chronik::sim
