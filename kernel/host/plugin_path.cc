// SPDX-License-Identifier: Apache-2.0
#include "kernel/host/plugin_path.h"

#include <grp.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <numeric>
#include <optional>

namespace chronik::host {
namespace {

namespace fs = std::filesystem;

constexpr size_t kNamesShown = 5;

Error Refuse(const std::string& why) { return {ErrorCode::kPlugin, why}; }

// A user's private group (same number as the user, no further member) is nobody else: with the umask of 002 that goes
// with such groups, a build tree in a home directory is writable by it throughout.
bool IsPrivateGroupOfThisUser(gid_t gid) {
  if (gid == 0 || gid != ::geteuid()) return false;
  std::array<char, 16384> buffer{};
  group entry{};
  group* found = nullptr;
  if (::getgrgid_r(gid, &entry, buffer.data(), buffer.size(), &found) != 0 || found == nullptr) return false;
  std::array<char, 16384> user_buffer{};
  passwd user{};
  passwd* user_found = nullptr;
  if (::getpwuid_r(::geteuid(), &user, user_buffer.data(), user_buffer.size(), &user_found) != 0) return false;
  if (user_found == nullptr || std::strcmp(user.pw_name, entry.gr_name) != 0) return false;
  for (char** member = entry.gr_mem; *member != nullptr; ++member) {
    if (std::strcmp(*member, user.pw_name) != 0) return false;
  }
  return true;
}

Status CheckOwnerAndMode(const fs::path& path, bool sticky_is_safe) {
  struct stat st{};
  if (::lstat(path.c_str(), &st) != 0) return Refuse(path.string() + ": " + std::strerror(errno));
  if (st.st_uid != 0 && st.st_uid != ::geteuid()) {
    return Refuse(path.string() + " belongs to user " + std::to_string(st.st_uid) +
                  ", who could swap plugins; chown it to root or to the broker's user");
  }
  if (S_ISLNK(st.st_mode)) return {};  // its mode means nothing; where it leads is checked as a path of its own
  const bool writable_by_others =
      (st.st_mode & S_IWOTH) != 0 || ((st.st_mode & S_IWGRP) != 0 && !IsPrivateGroupOfThisUser(st.st_gid));
  if (writable_by_others && !(sticky_is_safe && (st.st_mode & S_ISVTX) != 0)) {
    return Refuse(path.string() + " is writable by group or others, who could swap plugins; run: chmod go-w " +
                  path.string());
  }
  return {};
}

// `path` is absolute.
Status CheckComponents(const fs::path& path) {
  fs::path walked;
  for (auto part = path.begin(); part != path.end(); ++part) {
    if (part->empty()) continue;  // "/a/"
    walked /= *part;
    const bool last = std::next(part) == path.end() || std::next(part)->empty();
    CHRONIK_RETURN_IF_ERROR(CheckOwnerAndMode(walked, !last));
  }
  return {};
}

size_t EditDistance(const std::string& a, const std::string& b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = std::exchange(row[0], i);
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = std::exchange(row[j], std::min({replaced, row[j] + 1, row[j - 1] + 1}));
    }
  }
  return row[b.size()];
}

// The names that are there, the most similar first.
std::string Available(const fs::path& directory, const std::string& wanted) {
  std::vector<std::string> names = PluginNames(directory);
  if (names.empty()) return "the directory holds no plugins";
  std::stable_sort(names.begin(), names.end(), [&](const std::string& a, const std::string& b) {
    return EditDistance(a, wanted) < EditDistance(b, wanted);
  });
  std::string out = "available: ";
  for (size_t i = 0; i < std::min(names.size(), kNamesShown); ++i) out += (i > 0 ? ", " : "") + names[i];
  if (names.size() > kNamesShown) out += " and " + std::to_string(names.size() - kNamesShown) + " more";
  return out;
}

}  // namespace

Status CheckPluginDirectory(const fs::path& directory) {
  if (!directory.is_absolute()) {
    return Refuse("plugin directory '" + directory.string() + "' must be an absolute path; set broker.plugin_dir");
  }
  std::error_code ec;
  const fs::path real = fs::canonical(directory, ec);
  if (ec) return Refuse("plugin directory " + directory.string() + ": " + ec.message() + "; set broker.plugin_dir");
  if (!fs::is_directory(real, ec)) {
    return Refuse("plugin directory " + real.string() + " is not a directory; set broker.plugin_dir");
  }
  CHRONIK_RETURN_IF_ERROR(CheckComponents(directory));
  return CheckComponents(real);
}

std::vector<std::string> PluginNames(const fs::path& directory) {
  std::vector<std::string> names;
  std::error_code ec;
  for (fs::directory_iterator at(directory, ec), end; !ec && at != end; at.increment(ec)) {
    if (at->path().extension() == ".so") names.push_back(at->path().stem().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

Result<fs::path> FindPlugin(const fs::path& directory, const std::string& name) {
  CHRONIK_RETURN_IF_ERROR(CheckPluginDirectory(directory));
  if (name.empty() || name[0] == '.' || name.find('/') != std::string::npos || name.find('\0') != std::string::npos) {
    return Refuse("plugin '" + name + "': give the name of a file in " + directory.string() + ", not a path");
  }
  std::error_code ec;
  const fs::path base = fs::canonical(directory, ec);
  const std::string stem = name.ends_with(".so") ? name.substr(0, name.size() - 3) : name;
  const fs::path file = base / (stem + ".so");
  const fs::path real = fs::canonical(file, ec);
  if (ec) {
    return Refuse("plugin '" + name + "' is not in " + base.string() + " (" + ec.message() + "); " +
                  Available(base, stem));
  }
  if (real.parent_path() != base) {
    return Refuse(file.string() + " leads out of the plugin directory, to " + real.string() + "; copy the file there");
  }
  if (!fs::is_regular_file(real, ec))
    return Refuse(file.string() + " is not a regular file; put the plugin's file there");
  CHRONIK_RETURN_IF_ERROR(CheckOwnerAndMode(file, false));
  CHRONIK_RETURN_IF_ERROR(CheckOwnerAndMode(real, false));
  return real;
}

Result<FileIdentity> IdentifyFile(const fs::path& file) {
  struct stat st{};
  if (::stat(file.c_str(), &st) != 0) return Refuse(file.string() + ": " + std::strerror(errno));
  return FileIdentity{st.st_dev, st.st_ino, st.st_size, st.st_ctim.tv_sec * 1'000'000'000 + st.st_ctim.tv_nsec};
}

}  // namespace chronik::host
