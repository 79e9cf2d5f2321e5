// SPDX-License-Identifier: Apache-2.0
#include "kernel/config/source.h"

#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <memory>

namespace chronik::config {
namespace {

constexpr size_t kFileBytesMax = 1 << 20;

Result<std::string> ReadFile(const std::string& path) {
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "re"), &std::fclose);
  if (!file) return Error{ErrorCode::kConfig, path + ": cannot be opened: " + std::strerror(errno)};
  std::string text(kFileBytesMax + 1, '\0');
  text.resize(std::fread(text.data(), 1, text.size(), file.get()));
  if (std::ferror(file.get()) != 0)
    return Error{ErrorCode::kConfig, path + ": cannot be read: " + std::strerror(errno)};
  if (text.size() > kFileBytesMax) return Error{ErrorCode::kConfig, path + ": is larger than 1 MiB"};
  return text;
}

std::map<std::string, std::string> ReadEnvironment() {
  std::map<std::string, std::string> out;
  for (char** variable = environ; variable != nullptr && *variable != nullptr; ++variable) {
    const std::string_view text = *variable;
    const size_t equals = text.find('=');
    if (equals != std::string_view::npos) out.emplace(text.substr(0, equals), text.substr(equals + 1));
  }
  return out;
}

// "" if /proc does not tell; the key then keeps its own default.
std::string PluginDirectoryBesideBinary() {
  std::error_code error;
  const std::filesystem::path binary = std::filesystem::read_symlink("/proc/self/exe", error);
  if (error) return "";
  return (binary.parent_path().parent_path() / "lib" / "chronik" / "plugins").string();
}

}  // namespace

Inputs ReadInputs(const CommandLine& command_line) {
  Inputs inputs;
  inputs.environment = ReadEnvironment();
  inputs.flags = command_line.overrides;
  inputs.defaults["broker.plugin_dir"] = PluginDirectoryBesideBinary();
  for (const std::string& path : command_line.config_files) {
    Result<std::string> text = ReadFile(path);
    if (text.ok()) {
      inputs.files.push_back({path, std::move(text).value()});
    } else {
      inputs.problems.push_back(text.error().message);
    }
  }
  return inputs;
}

}  // namespace chronik::config
