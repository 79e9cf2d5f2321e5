// SPDX-License-Identifier: Apache-2.0
#include "plugins/snapshot_local/tree.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <memory>

namespace chronik_snapshot_local {
namespace {

constexpr int kFolderFlags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
constexpr size_t kKeyBytesMax = 512;

File OpenTop(const std::string& path) {
  std::error_code ec;
  std::filesystem::create_directories(path, ec);
  if (ec) ThrowErrno("create " + path, ec.value());
  File folder(::open(path.c_str(), kFolderFlags));
  if (!folder) ThrowErrno("open " + path);
  return folder;
}

File Duplicate(const File& file) {
  File copy(::fcntl(file.fd(), F_DUPFD_CLOEXEC, 0));
  if (!copy) ThrowErrno("dup");
  return copy;
}

std::string LastPart(const std::string& key) { return key.substr(key.rfind('/') + 1); }

// Calls visit(name) for every entry; the order is the file system's.
template <class Visit>
void ForEachEntry(const File& folder, const std::string& path, Visit visit) {
  // Opened anew: reading moves a position that duplicates would share.
  File again(::openat(folder.fd(), ".", kFolderFlags));
  if (!again) ThrowErrno("open " + path);
  const std::unique_ptr<DIR, int (*)(DIR*)> stream(::fdopendir(again.fd()), &::closedir);
  if (!stream) ThrowErrno("read " + path);
  again.Release();  // closedir closes it
  for (errno = 0; const dirent* entry = ::readdir(stream.get()); errno = 0) {
    const std::string name = entry->d_name;
    if (name != "." && name != "..") visit(name);
  }
  if (errno != 0) ThrowErrno("read " + path);
}

uint64_t Nanoseconds(const timespec& time) {
  return static_cast<uint64_t>(time.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(time.tv_nsec);
}

}  // namespace

Tree::Tree(std::string directory)
    : directory_(std::move(directory)),
      objects_(OpenTop(directory_ + "/objects")),
      unfinished_(OpenTop(directory_ + "/unfinished")) {
  OpenTop(directory_).Sync(directory_);
}

size_t Tree::ClearLeftovers() {
  size_t removed = 0;
  ForEachEntry(unfinished_, directory_ + "/unfinished", [&](const std::string& name) {
    const File file(::openat(unfinished_.fd(), name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
    if (file && ::flock(file.fd(), LOCK_EX | LOCK_NB) == 0 && ::unlinkat(unfinished_.fd(), name.c_str(), 0) == 0) {
      ++removed;
    }
  });
  return removed;
}

Tree::Unfinished Tree::Begin() {
  static std::atomic<uint64_t> next{1};
  while (true) {
    std::string name = std::to_string(::getpid()) + "-" + std::to_string(next.fetch_add(1));
    File file(::openat(unfinished_.fd(), name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
    if (!file && errno == EEXIST) continue;
    if (!file) ThrowErrno("create " + directory_ + "/unfinished/" + name);
    // Another instance that starts just now may have taken the file for a leftover before it was locked.
    if (::flock(file.fd(), LOCK_EX | LOCK_NB) == 0 && file.Stat(name).st_nlink == 1) return {std::move(file), name};
    Discard(name);
  }
}

void Tree::Discard(const std::string& unfinished_name) noexcept {
  ::unlinkat(unfinished_.fd(), unfinished_name.c_str(), 0);
}

void Tree::Publish(const std::string& unfinished_name, const std::string& key) {
  std::vector<File> changed;
  // On a shared mount another broker may remove the folder, emptied by it, just when it is needed.
  constexpr int kAttempts = 10;
  for (int attempt = 1;; ++attempt) {
    const std::scoped_lock lock(shape_);
    File folder = OpenFolder(key, Missing::kIsCreated, &changed);
    if (folder && ::renameat(unfinished_.fd(), unfinished_name.c_str(), folder.fd(), LastPart(key).c_str()) == 0) {
      changed.push_back(std::move(folder));
      break;
    }
    if (folder && errno == EISDIR) throw Error(CHR_E_INVALID, PathOf(key) + " is the folder of other objects");
    if (errno != ENOENT || attempt == kAttempts) ThrowErrno("rename to " + PathOf(key));
  }
  for (const File& folder : changed) folder.Sync("the folder of " + PathOf(key));
}

File Tree::Open(const std::string& key) const {
  const Error none(CHR_E_NOT_FOUND, "there is no " + PathOf(key));
  const File folder = OpenFolder(key, Missing::kIsNoFile, nullptr);
  if (!folder) throw none;
  File file(::openat(folder.fd(), LastPart(key).c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  if (!file && errno == ENOENT) throw none;
  if (!file && errno == ELOOP) throw Error(CHR_E_DENIED, PathOf(key) + " is a symbolic link, and none is followed");
  if (!file) ThrowErrno("open " + PathOf(key));
  if (!S_ISREG(file.Stat(key).st_mode)) throw none;
  return file;
}

void Tree::Remove(const std::string& key) {
  const std::scoped_lock lock(shape_);
  std::string path = key;
  bool emptied = false;  // the entry at `path` is a folder that has lost its last entry
  while (true) {
    const File folder = OpenFolder(path, Missing::kIsNoFile, nullptr);
    if (!folder) return;
    if (::unlinkat(folder.fd(), LastPart(path).c_str(), emptied ? AT_REMOVEDIR : 0) != 0) {
      // A folder with other entries stays; EISDIR: the key is not an object but the folder of some.
      if (errno == ENOENT || errno == EISDIR || emptied) return;
      ThrowErrno("remove " + PathOf(path));
    }
    folder.Sync("the folder of " + PathOf(path));
    const size_t slash = path.rfind('/');
    if (slash == std::string::npos) return;
    path.resize(slash);
    emptied = true;
  }
}

File Tree::OpenFolder(const std::string& key, Missing missing, std::vector<File>* changed) const {
  File folder = Duplicate(objects_);
  for (size_t begin = 0, slash = 0; (slash = key.find('/', begin)) != std::string::npos; begin = slash + 1) {
    folder = Enter(folder, key.substr(begin, slash - begin), PathOf(key.substr(0, slash)), missing, changed);
    if (!folder) break;
  }
  return folder;
}

File Tree::Enter(const File& folder, const std::string& name, const std::string& path, Missing missing,
                 std::vector<File>* changed) const {
  File next(::openat(folder.fd(), name.c_str(), kFolderFlags));
  if (!next && errno == ENOENT && missing == Missing::kIsCreated) {
    if (::mkdirat(folder.fd(), name.c_str(), 0700) != 0 && errno != EEXIST) ThrowErrno("create " + path);
    changed->push_back(Duplicate(folder));
    next = File(::openat(folder.fd(), name.c_str(), kFolderFlags));
  }
  if (next || errno == ENOENT) return next;
  const int code = errno;
  struct stat status{};
  if (::fstatat(folder.fd(), name.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(status.st_mode)) {
    throw Error(CHR_E_DENIED, path + " is a symbolic link, and none is followed");
  }
  if (code != ENOTDIR) ThrowErrno("open " + path, code);
  if (missing == Missing::kIsCreated) throw Error(CHR_E_INVALID, path + " is an object, so it cannot be a folder");
  return next;
}

std::vector<Tree::Found> Tree::List(const std::string& prefix) const {
  std::vector<Found> found;
  std::vector<std::string> folders{""};  // as the beginning of a key: "" or "a/b/"
  while (!folders.empty()) {
    const std::string folder = std::move(folders.back());
    folders.pop_back();
    ListFolder(folder, prefix, &found, &folders);
  }
  std::sort(found.begin(), found.end(), [](const Found& a, const Found& b) { return a.key < b.key; });
  return found;
}

void Tree::ListFolder(const std::string& folder_key, const std::string& prefix, std::vector<Found>* found,
                      std::vector<std::string>* folders) const {
  const File folder = OpenFolder(folder_key, Missing::kIsNoFile, nullptr);
  if (!folder) return;  // removed meanwhile
  ForEachEntry(folder, PathOf(folder_key), [&](const std::string& name) {
    const std::string key = folder_key + name;
    const size_t shared = std::min(key.size(), prefix.size());
    struct stat status{};
    if (key.compare(0, shared, prefix, 0, shared) != 0 || key.size() > kKeyBytesMax ||
        ::fstatat(folder.fd(), name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) {
      return;
    }
    if (S_ISDIR(status.st_mode)) {
      folders->push_back(key + "/");
    } else if (S_ISREG(status.st_mode) && key.size() >= prefix.size()) {
      found->push_back({key, static_cast<uint64_t>(status.st_size), Nanoseconds(status.st_mtim)});
    }
  });
}

}  // namespace chronik_snapshot_local
