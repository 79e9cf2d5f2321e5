// SPDX-License-Identifier: Apache-2.0
#include "kernel/main/setup.h"

#include <filesystem>
#include <sstream>
#include <system_error>
#include <utility>
#include <variant>

#include "kernel/config/explain.h"
#include "kernel/config/loader.h"
#include "kernel/config/option.h"
#include "kernel/config/source.h"
#include "kernel/host/plugin_path.h"

namespace chronik::main {
namespace {

namespace fs = std::filesystem;

// The kinds that this version of the kernel runs.
constexpr const char* kKinds[] = {"log_store", "transport", "discovery", "metrics_exporter"};

// Whether the configuration, as far as it is read, asks for a plugin of this kind.
bool IsWanted(config::Loader& loader, const std::string& kind) {
  if (kind != "transport" && kind != "discovery") return true;
  const auto enabled = loader.Peek("cluster.enabled");
  return enabled && std::get<bool>(*enabled);
}

// <prefix>/bin/chronikd finds <prefix>/lib/chronik/plugins.
std::string DefaultPluginDirectory() {
  std::error_code error;
  const fs::path self = fs::read_symlink("/proc/self/exe", error);
  return (self.parent_path().parent_path() / "lib/chronik/plugins").string();
}

config::Inputs ReadAll(const config::CommandLine& command_line) {
  config::Inputs inputs = config::ReadInputs(command_line);
  inputs.defaults["broker.plugin_dir"] = DefaultPluginDirectory();
  return inputs;
}

host::LoadRules Rules(config::Loader& loader) {
  host::LoadRules rules;
  if (const auto directory = loader.Peek("broker.plugin_dir"))
    rules.directory = fs::absolute(std::get<std::string>(*directory));
  if (const auto allowed = loader.Peek("plugins.allow_ld_env")) rules.allow_ld_env = std::get<bool>(*allowed);
  if (const auto required = loader.Peek("plugins.require_pin")) rules.require_pin = std::get<bool>(*required);
  if (const auto allowed = loader.Peek("plugins.allow_draft")) rules.allow_draft = std::get<bool>(*allowed);
  return rules;
}

Status AddOptions(config::Loader& loader, const std::string& kind, const std::string& name,
                  const host::LoadedPlugin& plugin) {
  std::vector<config::OptionSpec> specs;
  for (const host::PluginOption& option : plugin.options) {
    std::optional<std::string_view> default_text;
    if (!option.required) default_text = option.default_value;
    auto spec =
        config::MakePluginOption(kind, option.key, option.type, default_text, option.range, option.doc, option.dynamic);
    if (!spec.ok())
      return Error{ErrorCode::kPlugin, plugin.path.string() + ": option '" + option.key + "': " + spec.error().message};
    specs.push_back(*std::move(spec));
  }
  return loader.schema().AddPluginOptions(kind, name, std::move(specs));
}

// Whether the plugin can serve as this kind.
Status CheckKind(const std::string& kind, const host::LoadedPlugin& plugin) {
  if (kind == "log_store") {
    const auto table = plugin.log_store();
    return table.ok() ? Status() : Status(table.error());
  }
  if (kind == "transport") {
    const auto table = plugin.transport();
    return table.ok() ? Status() : Status(table.error());
  }
  if (kind == "discovery") {
    const auto table = plugin.discovery();
    return table.ok() ? Status() : Status(table.error());
  }
  const auto table = plugin.metrics_exporter();
  return table.ok() ? Status() : Status(table.error());
}

}  // namespace

Result<Setup> SetUp(const config::CommandLine& command_line) {
  config::Loader loader(ReadAll(command_line));
  const host::LoadRules rules = Rules(loader);
  std::map<std::string, host::LoadedPluginPtr> plugins;
  for (const std::string kind : kKinds) {
    const std::string name = loader.PluginName(kind);
    if (name.empty() || !IsWanted(loader, kind)) continue;
    const auto pin = loader.Peek("plugins." + kind + ".sha256");
    if (!pin) continue;  // Finish says what is wrong with it
    const auto loaded = host::LoadPlugin(rules, name, std::get<std::string>(*pin));
    Status usable = loaded.ok() ? CheckKind(kind, **loaded) : Status(loaded.error());
    if (usable.ok()) usable = AddOptions(loader, kind, name, **loaded);
    if (!usable.ok()) {
      loader.RefusePlugin(kind, usable.error().message, host::PluginNames(rules.directory));
      continue;
    }
    plugins[kind] = *loaded;
  }
  auto config = loader.Finish();
  if (!config.ok()) return config.error();
  config::Settings settings = config::MakeSettings(*config);
  if (!plugins.contains("log_store"))
    return Error{ErrorCode::kConfig, "plugins.log_store.plugin: a broker needs a log store"};
  if (settings.cluster.enabled && !plugins.contains("transport"))
    return Error{ErrorCode::kConfig, "plugins.transport.plugin: a node of a cluster needs a transport"};
  const bool needs_discovery = settings.cluster.by_dns || settings.cluster.peers.empty();
  if (settings.cluster.enabled && needs_discovery && !plugins.contains("discovery"))
    return Error{ErrorCode::kConfig, "plugins.discovery.plugin: cluster.discovery.mode = dns needs a discovery"};
  return Setup{*std::move(config), std::move(settings), std::move(plugins)};
}

host::OptionValues ToOptionValues(const config::PluginSettings& settings) {
  host::OptionValues out;
  for (const config::PluginSettings::OptionValue& option : settings.options) {
    if (const auto* flag = std::get_if<bool>(&option.value)) {
      out[option.key] = int64_t{*flag ? 1 : 0};
    } else if (const auto* number = std::get_if<int64_t>(&option.value)) {
      out[option.key] = *number;
    } else if (const auto* real = std::get_if<double>(&option.value)) {
      out[option.key] = *real;
    } else if (const auto* text = std::get_if<std::string>(&option.value)) {
      out[option.key] = *text;
    }
  }
  return out;
}

Result<std::string> ListPlugins(const config::CommandLine& command_line) {
  config::Loader loader(ReadAll(command_line));
  const host::LoadRules rules = Rules(loader);
  const auto listed = host::ListPlugins(rules);
  if (!listed.ok()) return listed.error();
  std::ostringstream out;
  std::string refused;
  for (const host::ListedPlugin& plugin : *listed) {
    if (!plugin.plugin.ok()) {
      refused += (refused.empty() ? "" : "\n") + plugin.plugin.error().message;
      continue;
    }
    const host::LoadedPlugin& p = **plugin.plugin;
    out << p.path.string() << "\n  id " << p.id << ", version " << p.version << ", built with " << p.built_with
        << "\n  sha256 " << plugin.sha256 << "\n";
    for (const host::PluginInterface& i : p.interfaces) {
      out << "  interface " << i.id << ", table of " << i.size << " bytes"
          << (i.known ? "" : " (not spoken by this broker)") << "\n";
    }
  }
  if (!refused.empty()) return Error{ErrorCode::kPlugin, out.str() + refused};
  return out.str();
}

Result<std::string> GenerateManual(const config::CommandLine& command_line) {
  config::Loader loader(ReadAll(command_line));
  const auto listed = host::ListPlugins(Rules(loader));
  if (!listed.ok()) return listed.error();
  for (const host::ListedPlugin& plugin : *listed) {
    if (!plugin.plugin.ok()) return plugin.plugin.error();
    for (const std::string kind : kKinds) {
      if (!CheckKind(kind, **plugin.plugin).ok()) continue;
      CHRONIK_RETURN_IF_ERROR(AddOptions(loader, kind, plugin.name, **plugin.plugin));
    }
  }
  return config::GenerateManual(loader.schema());
}

}  // namespace chronik::main
