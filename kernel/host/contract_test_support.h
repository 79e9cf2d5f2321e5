// SPDX-License-Identifier: Apache-2.0
// For the tests of the contract-checking layers: what they say, a clock by hand, and bytes that count who holds them.
#pragma once

#include <chronik/abi.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "kernel/base/log.h"
#include "kernel/host/contract_monitor.h"

namespace chronik::host {

class ManualClock final : public Clock {
 public:
  Instant Now() const override { return Instant(Duration(now_ns.load())); }
  WallTime WallNow() const override { return WallTime(std::chrono::milliseconds(0)); }
  std::atomic<int64_t> now_ns{0};
};

// Bytes that count how often they are held.
struct CountedBytes : chr_owner {
  CountedBytes() : chr_owner{&Retain, &Release} {}
  static void Retain(chr_owner* owner) noexcept { ++static_cast<CountedBytes*>(owner)->held; }
  static void Release(chr_owner* owner) noexcept { --static_cast<CountedBytes*>(owner)->held; }
  std::atomic<int> held{0};
};

// A kernel's chr_done, and what it was told.
struct ToldStatuses {
  chr_done Raw() {
    return {[](void* ctx, uint64_t, chr_status status, chr_str) noexcept {
              static_cast<ToldStatuses*>(ctx)->statuses.push_back(status);
            },
            this, 0};
  }
  std::vector<chr_status> statuses;
};

class ContractTest : public testing::Test {
 protected:
  ContractTest() {
    SetLogSink([](LogLevel, const char*, int, std::string_view text) {
      const std::scoped_lock lock(g_contract_log_mutex);
      g_contract_log += std::string(text) + "\n";
    });
    ClearLog();
  }
  ~ContractTest() override { SetLogSink(nullptr); }

  static std::string Log() {
    const std::scoped_lock lock(g_contract_log_mutex);
    return g_contract_log;
  }
  static void ClearLog() {
    const std::scoped_lock lock(g_contract_log_mutex);
    g_contract_log.clear();
  }
  // What was said since the last call.
  static std::string TakeLog() {
    const std::scoped_lock lock(g_contract_log_mutex);
    return std::exchange(g_contract_log, "");
  }
  static std::string Broke(const std::string& rule, const std::string& call, const std::string& plugin = "test.liar") {
    return "PLUGIN_MISBEHAVING: plugin " + plugin + " broke rule " + rule + " in " + call + ": ";
  }
  static std::string HostBroke(const std::string& rule, const std::string& call) {
    return "HOST_MISBEHAVING: this broker broke rule " + rule + " in " + call + " of plugin test.liar: ";
  }
  // A plugin calls from a thread of its own.
  template <class F>
  static void OnAnotherThread(F f) {
    std::thread(f).join();
  }

  ManualClock clock_;
  MetricsRegistry metrics_;
  ContractMonitor monitor_{"test.liar", CheckLevel::kReport, &metrics_, &clock_};

 private:
  inline static std::mutex g_contract_log_mutex;
  inline static std::string g_contract_log;
};

inline chr_str Text(const char* text) { return {text, std::char_traits<char>::length(text)}; }

}  // namespace chronik::host
