// SPDX-License-Identifier: Apache-2.0
// Which files may be loaded as plugins: the rules for paths, owners and permissions. They keep out accidents and
// tampering; a plugin itself runs with all the rights of the broker.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "kernel/base/result.h"

namespace chronik::host {

// `directory` must be absolute. Every component from / down, of the path as given and of what it resolves to, belongs
// to root or to this process' user, and nobody else can write to it. On the way - not for the plugin directory itself -
// a sticky directory such as /tmp is safe: others cannot rename or remove in it what is not theirs.
Status CheckPluginDirectory(const std::filesystem::path& directory);

// The file of plugin `name` ("log_wal" or "log_wal.so", never a path) in `directory`, resolved: a regular file under
// the same rules that does not lead out of the directory. The error names what is wrong and what to do.
Result<std::filesystem::path> FindPlugin(const std::filesystem::path& directory, const std::string& name);

// The names of the .so files in `directory`, sorted.
std::vector<std::string> PluginNames(const std::filesystem::path& directory);

// What tells one state of a file from another; to see whether it was replaced while it was being checked.
struct FileIdentity {
  uint64_t device = 0;
  uint64_t inode = 0;
  int64_t size = 0;
  int64_t changed_ns = 0;  // ctime
  friend bool operator==(const FileIdentity&, const FileIdentity&) = default;
};
Result<FileIdentity> IdentifyFile(const std::filesystem::path& file);

}  // namespace chronik::host
