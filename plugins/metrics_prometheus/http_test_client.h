// SPDX-License-Identifier: Apache-2.0
// An HTTP client for the tests: reads exactly what the protocol says, and tells when the connection ends.
#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>

namespace chronik_metrics_prometheus {

struct Response {
  std::string head;
  std::string body;
  bool closed = false;  // the connection ended before the response was complete
  unsigned status() const { return closed ? 0 : static_cast<unsigned>(std::stoul(head.substr(9, 3))); }
};

class Client {
 public:
  explicit Client(const std::string& address) {
    const size_t colon = address.rfind(':');
    const auto port = htons(static_cast<uint16_t>(std::stoul(address.substr(colon + 1))));
    const bool v6 = address[0] == '[';
    fd_ = ::socket(v6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const timeval patience{20, 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    sockaddr_in6 to6{};
    to6.sin6_family = AF_INET6;
    to6.sin6_port = port;
    to6.sin6_addr = in6addr_loopback;
    sockaddr_in to4{};
    to4.sin_family = AF_INET;
    to4.sin_port = port;
    to4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const int result = v6 ? ::connect(fd_, reinterpret_cast<sockaddr*>(&to6), sizeof to6)
                          : ::connect(fd_, reinterpret_cast<sockaddr*>(&to4), sizeof to4);
    EXPECT_EQ(result, 0) << address << ": " << std::strerror(errno);
  }
  ~Client() { ::close(fd_); }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  void Send(const std::string& text) {
    // MSG_NOSIGNAL: the server may have closed already.
    for (size_t sent = 0; sent < text.size();) {
      const ssize_t n = ::send(fd_, text.data() + sent, text.size() - sent, MSG_NOSIGNAL);
      if (n <= 0) return;
      sent += static_cast<size_t>(n);
    }
  }
  Response Receive(bool with_body = true) {
    Response out;
    size_t end = 0;
    while ((end = received_.find("\r\n\r\n")) == std::string::npos) {
      if (!ReadMore()) return {received_, "", true};
    }
    out.head = received_.substr(0, end + 2);
    received_.erase(0, end + 4);
    if (!with_body) return out;
    const size_t field = out.head.find("Content-Length: ");
    if (field == std::string::npos) {
      ADD_FAILURE() << "no length: " << out.head;
      return out;
    }
    const size_t length = std::stoul(out.head.substr(field + 16));
    while (received_.size() < length) {
      if (!ReadMore()) return {out.head, received_, true};
    }
    out.body = received_.substr(0, length);
    received_.erase(0, length);
    return out;
  }
  Response Get(const std::string& path) {
    Send("GET " + path + " HTTP/1.1\r\nHost: x\r\n\r\n");
    return Receive();
  }
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
  std::string received_;
};

}  // namespace chronik_metrics_prometheus
