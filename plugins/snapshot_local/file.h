// SPDX-License-Identifier: Apache-2.0
// A file descriptor with an owner, and system calls that throw sdk::Error with the path in its text.
#pragma once

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <span>
#include <string>
#include <utility>

#include <chronik/sdk/guard.h>

namespace chronik_snapshot_local {

using chronik::sdk::Error;

// "what: reason of errno", under the status that fits it.
[[noreturn]] inline void ThrowErrno(const std::string& what, int code = errno) {
  const chr_status status = code == ENOSPC || code == EDQUOT  ? CHR_E_NO_SPACE
                            : code == EACCES || code == EPERM ? CHR_E_DENIED
                                                              : CHR_E_IO;
  throw Error(status, what + ": " + std::strerror(code), code);
}

class File {
 public:
  File() = default;
  explicit File(int fd) : fd_(fd) {}
  File(File&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  File& operator=(File&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~File() {
    if (fd_ >= 0) ::close(fd_);
  }

  int fd() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }
  int Release() { return std::exchange(fd_, -1); }

  struct stat Stat(const std::string& name) const {
    struct stat status{};
    if (::fstat(fd_, &status) != 0) ThrowErrno("fstat " + name);
    return status;
  }
  void Append(std::span<const std::byte> bytes, const std::string& name) const {
    while (!bytes.empty()) {
      const ssize_t written = ::write(fd_, bytes.data(), bytes.size());
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) ThrowErrno("write " + name);
      bytes = bytes.subspan(static_cast<size_t>(written));
    }
  }
  // Throws CHR_E_CORRUPT if the file ends before.
  void ReadAt(std::span<std::byte> out, uint64_t offset, const std::string& name) const {
    while (!out.empty()) {
      const ssize_t got = ::pread(fd_, out.data(), out.size(), static_cast<off_t>(offset));
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) ThrowErrno("read " + name);
      if (got == 0) throw Error(CHR_E_CORRUPT, name + " is shorter than it says");
      out = out.subspan(static_cast<size_t>(got));
      offset += static_cast<uint64_t>(got);
    }
  }
  void Sync(const std::string& name) const {
    if (::fsync(fd_) != 0) ThrowErrno("fsync " + name);
  }

 private:
  int fd_ = -1;
};

}  // namespace chronik_snapshot_local
