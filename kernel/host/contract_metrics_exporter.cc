// SPDX-License-Identifier: Apache-2.0
#include "kernel/host/contract_metrics_exporter.h"

#include <string>

namespace chronik::host {

using Kind = ContractMonitor::Call::Kind;

ContractMetricsExporter::ContractMetricsExporter(const chr_metrics_exporter& real, void* self, ContractMonitor* monitor)
    : real_(real), self_(self), monitor_(monitor), completions_(monitor) {
  table_.struct_size = sizeof table_;
  table_.bound_address = [](void* ctx, char* out, size_t cap) noexcept {
    auto* me = static_cast<ContractMetricsExporter*>(ctx);
    if (me->stopped_) me->monitor_->HostViolation("PLG-8", "bound_address", "the instance is stopped");
    return GuardedText(me->monitor_, "ME-5", "bound_address", out, cap,
                       [me](char* mine, size_t size) { return me->real_.bound_address(me->self_, mine, size); });
  };
  if (real.flush == nullptr) return;
  table_.flush = [](void* ctx, chr_done done) noexcept {
    auto* me = static_cast<ContractMetricsExporter*>(ctx);
    ++me->flushes_;
    const chr_status status = me->completions_.Run("flush", Kind::kControl, done,
                                                   [me](chr_done mine) { return me->real_.flush(me->self_, mine); });
    --me->flushes_;
    return status;
  };
}

bool ContractMetricsExporter::MayAsk(const char* call) {
  if (monitor_->Inside() && flushes_ == 0) monitor_->Violation("ME-7", call, "it came from inside a call of the host");
  if (!stopped_) return true;
  monitor_->Violation("ME-7", call, "it came after stop had completed");
  return false;
}

const chr_metrics_source* ContractMetricsExporter::WrapSink(const chr_metrics_source* kernel) {
  kernel_ = kernel;
  source_.struct_size = sizeof source_;
  source_.ctx = this;
  source_.visit = [](void* ctx, const chr_metrics_visitor* visitor) noexcept -> chr_status {
    auto* me = static_cast<ContractMetricsExporter*>(ctx);
    if (!me->MayAsk("visit")) return CHR_E_CLOSED;
    if (visitor == nullptr || !CHR_HAS(chr_metrics_visitor, visitor, family) ||
        !CHR_HAS(chr_metrics_visitor, visitor, sample)) {
      me->monitor_->Violation("GEN-6", "visit", "the visitor lacks family or sample");
      return CHR_E_INVALID;
    }
    return me->kernel_->visit(me->kernel_->ctx, visitor);
  };
  source_.health = [](void* ctx, int32_t which, char* json, size_t cap) noexcept -> int32_t {
    auto* me = static_cast<ContractMetricsExporter*>(ctx);
    if (!me->MayAsk("health")) return 0;
    if ((which != CHR_HEALTH_LIVE && which != CHR_HEALTH_READY) || (json == nullptr && cap > 0)) {
      me->monitor_->Violation("ME-4", "health", "there is no health " + std::to_string(which) + ", or no buffer");
      return 0;
    }
    return me->kernel_->health(me->kernel_->ctx, which, json, cap);
  };
  return &source_;
}

void ContractMetricsExporter::Stopped() {
  stopped_ = true;
  completions_.Stopped();
}

}  // namespace chronik::host
