// SPDX-License-Identifier: Apache-2.0
// An HTTP client for tests of exporters: sends any bytes, reads exactly what the protocol says, and tells when the
// connection ends.
#pragma once

#include <errno.h>
#include <netdb.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <charconv>
#include <chrono>
#include <memory>
#include <string>
#include <string_view>

#include <chronik/sdk/address.h>

CHRONIK_SDK_BEGIN
namespace testing {

struct HttpAnswer {
  std::string head;
  std::string body;
  bool closed = false;  // the connection ended before the answer was complete

  unsigned status() const {
    unsigned out = 0;
    if (!closed && head.size() > 12) std::from_chars(head.data() + 9, head.data() + 12, out);
    return out;
  }
};

// Throws Error(CHR_E_TIMEOUT) when nothing comes for `patience`, Error(CHR_E_IO) when it cannot connect or what comes
// is not HTTP with a Content-Length.
class HttpClient {
 public:
  // `receive_buffer` 0: as the system likes it; a small one makes a slow reader of this client.
  explicit HttpClient(const std::string& address, std::chrono::seconds patience = std::chrono::seconds(20),
                      int receive_buffer = 0) {
    const Address to = ParseAddress("address", address);
    addrinfo hints{};
    hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV;
    hints.ai_socktype = SOCK_STREAM;
    addrinfo* found = nullptr;
    if (::getaddrinfo(to.host.c_str(), std::to_string(to.port).c_str(), &hints, &found) != 0) {
      throw Error(CHR_E_INVALID, address + " is no numeric address");
    }
    const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owner(found, &::freeaddrinfo);
    fd_ = ::socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const timeval wait{patience.count(), 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
    ::setsockopt(fd_, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof wait);
    if (receive_buffer > 0) ::setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
    if (fd_ < 0 || ::connect(fd_, found->ai_addr, found->ai_addrlen) != 0) {
      const int error = errno;
      if (fd_ >= 0) ::close(fd_);
      throw Error(CHR_E_IO, "cannot connect to " + address, error);
    }
  }
  ~HttpClient() { ::close(fd_); }
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;

  // How much of it was taken: all, unless the server closed or takes nothing more for `patience`.
  size_t Send(std::string_view text) {
    size_t sent = 0;
    while (sent < text.size()) {
      const ssize_t n = ::send(fd_, text.data() + sent, text.size() - sent, MSG_NOSIGNAL);
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) break;
      sent += static_cast<size_t>(n);
    }
    return sent;
  }
  HttpAnswer Receive(bool with_body = true) {
    HttpAnswer out;
    size_t end = 0;
    while ((end = received_.find("\r\n\r\n")) == std::string::npos) {
      if (!ReadMore()) return {received_, "", true};
    }
    out.head = received_.substr(0, end + 2);
    received_.erase(0, end + 4);
    if (!with_body) return out;
    const size_t length = LengthOf(out.head);
    while (received_.size() < length) {
      if (!ReadMore()) return {out.head, received_, true};
    }
    out.body = received_.substr(0, length);
    received_.erase(0, length);
    return out;
  }
  HttpAnswer Get(const std::string& path) {
    Send("GET " + path + " HTTP/1.1\r\nHost: x\r\n\r\n");
    return Receive();
  }
  // Waits for the end of the connection; false if something came instead.
  bool IsClosed() { return received_.empty() && !ReadMore(); }
  // Reads and forgets until the connection ends.
  void DrainToTheEnd() {
    do {
      received_.clear();
    } while (ReadMore());
  }

 private:
  static size_t LengthOf(const std::string& head) {
    constexpr std::string_view kField = "\r\nContent-Length: ";
    const size_t field = head.find(kField);
    if (field == std::string::npos) throw Error(CHR_E_IO, "an answer without Content-Length: " + head);
    size_t length = 0;
    std::from_chars(head.data() + field + kField.size(), head.data() + head.size(), length);
    return length;
  }
  bool ReadMore() {
    char buffer[65536];
    ssize_t n = 0;
    do {
      n = ::recv(fd_, buffer, sizeof buffer, 0);
    } while (n < 0 && errno == EINTR);
    if (n < 0 && errno == EAGAIN) throw Error(CHR_E_TIMEOUT, "no answer in time");
    if (n <= 0) return false;
    received_.append(buffer, static_cast<size_t>(n));
    return true;
  }

  int fd_ = -1;
  std::string received_;
};

}  // namespace testing
CHRONIK_SDK_END
