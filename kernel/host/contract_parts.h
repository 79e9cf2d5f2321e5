// SPDX-License-Identifier: Apache-2.0
// What the contract-checking layers are made of: an output struct with a guard behind it, a text buffer likewise, lent
// buffers that are counted, and completions that reach the kernel once and in time or not at all.
#pragma once

#include <chronik/abi.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "kernel/host/contract_monitor.h"

namespace chronik::host {

// An output struct of the caller's with a guard behind it: GEN-5.
template <class T>
class Guarded {
 public:
  explicit Guarded(T* callers) : callers_(callers) {
    if (callers == nullptr) return;
    std::memcpy(static_cast<void*>(&space_.value), callers, std::min<size_t>(callers->struct_size, sizeof(T)));
    std::memset(space_.guard, 0x5A, sizeof space_.guard);
  }
  T* get() { return callers_ == nullptr ? nullptr : &space_.value; }
  void Return(ContractMonitor* monitor, const char* call) {
    if (callers_ == nullptr) return;
    const bool intact = std::all_of(std::begin(space_.guard), std::end(space_.guard), [](char c) { return c == 0x5A; });
    if (!intact || space_.value.struct_size != callers_->struct_size) {
      monitor->Violation("GEN-5", call, "wrote beyond the caller's struct_size, or changed it");
      space_.value.struct_size = callers_->struct_size;
    }
    std::memcpy(static_cast<void*>(callers_), &space_.value, std::min<size_t>(callers_->struct_size, sizeof(T)));
  }

 private:
  T* const callers_;
  struct {
    T value;
    char guard[64];
  } space_{};
};

// A call that writes text to out[0, cap), NUL-terminated: GEN-5, and `rule` where the NUL is missing.
chr_status GuardedText(ContractMonitor* monitor, const char* rule, const char* call, char* out, size_t cap,
                       const std::function<chr_status(char* out, size_t cap)>& ask);

// References to buffers of the host that the plugin holds. Outlives the instance.
class LentBuffers {
 public:
  class Owner;  // of one buffer; lives until it is dropped and the plugin gave back what it retained

  // What the plugin is given in place of `buf`, and who must be dropped when it may no longer look at it.
  chr_buf Lend(const chr_buf& buf, std::vector<Owner*>* owners);
  static void Drop(std::vector<Owner*>* owners);
  // After destroy: GEN-17 if the plugin kept some.
  void Destroyed(ContractMonitor* monitor) const;

 private:
  std::atomic<int64_t> kept_{0};
};

// The chr_done of calls that may be pending. Each one that was told stays in memory until the layer goes: the plugin
// may tell it again. Thread-safe.
class Completions {
 public:
  explicit Completions(ContractMonitor* monitor);
  ~Completions();
  Completions(const Completions&) = delete;
  Completions& operator=(const Completions&) = delete;

  // A call of the plugin with a chr_done; `call` is given one to pass on in place of the kernel's. `before` runs ahead
  // of the kernel's. The status is what the kernel should see.
  chr_status Run(const char* name, ContractMonitor::Call::Kind kind, chr_done kernel,
                 const std::function<chr_status(chr_done)>& call, std::function<void(chr_status)> before = {});
  // After stop completed: PLG-8 for what is still pending, and for what comes from now on.
  void Stopped();

 private:
  class Completion;

  ContractMonitor* const monitor_;
  std::atomic<bool> stopped_{false};
  std::mutex mutex_;
  std::vector<std::unique_ptr<Completion>> all_;
};

}  // namespace chronik::host
