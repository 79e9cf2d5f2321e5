// SPDX-License-Identifier: Apache-2.0
#include "kernel/host/plugin_loader.h"

#include <dlfcn.h>

#include <algorithm>
#include <boost/dll/shared_library.hpp>
#include <cctype>
#include <cstdlib>
#include <exception>
#include <fstream>
#include <iterator>
#include <mutex>
#include <string_view>
#include <utility>

#include "kernel/host/plugin_descriptor.h"
#include "kernel/host/plugin_elf.h"
#include "kernel/host/plugin_path.h"
#include "kernel/host/sha256.h"

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

Result<std::string> FileSha256(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(in), {}};
  if (!in.good() && !in.eof()) return Refuse(file, "cannot be read");
  return Sha256(bytes);
}

Status CheckPin(const fs::path& file, const std::string& pin, bool required) {
  if (pin.empty() && !required) return {};
  const Result<std::string> sha256 = FileSha256(file);
  if (!sha256.ok()) return sha256.error();
  if (pin.empty()) {
    return Refuse(file, "plugins.require_pin is set and no pin given; if this file is the right one, set sha256 = \"" +
                            *sha256 + "\" beside its name");
  }
  std::string wanted = pin;
  for (char& c : wanted) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  if (wanted.size() != sha256->size() || wanted.find_first_not_of("0123456789abcdef") != std::string::npos)
    return Refuse(file, "the pin sha256 = \"" + pin + "\" is not 64 hexadecimal digits; sha256sum prints them");
  if (wanted != *sha256) {
    return Refuse(file, "its SHA-256 is " + *sha256 + ", not the " + wanted +
                            " that is pinned; install the pinned file, or change sha256 beside its name");
  }
  return {};
}

// What dlerror said, out of what Boost.DLL makes of it.
std::string SystemsReason(std::string_view text) {
  constexpr std::string_view kBefore = "dlerror system message: ";
  const size_t begin = text.find(kBefore);
  const size_t end = text.rfind(')');
  if (begin == text.npos || end == text.npos || end < begin) return std::string(text);
  return std::string(text.substr(begin + kBefore.size(), end - begin - kBefore.size()));
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
    return Refuse(file, "cannot be loaded: " + SystemsReason(e.what()) +
                            "; install what it needs, or get a build of it for this system");
  }
}

// PLG-14
Status CheckDrafts(const LoadRules& rules, const LoadedPlugin& plugin) {
  if (rules.allow_draft) return {};
  for (const PluginInterface& offered : plugin.interfaces) {
    if (std::find(rules.drafts.begin(), rules.drafts.end(), offered.id) == rules.drafts.end()) continue;
    return Refuse(plugin.path, "it offers " + offered.id +
                                   ", a draft that the next version may change or drop; get a build without it, or set "
                                   "plugins.allow_draft = true");
  }
  return {};
}

}  // namespace

Result<LoadedPluginPtr> LoadPlugin(const LoadRules& rules, const std::string& name, const std::string& pin) {
  CHRONIK_RETURN_IF_ERROR(CheckEnvironment(rules));
  const Result<fs::path> file = FindPlugin(rules.directory, name);
  if (!file.ok()) return file.error();
  const Result<FileIdentity> before = IdentifyFile(*file);
  if (!before.ok()) return before.error();
  CHRONIK_RETURN_IF_ERROR(CheckPin(*file, pin, rules.require_pin));
  CHRONIK_RETURN_IF_ERROR(CheckElf(*file));
  const Result<chr_plugin_main_fn> main = LoadMain(*file);
  if (!main.ok()) return main.error();
  const Result<FileIdentity> after = IdentifyFile(*file);
  if (!after.ok()) return after.error();
  if (*before != *after) return Refuse(*file, "it was replaced while it was being loaded; start again");
  auto plugin = ReadDescriptor(*file, (*main)());
  if (plugin.ok()) CHRONIK_RETURN_IF_ERROR(CheckDrafts(rules, **plugin));
  return plugin;
}

Result<std::vector<ListedPlugin>> ListPlugins(const LoadRules& rules) {
  CHRONIK_RETURN_IF_ERROR(CheckEnvironment(rules));
  CHRONIK_RETURN_IF_ERROR(CheckPluginDirectory(rules.directory));
  std::vector<ListedPlugin> out;
  LoadRules unpinned = rules;
  unpinned.require_pin = false;
  for (const std::string& name : PluginNames(rules.directory)) {
    const fs::path file = rules.directory / (name + ".so");
    const auto sha256 = FileSha256(file);
    out.push_back({name, file, sha256.ok() ? *sha256 : "", LoadPlugin(unpinned, name)});
  }
  return out;
}

}  // namespace chronik::host
