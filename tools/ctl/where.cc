// SPDX-License-Identifier: Apache-2.0
#include "tools/ctl/where.h"

#include <filesystem>
#include <optional>
#include <variant>

#include "kernel/config/loader.h"
#include "kernel/config/settings.h"
#include "kernel/config/source.h"

namespace chronik::ctl {
namespace {

// One key of the configuration; the others are not looked at, so that no plugin has to be loaded for it.
template <class T>
T Peek(const Globals& globals, const char* key) {
  config::Inputs inputs = config::ReadInputs(BrokersCommandLine(globals));
  if (!inputs.problems.empty()) throw Failure(kUsage, inputs.problems.front());
  config::Loader loader(std::move(inputs));
  const auto value = loader.Peek(key);
  if (!value)
    throw Failure(kUsage, std::string(key) + " is wrong in this configuration; chronikd --check-config says why");
  return std::get<T>(*value);
}

}  // namespace

config::CommandLine BrokersCommandLine(const Globals& globals) {
  config::CommandLine out;
  out.config_files = globals.configs;
  if (!globals.data_dir.empty()) out.overrides["data-dir"] = globals.data_dir;
  if (!globals.plugin_dir.empty()) out.overrides["plugin-dir"] = globals.plugin_dir;
  return out;
}

std::string DataDirectory(const Globals& globals) {
  return std::filesystem::absolute(Peek<std::string>(globals, "broker.data_dir")).string();
}

std::string AdminAddress(const Globals& globals) {
  if (globals.admin.starts_with("http://")) return globals.admin.substr(7);
  if (!globals.admin.empty()) {
    const bool is_path = globals.admin.find('/') != std::string::npos || globals.admin.ends_with(".sock");
    return is_path ? std::filesystem::absolute(globals.admin).string() : globals.admin;
  }
  const auto admin = config::ParseAdminListen(Peek<std::string>(globals, "admin.listen"));
  if (!admin.ok()) throw Failure(kUsage, admin.error().message);
  if (!admin->enabled) throw Failure(kUsage, "admin.listen is off in this configuration");
  return admin->address.empty() ? DataDirectory(globals) + "/admin.sock" : admin->address.ToString();
}

std::string BootstrapServers(const Globals& globals) {
  if (!globals.bootstrap.empty()) return globals.bootstrap;
  config::HostPort listen = Peek<config::HostPort>(globals, "broker.listen");
  if (listen.IsWildcard()) listen.host = "127.0.0.1";
  return listen.ToString();
}

}  // namespace chronik::ctl
