// SPDX-License-Identifier: Apache-2.0
#include "kernel/host/contract_parts.h"

#include <string>
#include <utility>

namespace chronik::host {

chr_status GuardedText(ContractMonitor* monitor, const char* rule, const char* call, char* out, size_t cap,
                       const std::function<chr_status(char* out, size_t cap)>& ask) {
  constexpr size_t kGuard = 64;
  std::vector<char> space(cap + kGuard, 0x5A);
  const chr_status status = [&] {
    const ContractMonitor::Call scope(monitor, call, ContractMonitor::Call::Kind::kControl);
    return ask(space.data(), cap);
  }();
  const auto end = space.begin() + static_cast<ptrdiff_t>(cap);
  if (!std::all_of(end, space.end(), [](char c) { return c == 0x5A; })) {
    monitor->Violation("GEN-5", call, "wrote beyond the caller's buffer");
  }
  const chr_status final_status = monitor->FinalStatus(call, status);
  if (final_status < 0) return final_status;
  if (std::find(space.begin(), end, '\0') == end) {
    monitor->Violation(rule, call, "the text has no NUL");
    return CHR_E_INTERNAL;
  }
  std::memcpy(out, space.data(), cap);
  return final_status;
}

// --- lent buffers ---

class LentBuffers::Owner : public chr_owner {
 public:
  Owner(chr_owner* real, std::atomic<int64_t>* kept) : chr_owner{&Retain, &Release}, real_(real), kept_(kept) {}
  void Drop() {
    if (references_.fetch_sub(1) == 1) delete this;
  }

 private:
  static void Retain(chr_owner* owner) noexcept {
    auto* me = static_cast<Owner*>(owner);
    me->references_.fetch_add(1);
    me->kept_->fetch_add(1);
    me->real_->retain(me->real_);
  }
  static void Release(chr_owner* owner) noexcept {
    auto* me = static_cast<Owner*>(owner);
    me->kept_->fetch_sub(1);
    me->real_->release(me->real_);
    me->Drop();
  }

  chr_owner* const real_;
  std::atomic<int64_t>* const kept_;
  std::atomic<int64_t> references_{1};
};

chr_buf LentBuffers::Lend(const chr_buf& buf, std::vector<Owner*>* owners) {
  if (buf.owner == nullptr) return buf;
  owners->push_back(new Owner(buf.owner, &kept_));
  return {buf.data, buf.size, owners->back()};
}

void LentBuffers::Drop(std::vector<Owner*>* owners) {
  for (Owner* owner : *owners) owner->Drop();
  owners->clear();
}

void LentBuffers::Destroyed(ContractMonitor* monitor) const {
  const int64_t kept = kept_.load();
  if (kept == 0) return;
  monitor->Violation("GEN-17", "destroy",
                     kept > 0 ? std::to_string(kept) + " references to buffers of the host were never released"
                              : std::to_string(-kept) + " references were released that were never retained");
}

// --- completions ---

class Completions::Completion {
 public:
  enum class State { kOpen, kTold, kNotPending };

  Completion(Completions* owner, chr_done kernel, const char* call, std::function<void(chr_status)> before)
      : owner_(owner), kernel_(kernel), call_(call), before_(std::move(before)) {}
  chr_done Raw() {
    return {[](void* ctx, uint64_t, chr_status status, chr_str message) noexcept {
              static_cast<Completion*>(ctx)->Tell(status, message);
            },
            this, 0};
  }
  // The call returned something else than CHR_PENDING. False: it has been told all the same.
  bool Cancel() {
    State open = State::kOpen;
    return state_.compare_exchange_strong(open, State::kNotPending);
  }
  bool open() const { return state_.load() == State::kOpen; }
  const char* call() const { return call_; }

 private:
  void Tell(chr_status status, chr_str message) {
    ContractMonitor* const monitor = owner_->monitor_;
    if (monitor->Inside()) monitor->Violation("GEN-11", call_, "its completion came from inside a call of the host");
    if (owner_->stopped_.load()) {
      return monitor->Violation("PLG-8", call_, "its completion came after stop had completed");
    }
    State open = State::kOpen;
    if (!state_.compare_exchange_strong(open, State::kTold)) {
      return monitor->Violation("GEN-18", call_,
                                open == State::kTold ? "its completion came twice"
                                                     : "its completion came, and it had not returned CHR_PENDING");
    }
    const chr_status sound = monitor->FinalStatus(call_, status);
    if (before_) before_(sound);
    kernel_.fn(kernel_.ctx, kernel_.tag, sound, message);
  }

  Completions* const owner_;
  const chr_done kernel_;
  const char* const call_;
  const std::function<void(chr_status)> before_;
  std::atomic<State> state_{State::kOpen};
};

Completions::Completions(ContractMonitor* monitor) : monitor_(monitor) {}
Completions::~Completions() = default;

chr_status Completions::Run(const char* name, ContractMonitor::Call::Kind kind, chr_done kernel,
                            const std::function<chr_status(chr_done)>& call, std::function<void(chr_status)> before) {
  if (stopped_.load()) monitor_->HostViolation("PLG-8", name, "the instance is stopped");
  Completion* completion = nullptr;
  {
    const std::scoped_lock lock(mutex_);
    completion = all_.emplace_back(std::make_unique<Completion>(this, kernel, name, std::move(before))).get();
  }
  const chr_status raw = [&] {
    const ContractMonitor::Call scope(monitor_, name, kind);
    return call(completion->Raw());
  }();
  const chr_status status = monitor_->KnownStatus(name, raw);
  if (status == CHR_PENDING || completion->Cancel()) return status;
  monitor_->Violation("GEN-18", name, "its completion came, and it returned " + std::to_string(raw));
  return CHR_PENDING;  // as the kernel has been told
}

void Completions::Stopped() {
  stopped_.store(true);
  const std::scoped_lock lock(mutex_);
  for (const auto& completion : all_) {
    if (completion->open())
      monitor_->Violation("PLG-8", completion->call(), "stop completed before its completion came");
  }
}

}  // namespace chronik::host
