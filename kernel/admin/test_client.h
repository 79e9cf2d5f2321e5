// SPDX-License-Identifier: Apache-2.0
// An HTTP client for the tests: sends what it is told to, byte by byte, reads what the protocol says.
#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>

namespace chronik::admin {

struct Reply {
  std::string head;
  std::string body;
  unsigned status = 0;  // 0: the connection ended before the reply was complete
};

class TestClient {
 public:
  // A path, or "127.0.0.1:port".
  explicit TestClient(const std::string& address) {
    const bool is_path = address.starts_with('/');
    fd_ = ::socket(is_path ? AF_UNIX : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const timeval patience{20, 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    sockaddr_un to_path{};
    to_path.sun_family = AF_UNIX;
    std::strncpy(to_path.sun_path, address.c_str(), sizeof to_path.sun_path - 1);
    sockaddr_in to_port{};
    to_port.sin_family = AF_INET;
    to_port.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (!is_path) to_port.sin_port = htons(static_cast<uint16_t>(std::stoul(address.substr(address.rfind(':') + 1))));
    connected_ = (is_path ? ::connect(fd_, reinterpret_cast<sockaddr*>(&to_path), sizeof to_path)
                          : ::connect(fd_, reinterpret_cast<sockaddr*>(&to_port), sizeof to_port)) == 0;
  }
  ~TestClient() { ::close(fd_); }
  TestClient(const TestClient&) = delete;
  TestClient& operator=(const TestClient&) = delete;

  bool connected() const { return connected_; }
  void Send(const std::string& text) {
    for (size_t sent = 0; sent < text.size();) {
      const ssize_t n = ::send(fd_, text.data() + sent, text.size() - sent, MSG_NOSIGNAL);
      if (n <= 0) return;  // the server may have closed already
      sent += static_cast<size_t>(n);
    }
  }
  Reply Receive() {
    size_t end = 0;
    while ((end = received_.find("\r\n\r\n")) == std::string::npos) {
      if (!ReadMore()) return {received_, ""};
    }
    Reply out{received_.substr(0, end + 2), ""};
    received_.erase(0, end + 4);
    const size_t field = out.head.find("Content-Length: ");
    const size_t length = field == std::string::npos ? 0 : std::stoul(out.head.substr(field + 16));
    while (received_.size() < length) {
      if (!ReadMore()) return out;
    }
    out.body = received_.substr(0, length);
    received_.erase(0, length);
    out.status = static_cast<unsigned>(std::stoul(out.head.substr(9, 3)));
    return out;
  }
  Reply Ask(const std::string& method, const std::string& target, const std::string& fields = "Host: localhost\r\n") {
    Send(method + " " + target + " HTTP/1.1\r\n" + fields + "\r\n");
    return Receive();
  }
  Reply Get(const std::string& target) { return Ask("GET", target); }
  // Waits for the end of the connection; false if something came instead.
  bool IsClosed() { return received_.empty() && !ReadMore(); }

 private:
  bool ReadMore() {
    char buffer[65536];
    const ssize_t n = ::recv(fd_, buffer, sizeof buffer, 0);
    EXPECT_FALSE(n < 0 && errno == EAGAIN) << "no answer";
    if (n <= 0) return false;
    received_.append(buffer, static_cast<size_t>(n));
    return true;
  }

  int fd_ = -1;
  bool connected_ = false;
  std::string received_;
};

}  // namespace chronik::admin
