// SPDX-License-Identifier: Apache-2.0
// Done: a one-shot completion that cannot be forgotten - destroyed unfired, it reports CHR_E_INTERNAL.
#pragma once

#include <chronik/sdk/guard.h>

CHRONIK_SDK_BEGIN

// Move-only. A call that hands you a Done and returns CHR_PENDING has moved it somewhere; whoever holds it then calls
// Complete exactly once, from any thread, but never before that call returned. Any other return value leaves it alone.
class Done {
 public:
  Done() = default;
  explicit Done(chr_done done) noexcept : done_(done) {}
  Done(Done&& other) noexcept : done_(std::exchange(other.done_, chr_done{})) {}
  Done& operator=(Done&& other) noexcept {
    if (this != &other) {
      Abandon();
      done_ = std::exchange(other.done_, chr_done{});
    }
    return *this;
  }
  ~Done() { Abandon(); }

  explicit operator bool() const noexcept { return done_.fn != nullptr; }

  void Complete(chr_status status, std::string_view message = {}) noexcept {
    const chr_done done = std::exchange(done_, chr_done{});
    if (done.fn != nullptr) {
      done.fn(done.ctx, done.tag, status, ToStr(message));
    }
  }
  // The answer was given in another way.
  void Dismiss() noexcept { done_ = chr_done{}; }

 private:
  void Abandon() noexcept { Complete(CHR_E_INTERNAL, "the plugin dropped a completion"); }

  chr_done done_{};
};

// Runs `body(Done&)`, which returns a chr_status, and sees to it that the caller gets one answer: the status, or the
// completion after CHR_PENDING.
template <class Body>
chr_status GuardDone(chr_done raw, chr_error* err, Body&& body) noexcept {
  Done done(raw);
  const chr_status status = Guard(err, [&] { return std::forward<Body>(body)(done); });
  if (done) {
    done.Dismiss();
    if (status == CHR_PENDING) {
      return Fail(err, CHR_E_INTERNAL, "the plugin answered CHR_PENDING without keeping the completion");
    }
  }
  return status;
}

CHRONIK_SDK_END
