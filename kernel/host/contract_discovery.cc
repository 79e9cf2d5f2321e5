// SPDX-License-Identifier: Apache-2.0
#include "kernel/host/contract_discovery.h"

#include <algorithm>
#include <string>
#include <string_view>
#include <tuple>

namespace chronik::host {
namespace {

using Kind = ContractMonitor::Call::Kind;

constexpr Duration kFirstReport = std::chrono::seconds(10);

auto KeyOf(const chr_endpoint& endpoint) {
  return std::pair(endpoint.node_id, std::string_view(endpoint.address.data, endpoint.address.size));
}

// One at a time.
class Entered {
 public:
  Entered(std::atomic<int>* inside, ContractMonitor* monitor, const char* call) : inside_(inside) {
    if (inside_->fetch_add(1) != 0) monitor->Violation("DI-4", call, "it overlaps another call of the sink");
  }
  ~Entered() { inside_->fetch_sub(1); }
  Entered(const Entered&) = delete;
  Entered& operator=(const Entered&) = delete;

 private:
  std::atomic<int>* const inside_;
};

}  // namespace

ContractDiscovery::ContractDiscovery(const chr_discovery& real, void* self, ContractMonitor* monitor,
                                     const Clock* clock)
    : real_(real), self_(self), monitor_(monitor), clock_(clock), completions_(monitor) {
  table_.struct_size = sizeof table_;
  table_.refresh = [](void* ctx) noexcept {
    auto* me = static_cast<ContractDiscovery*>(ctx);
    if (me->stopped_) me->monitor_->HostViolation("PLG-8", "refresh", "the instance is stopped");
    const chr_status status = [me] {
      const ContractMonitor::Call scope(me->monitor_, "refresh", Kind::kAny);
      return me->real_.refresh(me->self_);
    }();
    return me->monitor_->FinalStatus("refresh", status);
  };
  if (real.announce == nullptr) return;
  table_.announce = [](void* ctx, const chr_endpoint* where, chr_done done) noexcept {
    auto* me = static_cast<ContractDiscovery*>(ctx);
    return me->completions_.Run("announce", Kind::kControl, done,
                                [&](chr_done mine) { return me->real_.announce(me->self_, where, mine); });
  };
}

const chr_discovery_sink* ContractDiscovery::WrapSink(const chr_discovery_sink* kernel) {
  kernel_ = kernel;
  sink_.struct_size = sizeof sink_;
  sink_.ctx = this;
  sink_.on_endpoints = [](void* ctx, const chr_endpoint* endpoints, size_t count, uint32_t origin,
                          chr_str message) noexcept {
    static_cast<ContractDiscovery*>(ctx)->OnEndpoints(endpoints, count, origin, message);
  };
  sink_.on_failure = [](void* ctx, chr_status status, chr_str message) noexcept {
    static_cast<ContractDiscovery*>(ctx)->OnFailure(status, message);
  };
  return &sink_;
}

bool ContractDiscovery::MayDeliver(const char* call) {
  reported_ = true;
  if (monitor_->Inside()) monitor_->Violation("GEN-11", call, "it came from inside a call of the host");
  if (!stopped_) return true;
  monitor_->Violation("PLG-8", call, "it came after stop had completed");
  return false;
}

void ContractDiscovery::OnEndpoints(const chr_endpoint* endpoints, size_t count, uint32_t origin, chr_str message) {
  constexpr const char* kCall = "on_endpoints";
  if (!MayDeliver(kCall)) return;
  const Entered entered(&inside_, monitor_, kCall);
  if (count == 0) return monitor_->Violation("DI-3", kCall, "the set is empty");
  if (origin > CHR_DISCOVERY_FALLBACK) {
    monitor_->Violation("DI-5", kCall, "there is no origin " + std::to_string(origin));
    origin = CHR_DISCOVERY_CACHED;
  } else if (origin != CHR_DISCOVERY_FRESH && message.size == 0) {
    monitor_->Violation("DI-5", kCall, "the set is not fresh, and no message says why");
  }
  std::vector<chr_endpoint> sorted(endpoints, endpoints + count);
  const auto less = [](const chr_endpoint& a, const chr_endpoint& b) { return KeyOf(a) < KeyOf(b); };
  const auto same = [](const chr_endpoint& a, const chr_endpoint& b) { return KeyOf(a) == KeyOf(b); };
  std::stable_sort(sorted.begin(), sorted.end(), less);
  sorted.erase(std::unique(sorted.begin(), sorted.end(), same), sorted.end());
  if (sorted.size() != count || !std::is_sorted(endpoints, endpoints + count, less)) {
    monitor_->Violation("DI-3", kCall, "the set is not ascending by (node id, address), or has duplicates");
  }
  kernel_->on_endpoints(kernel_->ctx, sorted.data(), sorted.size(), origin, message);
}

void ContractDiscovery::OnFailure(chr_status status, chr_str message) {
  constexpr const char* kCall = "on_failure";
  if (!MayDeliver(kCall)) return;
  const Entered entered(&inside_, monitor_, kCall);
  if (status >= 0) {
    monitor_->Violation("DI-6", kCall, "the status " + std::to_string(status) + " is no failure");
    status = CHR_E_INTERNAL;
  }
  kernel_->on_failure(kernel_->ctx, monitor_->FinalStatus(kCall, status), message);
}

void ContractDiscovery::CheckDeadline() {
  if (stopped_ || clock_->Now() - started_ <= kFirstReport || reported_.exchange(true)) return;
  monitor_->Violation("DI-4", "start", "there was no report within 10 s");
}

void ContractDiscovery::Stopped() {
  stopped_ = true;
  completions_.Stopped();
}

}  // namespace chronik::host
