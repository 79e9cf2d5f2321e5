// SPDX-License-Identifier: Apache-2.0
// A metrics exporter between the kernel and the plugin's: the same table, and every call in either direction is held to
// the rules of interfaces/ABI.md.
#pragma once

#include <chronik/metrics_exporter.h>

#include <atomic>

#include "kernel/host/contract_monitor.h"
#include "kernel/host/contract_parts.h"

namespace chronik::host {

// Outlives the plugin's instance. Any thread, as the interface says.
class ContractMetricsExporter {
 public:
  // `self`: the plugin's instance, which `real` takes.
  ContractMetricsExporter(const chr_metrics_exporter& real, void* self, ContractMonitor* monitor);
  ContractMetricsExporter(const ContractMetricsExporter&) = delete;
  ContractMetricsExporter& operator=(const ContractMetricsExporter&) = delete;

  // What the kernel calls, with this object as `self`.
  const chr_metrics_exporter& table() const { return table_; }
  // What the plugin's start is given in place of the kernel's source, which outlives this.
  const chr_metrics_source* WrapSink(const chr_metrics_source* kernel);

  // After stop completed, and after destroy returned.
  void Stopped();
  void Destroyed() {}

 private:
  bool MayAsk(const char* call);

  const chr_metrics_exporter real_;
  void* const self_;
  ContractMonitor* const monitor_;
  chr_metrics_exporter table_{};
  const chr_metrics_source* kernel_ = nullptr;
  chr_metrics_source source_{};
  std::atomic<bool> stopped_{false};
  std::atomic<int> flushes_{0};  // calls in progress
  Completions completions_;
};

}  // namespace chronik::host
