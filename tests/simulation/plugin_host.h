// SPDX-License-Identifier: Apache-2.0
// What the kernel lends a plugin (chronik/host.h), for one instance in a simulated process: clocks, blocking tasks,
// log, options. It offers neither metrics nor memory, and no timers, which log_wal does not use: `timer` answers
// CHR_E_UNSUPPORTED.
#pragma once

#include <chronik/host.h>

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>

#include "tests/simulation/process.h"

namespace chronik::sim {

// Values by key; what is missing has the plugin's default.
struct PluginOptions {
  std::map<std::string, int64_t> numbers;
  std::map<std::string, std::string> texts;
};

class SimHost {
 public:
  using FatalHook = std::function<void(chr_status status, std::string_view why)>;

  SimHost(Process& process, PluginOptions options);
  SimHost(const SimHost&) = delete;
  SimHost& operator=(const SimHost&) = delete;

  const chr_host* get() const { return &host_; }
  // Runs inside the plugin's report, on its thread.
  void OnFatal(FatalHook hook) { on_fatal_ = std::move(hook); }
  uint64_t fatal_reports() const { return fatal_reports_; }
  const std::string& fatal_reason() const { return fatal_reason_; }

 private:
  static SimHost& Of(const chr_host* host) { return *static_cast<SimHost*>(host->ctx); }
  static const void* GetService(const chr_host* host, const char* id) noexcept;
  static chr_status Post(const chr_host* host, void (*fn)(void* arg) noexcept, void* arg) noexcept;
  static chr_status GetInt(const chr_host* host, const char* key, int64_t* out) noexcept;
  static chr_status GetText(const chr_host* host, const char* key, chr_str* out) noexcept;
  static void Fatal(const chr_host* host, chr_status status, chr_str why) noexcept;
  static void Log(const chr_host* host, int32_t level, chr_str message, const char* file, int32_t line) noexcept;

  Process& process_;
  const PluginOptions options_;
  const std::string data_dir_ = "/data";
  FatalHook on_fatal_;
  uint64_t fatal_reports_ = 0;
  std::string fatal_reason_;
  chr_host host_{};
  chr_host_log log_{};
  chr_host_task task_{};
  chr_host_config config_{};
};

}  // namespace chronik::sim
