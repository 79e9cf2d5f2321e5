// SPDX-License-Identifier: Apache-2.0
// For the tests of this folder: where the fixture plugins are, and a directory of one's own to spoil.
#pragma once

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

namespace chronik::host {

// <build>/test/plugins, next to the test program.
inline std::filesystem::path FixtureDirectory() {
  return std::filesystem::canonical("/proc/self/exe").parent_path() / "plugins";
}

// A plugin directory that may be spoilt, with the mode 0755 whatever the umask.
class ScratchDirectory {
 public:
  ScratchDirectory() {
    std::string pattern = (std::filesystem::temp_directory_path() / "chronik_host_XXXXXX").string();
    if (::mkdtemp(pattern.data()) == nullptr) std::abort();
    path_ = std::filesystem::canonical(pattern);
    SetMode(path_, 0755);
  }
  ~ScratchDirectory() { std::filesystem::remove_all(path_); }
  ScratchDirectory(const ScratchDirectory&) = delete;
  ScratchDirectory& operator=(const ScratchDirectory&) = delete;

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path AddFixture(const std::string& fixture, const std::string& as) const {
    std::filesystem::copy_file(FixtureDirectory() / (fixture + ".so"), path_ / as);
    SetMode(path_ / as, 0644);
    return path_ / as;
  }
  std::filesystem::path AddFile(const std::string& name, const std::string& content) const {
    std::ofstream(path_ / name, std::ios::binary) << content;
    SetMode(path_ / name, 0644);
    return path_ / name;
  }
  static void SetMode(const std::filesystem::path& path, unsigned mode) {
    std::filesystem::permissions(path, static_cast<std::filesystem::perms>(mode));
  }

 private:
  std::filesystem::path path_;
};

}  // namespace chronik::host
