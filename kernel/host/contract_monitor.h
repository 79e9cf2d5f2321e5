// SPDX-License-Identifier: Apache-2.0
// What the contract-checking layers of all interfaces share: who broke which rule of interfaces/ABI.md in which call,
// and how long the calls take. Thread-safe.
#pragma once

#include <chronik/abi.h>

#include <list>
#include <map>
#include <mutex>
#include <string>

#include "kernel/base/clock.h"
#include "kernel/host/metrics.h"

namespace chronik::host {

enum class CheckLevel {
  kReport,  // a violation is logged and counted; what it would do to the kernel is kept away from it where that can be
  kFull,    // and the process aborts
};

class ContractMonitor {
 public:
  // Every pointer outlives the monitor.
  ContractMonitor(std::string plugin, CheckLevel level, MetricsRegistry* metrics, const Clock* clock);
  ContractMonitor(const ContractMonitor&) = delete;
  ContractMonitor& operator=(const ContractMonitor&) = delete;

  // The plugin broke `rule` ("LS-17") in or after `call` ("submit").
  void Violation(const char* rule, const char* call, const std::string& text);
  // The kernel did. Never ends the process: the operator's other plugins have to live with this kernel too.
  void HostViolation(const char* rule, const char* call, const std::string& text);

  // `status` as the plugin returned it. GEN-12: an unknown one is a violation, and reads as CHR_E_INTERNAL.
  chr_status KnownStatus(const char* call, chr_status status);
  // Likewise for a call that may not answer with CHR_PENDING.
  chr_status FinalStatus(const char* call, chr_status status);

  // Calls that have not returned for longer than they may. Call it now and then, from a thread that no plugin blocks.
  void ReportStuckCalls();

  // Stands on the stack around a call of the plugin.
  class Call {
   public:
    enum class Kind { kIo, kControl, kAny };
    Call(ContractMonitor* monitor, const char* name, Kind kind);
    ~Call();
    Call(const Call&) = delete;
    Call& operator=(const Call&) = delete;

   private:
    friend class ContractMonitor;
    ContractMonitor* const monitor_;
    const char* const name_;
    const Kind kind_;
    const Instant begin_;
    const ContractMonitor* const outer_;
    bool reported_ = false;
    std::list<Call*>::iterator place_;
  };
  // Is this thread inside a call of this plugin?
  bool Inside() const;

 private:
  void Slow(Call& call, Duration taken, bool over);

  const std::string plugin_;
  const CheckLevel level_;
  MetricsRegistry* const metrics_;
  const Clock* const clock_;
  std::mutex mutex_;
  std::list<Call*> calls_;                     // in progress
  int control_calls_ = 0;                      // among them
  std::map<std::string, uint64_t> slow_logs_;  // by call: every power of two is logged
};

}  // namespace chronik::host
