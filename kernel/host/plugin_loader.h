// SPDX-License-Identifier: Apache-2.0
// Loads plugins: looks at a file before loading it, checks what it says of itself, and copies its tables into full-size
// ones, so that everybody else only tests slots for NULL.
#pragma once

#include <chronik/all.h>
#include <chronik/plugin.h>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "kernel/base/result.h"
#include "kernel/host/drafts.h"

namespace chronik::host {

// As the plugin declares it; its form was checked, its values were not (kernel/config: MakePluginOption).
struct PluginOption {
  std::string key;
  std::string type;
  std::string default_value;
  bool required = false;  // has no default
  std::string range;
  std::string doc;
  bool dynamic = false;
};

struct PluginInterface {
  std::string id;      // "chronik.log_store/1"
  uint32_t size = 0;   // of the plugin's table: its minor version
  bool known = false;  // this host speaks it
};

// Loaded for the life of the process: plugins are never unloaded.
struct LoadedPlugin {
  std::filesystem::path path;
  std::string id;
  std::string version;
  std::string vendor;
  std::string built_with;
  chr_plugin descriptor{};  // full-size copy; slots of a newer minor than the plugin's are zero
  std::vector<PluginOption> options;
  std::vector<PluginInterface> interfaces;

  // Full-size copies, required slots present; empty: the plugin does not offer the interface.
  std::optional<chr_log_store> log_store_table;
  std::optional<chr_transport> transport_table;
  std::optional<chr_discovery> discovery_table;
  std::optional<chr_snapshot_sink> snapshot_sink_table;
  std::optional<chr_metrics_exporter> metrics_exporter_table;

  // The same with an error that says what the plugin is instead.
  Result<chr_log_store> log_store() const;
  Result<chr_transport> transport() const;
  Result<chr_discovery> discovery() const;
  Result<chr_snapshot_sink> snapshot_sink() const;
  Result<chr_metrics_exporter> metrics_exporter() const;

 private:
  template <class T>
  Result<T> Offer(const std::optional<T>& table, const char* want, const char* what, const char* key) const;
};
using LoadedPluginPtr = std::shared_ptr<const LoadedPlugin>;

struct LoadRules {
  std::filesystem::path directory;  // see CheckPluginDirectory
  bool allow_ld_env = false;        // accept LD_PRELOAD and LD_LIBRARY_PATH
  bool require_pin = false;         // every plugin's file must be pinned
  bool allow_draft = false;         // accept plugins that offer a draft
  std::span<const std::string_view> drafts = DraftIds();
};

// `name`: "log_wal" or "log_wal.so". One line on refusal: plugin, file, what it offers, what this host speaks, what to
// do. Any thread. Runs the file's initialisers and chronik_plugin_main_v1, after the file itself was found in order.
// `pin`: the file's SHA-256, in hexadecimal; empty: any file will do. It says nothing of the libraries that the plugin
// needs.
Result<LoadedPluginPtr> LoadPlugin(const LoadRules& rules, const std::string& name, const std::string& pin = {});

struct ListedPlugin {
  std::string name;
  std::filesystem::path path;
  std::string sha256;  // of the file; empty: it cannot be read
  Result<LoadedPluginPtr> plugin;
};
// Every .so in the directory, for --list-plugins. Loads them all, pinned or not.
Result<std::vector<ListedPlugin>> ListPlugins(const LoadRules& rules);

// The interface ids that this host speaks: "chronik.log_store/1, ...".
std::string SpokenInterfaces();

}  // namespace chronik::host
