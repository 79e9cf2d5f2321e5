// SPDX-License-Identifier: Apache-2.0
#include "kernel/host/plugin_loader.h"

#include <dlfcn.h>

#include <boost/dll/shared_library.hpp>
#include <cstdlib>
#include <exception>
#include <mutex>
#include <utility>

#include "kernel/host/plugin_descriptor.h"
#include "kernel/host/plugin_elf.h"
#include "kernel/host/plugin_path.h"

namespace chronik::host {
namespace {

namespace fs = std::filesystem;

Error Refuse(const fs::path& file, const std::string& why) {
  return {ErrorCode::kPlugin, "plugin " + file.string() + ": " + why};
}

Status CheckEnvironment(const LoadRules& rules) {
  if (rules.allow_ld_env) return {};
  for (const char* variable : {"LD_PRELOAD", "LD_LIBRARY_PATH"}) {
    const char* value = std::getenv(variable);
    if (value != nullptr && *value != '\0') {
      return Error{ErrorCode::kPlugin, std::string(variable) +
                                           " is set, which could slip code under the plugins; unset it, "
                                           "or set plugins.allow_ld_env = true"};
    }
  }
  return {};
}

// RTLD_NOW: a symbol that is missing shows now, not in the first rare call. Kept for ever: unloading code that may
// still run is how plugin hosts crash.
Result<chr_plugin_main_fn> LoadMain(const fs::path& file) {
  static std::mutex mutex;
  static auto* const loaded = new std::vector<boost::dll::shared_library>();
  try {
    const auto mode = static_cast<boost::dll::load_mode::type>(RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    boost::dll::shared_library library(file, mode);
    chr_plugin_main_fn main = library.get<const chr_plugin*() noexcept>(CHR_PLUGIN_MAIN_SYMBOL);
    const std::scoped_lock lock(mutex);
    loaded->push_back(std::move(library));
    return main;
  } catch (const std::exception& e) {
    return Refuse(file, std::string("cannot be loaded: ") + e.what());
  }
}

}  // namespace

Result<LoadedPluginPtr> LoadPlugin(const LoadRules& rules, const std::string& name) {
  CHRONIK_RETURN_IF_ERROR(CheckEnvironment(rules));
  const Result<fs::path> file = FindPlugin(rules.directory, name);
  if (!file.ok()) return file.error();
  const Result<FileIdentity> before = IdentifyFile(*file);
  if (!before.ok()) return before.error();
  CHRONIK_RETURN_IF_ERROR(CheckElf(*file));
  const Result<chr_plugin_main_fn> main = LoadMain(*file);
  if (!main.ok()) return main.error();
  const Result<FileIdentity> after = IdentifyFile(*file);
  if (!after.ok()) return after.error();
  if (*before != *after) return Refuse(*file, "it was replaced while it was being loaded; start again");
  return ReadDescriptor(*file, (*main)());
}

Result<std::vector<ListedPlugin>> ListPlugins(const LoadRules& rules) {
  CHRONIK_RETURN_IF_ERROR(CheckEnvironment(rules));
  CHRONIK_RETURN_IF_ERROR(CheckPluginDirectory(rules.directory));
  std::vector<ListedPlugin> out;
  for (const std::string& name : PluginNames(rules.directory)) {
    out.push_back({name, rules.directory / (name + ".so"), LoadPlugin(rules, name)});
  }
  return out;
}

}  // namespace chronik::host
