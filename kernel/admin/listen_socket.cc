// SPDX-License-Identifier: Apache-2.0
#include "kernel/admin/listen_socket.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <utility>

namespace chronik::admin {
namespace {

constexpr int kBacklog = 64;

// Owns a descriptor until it is released.
class Fd {
 public:
  explicit Fd(int fd) : fd_(fd) {}
  ~Fd() {
    if (fd_ >= 0) ::close(fd_);
  }
  Fd(const Fd&) = delete;
  Fd& operator=(const Fd&) = delete;
  int get() const { return fd_; }
  bool ok() const { return fd_ >= 0; }
  int Release() { return std::exchange(fd_, -1); }

 private:
  int fd_;
};

Error CannotListen(const std::string& where, const std::string& what) {
  return {ErrorCode::kConfig, "admin.listen: " + where + ": " + what};
}

Error CannotListen(const std::string& where) { return CannotListen(where, std::strerror(errno)); }

sockaddr_un UnixAddress(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  return address;
}

bool SomebodyListens(const sockaddr_un& address) {
  const Fd probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  return probe.ok() && ::connect(probe.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
}

}  // namespace

Result<ListenSocket> ListenOnPath(const std::string& path) {
  const std::filesystem::path whole(path);
  // Reached through its directory's descriptor, the name always fits into an address.
  const Fd directory(::open(whole.parent_path().c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!directory.ok()) return CannotListen(path);
  const std::string short_path = "/proc/self/fd/" + std::to_string(directory.get()) + "/" + whole.filename().string();
  if (short_path.size() >= sizeof(sockaddr_un::sun_path)) return CannotListen(path, "the file's name is too long");
  const sockaddr_un address = UnixAddress(short_path);
  Fd listener(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  // Before bind, so that there is no moment at which others could connect.
  if (!listener.ok() || ::fchmod(listener.get(), 0600) != 0) return CannotListen(path);
  if (::bind(listener.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    struct stat there{};
    if (errno != EADDRINUSE) return CannotListen(path);
    if (::lstat(short_path.c_str(), &there) == 0 && !S_ISSOCK(there.st_mode))
      return CannotListen(path, "is there and is no socket; remove it");
    if (SomebodyListens(address)) return CannotListen(path, "another process listens there");
    if (::unlink(short_path.c_str()) != 0 && errno != ENOENT) return CannotListen(path);
    if (::bind(listener.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
      return CannotListen(path);
  }
  if (::listen(listener.get(), kBacklog) != 0) return CannotListen(path);
  return ListenSocket{listener.Release(), true, path};
}

Result<ListenSocket> ListenOnLoopback(const config::HostPort& address) {
  const std::string where = address.ToString();
  if (!address.IsLoopback()) return CannotListen(where, "is no loopback address, and there is no authentication yet");
  const bool v6 = address.host == "::1";
  Fd listener(::socket(v6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!listener.ok()) return CannotListen(where);
  const int on = 1;
  ::setsockopt(listener.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_in to4{};
  to4.sin_family = AF_INET;
  to4.sin_port = htons(address.port);
  ::inet_pton(AF_INET, address.host == "localhost" ? "127.0.0.1" : address.host.c_str(), &to4.sin_addr);
  sockaddr_in6 to6{};
  to6.sin6_family = AF_INET6;
  to6.sin6_port = htons(address.port);
  to6.sin6_addr = in6addr_loopback;
  auto* const bound = v6 ? reinterpret_cast<sockaddr*>(&to6) : reinterpret_cast<sockaddr*>(&to4);
  socklen_t size = v6 ? sizeof to6 : sizeof to4;
  if (::bind(listener.get(), bound, size) != 0 || ::listen(listener.get(), kBacklog) != 0 ||
      ::getsockname(listener.get(), bound, &size) != 0) {
    return CannotListen(where);
  }
  const uint16_t port = ntohs(v6 ? to6.sin6_port : to4.sin_port);
  return ListenSocket{listener.Release(), false, config::HostPort{address.host, port}.ToString()};
}

}  // namespace chronik::admin
