// SPDX-License-Identifier: Apache-2.0
// Calls of a plugin under test, and how a suite sees that none of its own functions is called from inside one.
#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>

#include <chronik/abi.h>

namespace chronik_conformance {

inline constexpr std::chrono::seconds kPatience{60};  // then something that must happen counts as never

// Reports a broken rule. Any thread; each suite defines it.
void Breach(const std::string& rule);

// > 0 while this thread is inside a call of the plugin.
inline thread_local int in_call = 0;
template <class Call>
auto Calling(Call call) {
  struct Mark {
    Mark() { ++in_call; }
    ~Mark() { --in_call; }
  } const mark;
  return call();
}

inline chr_error BlankError() {
  chr_error err{};
  err.struct_size = sizeof(err);
  return err;
}

// A chr_done and what came of it. Must outlive the operation.
class DoneWaiter {
 public:
  chr_done Raw() {
    return {[](void* ctx, uint64_t, chr_status status, chr_str message) noexcept {
              auto* me = static_cast<DoneWaiter*>(ctx);
              if (in_call > 0) Breach("GEN-18: a chr_done was called from inside a call of the host");
              const std::scoped_lock lock(me->mutex_);
              if (me->status_) Breach("GEN-18: a chr_done was called twice");
              me->status_ = status;
              me->message_.assign(message.data, message.size);
              me->changed_.notify_all();
            },
            this, 0};
  }
  // The final status of a call that returned `status`.
  chr_status Resolve(chr_status status) {
    std::unique_lock lock(mutex_);
    if (status != CHR_PENDING) {
      if (status_) Breach("GEN-18: a chr_done was called although the call did not return CHR_PENDING");
      return status;
    }
    if (!changed_.wait_for(lock, kPatience, [this] { return status_.has_value(); })) {
      throw std::runtime_error("a chr_done was never called");
    }
    return *status_;
  }
  bool IsComplete() {
    const std::scoped_lock lock(mutex_);
    return status_.has_value();
  }
  std::string message() {
    const std::scoped_lock lock(mutex_);
    return message_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::optional<chr_status> status_;
  std::string message_;
};

}  // namespace chronik_conformance
