// SPDX-License-Identifier: Apache-2.0
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "plugins/log_wal/file_system.h"

namespace chronik_log_wal {
namespace {

class PosixFile final : public File {
 public:
  explicit PosixFile(int fd) : fd_(fd) {}
  ~PosixFile() override { ::close(fd_); }

  int WriteAt(uint64_t position, std::vector<iovec>& parts) override {
    size_t next = 0;
    while (next < parts.size()) {
      const auto count = static_cast<int>(std::min<size_t>(parts.size() - next, IOV_MAX));
      ssize_t written = ::pwritev(fd_, &parts[next], count, static_cast<off_t>(position));
      if (written < 0) {
        if (errno == EINTR) continue;
        return errno;
      }
      position += static_cast<uint64_t>(written);
      while (next < parts.size() && static_cast<size_t>(written) >= parts[next].iov_len) {
        written -= static_cast<ssize_t>(parts[next++].iov_len);
      }
      if (next < parts.size()) {
        parts[next].iov_base = static_cast<char*>(parts[next].iov_base) + written;
        parts[next].iov_len -= static_cast<size_t>(written);
      }
    }
    return 0;
  }
  int ReadAt(uint64_t position, void* out, size_t size) override {
    auto* to = static_cast<char*>(out);
    while (size > 0) {
      const ssize_t got = ::pread(fd_, to, size, static_cast<off_t>(position));
      if (got < 0) {
        if (errno == EINTR) continue;
        return errno;
      }
      if (got == 0) return ENODATA;
      to += got;
      size -= static_cast<size_t>(got);
      position += static_cast<uint64_t>(got);
    }
    return 0;
  }
  int SyncData() override { return ::fdatasync(fd_) == 0 ? 0 : errno; }
  int Truncate(uint64_t size) override { return ::ftruncate(fd_, static_cast<off_t>(size)) == 0 ? 0 : errno; }
  int Size(uint64_t* out) override {
    struct stat st{};
    if (::fstat(fd_, &st) != 0) return errno;
    *out = static_cast<uint64_t>(st.st_size);
    return 0;
  }

 private:
  const int fd_;
};

class PosixFileSystem final : public FileSystem {
 public:
  ~PosixFileSystem() override {
    if (lock_fd_ >= 0) ::close(lock_fd_);
  }
  int Open(const std::string& path, bool create, FilePtr* out) override {
    const int fd = ::open(path.c_str(), O_RDWR | O_CLOEXEC | (create ? O_CREAT : 0), 0600);
    if (fd < 0) return errno;
    *out = std::make_shared<PosixFile>(fd);
    return 0;
  }
  int SyncDirectory(const std::string& path) override {
    const int fd = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return errno;
    const int error = ::fsync(fd) == 0 ? 0 : errno;
    ::close(fd);
    return error;
  }
  int MakeDirectory(const std::string& path) override {
    return ::mkdir(path.c_str(), 0700) == 0 || errno == EEXIST ? 0 : errno;
  }
  int Rename(const std::string& from, const std::string& to) override {
    return ::rename(from.c_str(), to.c_str()) == 0 ? 0 : errno;
  }
  int Remove(const std::string& path) override { return ::unlink(path.c_str()) == 0 || errno == ENOENT ? 0 : errno; }
  int RemoveDirectory(const std::string& path) override {
    std::vector<std::string> names;
    if (const int error = List(path, &names)) return error == ENOENT ? 0 : error;
    for (const std::string& name : names) {
      if (const int error = Remove(path + "/" + name)) return error;
    }
    return ::rmdir(path.c_str()) == 0 || errno == ENOENT ? 0 : errno;
  }
  int List(const std::string& path, std::vector<std::string>* names) override {
    DIR* dir = ::opendir(path.c_str());
    if (dir == nullptr) return errno;
    while (const dirent* entry = ::readdir(dir)) {
      const std::string name = entry->d_name;
      if (name != "." && name != "..") names->push_back(name);
    }
    ::closedir(dir);
    std::sort(names->begin(), names->end());
    return 0;
  }
  int FreeBytes(const std::string& path, uint64_t* out) override {
    struct statvfs st{};
    if (::statvfs(path.c_str(), &st) != 0) return errno;
    *out = static_cast<uint64_t>(st.f_bavail) * st.f_frsize;
    return 0;
  }
  int Lock(const std::string& path) override {
    lock_fd_ = ::open((path + "/LOCK").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (lock_fd_ < 0) return errno;
    return ::flock(lock_fd_, LOCK_EX | LOCK_NB) == 0 ? 0 : errno;
  }

 private:
  int lock_fd_ = -1;
};

}  // namespace

std::unique_ptr<FileSystem> MakePosixFileSystem() { return std::make_unique<PosixFileSystem>(); }

}  // namespace chronik_log_wal
