// SPDX-License-Identifier: Apache-2.0
// One instance of a plugin, and the host services that it is lent. Create, Start, Reconfigure, Stop and the destructor
// come from one control thread.
#pragma once

#include <chronik/plugin.h>

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <variant>

#include "kernel/base/clock.h"
#include "kernel/base/result.h"
#include "kernel/host/metrics.h"
#include "kernel/host/plugin_loader.h"
#include "kernel/host/tasks.h"

namespace chronik::host {

// Checked and defaulted values of the plugin's options, one for each: int, bytes, bool (0, 1) and duration (ns) as
// int64_t, float as double, the rest as string.
using OptionValue = std::variant<int64_t, double, std::string>;
using OptionValues = std::map<std::string, OptionValue>;

struct InstanceSettings {
  std::string kind;  // "log_store": names the instance in log lines
  OptionValues options;
  std::filesystem::path data_dir;  // created with mode 0700; empty: the plugin gets none
  uint64_t memory_budget_bytes = 1ull << 30;
};

// Shared by all instances; outlives them.
struct HostServices {
  const Clock* clock;
  MetricsRegistry* metrics;
  TaskPool* tasks;
  // A plugin says that its instance is poisoned. At most once an instance, on the plugin's thread; must not block.
  std::function<void(const std::string& plugin, const Error&)> on_fatal;
};

class HostSide;

class PluginInstance {
 public:
  static constexpr Duration kNoTimeout = Duration::max();

  // kConfig: an option is missing, unknown or of the wrong type, or the plugin's validate refuses their combination.
  static Result<std::unique_ptr<PluginInstance>> Create(LoadedPluginPtr plugin, const std::string& interface_id,
                                                        HostServices& services, InstanceSettings settings);
  // Stops if that was not done. An instance that does not come to an end is left in memory for ever, with all that its
  // threads may still touch.
  ~PluginInstance();
  PluginInstance(const PluginInstance&) = delete;
  PluginInstance& operator=(const PluginInstance&) = delete;

  void* self() const { return self_; }
  const LoadedPlugin& plugin() const;

  // `sink`: the interface's sink table; outlives this. Waits for a pending start (not for a call that blocks). After a
  // timeout the instance is of no further use.
  Status Start(const void* sink, Duration timeout = kNoTimeout);
  // New values of dynamic options. If the plugin refuses them, the old ones stay.
  Status Reconfigure(const OptionValues& changed);
  // Waits until the plugin says that it delivered everything, at most `timeout` and 5 s of grace.
  Status Stop(Duration timeout);

 private:
  enum class State { kCreated, kRunning, kStopped, kAbandoned };

  explicit PluginInstance(std::unique_ptr<HostSide> host);

  std::unique_ptr<HostSide> host_;
  void* self_ = nullptr;
  State state_ = State::kCreated;
};

}  // namespace chronik::host
