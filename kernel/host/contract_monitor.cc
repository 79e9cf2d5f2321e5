// SPDX-License-Identifier: Apache-2.0
#include "kernel/host/contract_monitor.h"

#include <cstdlib>
#include <utility>

#include "kernel/base/log.h"

namespace chronik::host {
namespace {

constexpr Duration kIoLimit = std::chrono::milliseconds(10);
constexpr Duration kControlLimit = std::chrono::seconds(60);

thread_local const ContractMonitor* t_inside = nullptr;

Duration LimitOf(ContractMonitor::Call::Kind kind) {
  return kind == ContractMonitor::Call::Kind::kControl ? kControlLimit : kIoLimit;
}

}  // namespace

ContractMonitor::ContractMonitor(std::string plugin, CheckLevel level, MetricsRegistry* metrics, const Clock* clock)
    : plugin_(std::move(plugin)), level_(level), metrics_(metrics), clock_(clock) {}

void ContractMonitor::Violation(const char* rule, const char* call, const std::string& text) {
  metrics_
      ->Counter("chronik_plugin_violations_total", "Rules of the plugin contract that a plugin broke",
                {{"plugin", plugin_}, {"rule", rule}})
      .Increment();
  CHRONIK_LOG(kError) << "PLUGIN_MISBEHAVING: plugin " << plugin_ << " broke rule " << rule << " in " << call << ": "
                      << text;
  if (level_ == CheckLevel::kFull) std::abort();
}

void ContractMonitor::HostViolation(const char* rule, const char* call, const std::string& text) {
  metrics_
      ->Counter("chronik_plugin_host_violations_total", "Rules of the plugin contract that this broker broke",
                {{"plugin", plugin_}, {"rule", rule}})
      .Increment();
  CHRONIK_LOG(kError) << "HOST_MISBEHAVING: this broker broke rule " << rule << " in " << call << " of plugin "
                      << plugin_ << ": " << text;
}

chr_status ContractMonitor::KnownStatus(const char* call, chr_status status) {
  if (status >= CHR_E_FATAL) return status;  // above 0: a nuance
  Violation("GEN-12", call, "the status " + std::to_string(status) + " is none of chronik/abi.h");
  return CHR_E_INTERNAL;
}

chr_status ContractMonitor::FinalStatus(const char* call, chr_status status) {
  if (status != CHR_PENDING) return KnownStatus(call, status);
  Violation("GEN-11", call, "CHR_PENDING, but this call has no completion");
  return CHR_E_INTERNAL;
}

void ContractMonitor::Slow(Call& call, Duration taken, bool over) {
  call.reported_ = true;
  const uint64_t count = ++slow_logs_[call.name_];
  metrics_
      ->Counter("chronik_plugin_slow_calls_total", "Calls of a plugin that took longer than they may",
                {{"plugin", plugin_}, {"call", call.name_}})
      .Increment();
  if ((count & (count - 1)) != 0) return;
  const bool control = call.kind_ == Call::Kind::kControl;
  CHRONIK_LOG(kWarn) << "PLUGIN_SLOW: plugin " << plugin_ << ", rule " << (control ? "GEN-7" : "GEN-8") << ", "
                     << call.name_ << (over ? " took " : " has not returned for ")
                     << std::chrono::duration_cast<std::chrono::milliseconds>(taken).count() << " ms, the limit is "
                     << std::chrono::duration_cast<std::chrono::milliseconds>(LimitOf(call.kind_)).count() << " ms ("
                     << count << " so far)";
}

void ContractMonitor::ReportStuckCalls() {
  const Instant now = clock_->Now();
  const std::scoped_lock lock(mutex_);
  for (Call* call : calls_) {
    if (!call->reported_ && now - call->begin_ > LimitOf(call->kind_)) Slow(*call, now - call->begin_, false);
  }
}

bool ContractMonitor::Inside() const { return t_inside == this; }

ContractMonitor::Call::Call(ContractMonitor* monitor, const char* name, Kind kind)
    : monitor_(monitor), name_(name), kind_(kind), begin_(monitor->clock_->Now()), outer_(t_inside) {
  bool overlap = false;
  {
    const std::scoped_lock lock(monitor_->mutex_);
    place_ = monitor_->calls_.insert(monitor_->calls_.end(), this);
    overlap = kind == Kind::kControl && monitor_->control_calls_++ > 0;
  }
  if (overlap) monitor_->HostViolation("GEN-7", name_, "it overlaps another [control] call of the instance");
  t_inside = monitor_;
}

ContractMonitor::Call::~Call() {
  t_inside = outer_;
  const Duration taken = monitor_->clock_->Now() - begin_;
  const std::scoped_lock lock(monitor_->mutex_);
  monitor_->calls_.erase(place_);
  if (kind_ == Kind::kControl) --monitor_->control_calls_;
  if (!reported_ && taken > LimitOf(kind_)) monitor_->Slow(*this, taken, true);
}

}  // namespace chronik::host
