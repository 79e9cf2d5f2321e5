// SPDX-License-Identifier: Apache-2.0
// A discovery between the kernel and the plugin's: the same table, and every call and report is held to the rules of
// interfaces/ABI.md. A set that is not in order reaches the kernel in order; an empty one does not reach it.
#pragma once

#include <chronik/discovery.h>

#include <atomic>
#include <vector>

#include "kernel/base/clock.h"
#include "kernel/host/contract_monitor.h"
#include "kernel/host/contract_parts.h"

namespace chronik::host {

// Outlives the plugin's instance. Any thread, as the interface says.
class ContractDiscovery {
 public:
  // `self`: the plugin's instance, which `real` takes.
  ContractDiscovery(const chr_discovery& real, void* self, ContractMonitor* monitor, const Clock* clock);
  ContractDiscovery(const ContractDiscovery&) = delete;
  ContractDiscovery& operator=(const ContractDiscovery&) = delete;

  // What the kernel calls, with this object as `self`.
  const chr_discovery& table() const { return table_; }
  // What the plugin's start is given in place of the kernel's sink, which outlives this.
  const chr_discovery_sink* WrapSink(const chr_discovery_sink* kernel);

  // After start returned; then call CheckDeadline now and then: the first report is due.
  void Started() { started_ = clock_->Now(); }
  void CheckDeadline();
  // After stop completed, and after destroy returned.
  void Stopped();
  void Destroyed() {}

 private:
  bool MayDeliver(const char* call);
  void OnEndpoints(const chr_endpoint* endpoints, size_t count, uint32_t origin, chr_str message);
  void OnFailure(chr_status status, chr_str message);

  const chr_discovery real_;
  void* const self_;
  ContractMonitor* const monitor_;
  const Clock* const clock_;
  chr_discovery table_{};
  const chr_discovery_sink* kernel_ = nullptr;
  chr_discovery_sink sink_{};
  std::atomic<bool> stopped_{false};
  std::atomic<bool> reported_{false};  // at least once, or its absence is
  std::atomic<int> inside_{0};         // calls of the sink in progress
  Instant started_{};
  Completions completions_;
};

}  // namespace chronik::host
