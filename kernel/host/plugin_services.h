// SPDX-License-Identifier: Apache-2.0
// The host's side of one plugin instance: its chr_host, and what stands behind the services of
// interfaces/chronik/host.h.
#pragma once

#include <chronik/host.h>

#include <atomic>
#include <condition_variable>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <string_view>

#include "kernel/host/plugin_instance.h"

namespace chronik::host {

// Receives one chr_done and lets a thread wait for it.
class DoneWaiter {
 public:
  chr_done done() { return {&Receive, this, 0}; }
  bool Wait(Duration timeout);  // false: it did not come
  // After Wait.
  chr_status status() const { return status_; }
  const std::string& message() const { return message_; }

 private:
  static void Receive(void* ctx, uint64_t tag, chr_status status, chr_str message) noexcept;

  std::mutex mutex_;
  std::condition_variable arrived_;
  bool done_ = false;
  chr_status status_ = CHR_OK;
  std::string message_;
};

// Lives as long as any thread of the plugin may use it: at one address, and for ever if the plugin does not stop.
class HostSide {
 public:
  HostSide(LoadedPluginPtr plugin, HostServices& services, InstanceSettings settings);
  HostSide(const HostSide&) = delete;
  HostSide& operator=(const HostSide&) = delete;

  const chr_host* host() const { return &host_; }
  const LoadedPlugin& plugin() const { return *plugin_; }

  // The config service. Values that were handed out stay valid when they are replaced.
  void SetOptions(const OptionValues& values);
  OptionValue Option(const std::string& key) const;

  // Cancels the timers that the plugin left and waits for its tasks; false: they did not end in time.
  bool EndTasks(Duration timeout);

  DoneWaiter start_done;
  DoneWaiter stop_done;

 private:
  friend struct HostTables;  // plugin_services.cc

  // What its buffers add up to; outlives the instance if a buffer does.
  using Usage = std::shared_ptr<std::atomic<uint64_t>>;

  const OptionValue* Find(const char* key) const;
  void WriteLog(int32_t level, std::string_view message, const char* file, int32_t line);
  bool PassLogLine(uint32_t* left_out);
  bool Submit(bool blocking, Task task);

  const LoadedPluginPtr plugin_;
  HostServices& services_;
  const std::string kind_;
  const std::string data_dir_;
  const uint64_t memory_budget_bytes_;
  chr_host host_{};
  const Usage allocated_bytes_ = std::make_shared<std::atomic<uint64_t>>(0);
  std::atomic<bool> failed_{false};

  mutable std::mutex options_mutex_;
  std::deque<OptionValue> values_;  // every value that ever was
  std::map<std::string, const OptionValue*, std::less<>> options_;

  std::mutex log_mutex_;
  Instant log_window_{};
  uint32_t log_lines_ = 0;
  uint32_t log_left_out_ = 0;

  std::mutex tasks_mutex_;
  std::condition_variable tasks_ended_;
  size_t tasks_ = 0;
  std::set<uint64_t> timers_;  // of the task pool; one-shot timers that fired included, until EndTasks
};

}  // namespace chronik::host
