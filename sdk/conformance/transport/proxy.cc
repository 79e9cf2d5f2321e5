// SPDX-License-Identifier: Apache-2.0
#include "sdk/conformance/transport/proxy.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <utility>
#include <vector>

namespace chronik_conformance {
namespace {

constexpr size_t kHeldBytesMax = 256 << 10;  // in one direction of one connection

sockaddr_in Loopback(uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

uint16_t PortOf(const std::string& address) {
  return static_cast<uint16_t>(std::stoi(address.substr(address.rfind(':') + 1)));
}

void NoDelay(int fd) {
  const int one = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
}

}  // namespace

Proxy::Proxy(const std::string& target) : target_port_(PortOf(target)) {
  listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  sockaddr_in address = Loopback(0);
  socklen_t size = sizeof(address);
  if (::bind(listener_, reinterpret_cast<sockaddr*>(&address), size) != 0 || ::listen(listener_, 64) != 0 ||
      ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    throw std::system_error(errno, std::generic_category(), "the proxy cannot listen");
  }
  address_ = "127.0.0.1:" + std::to_string(ntohs(address.sin_port));
  thread_ = std::thread([this] { Run(); });
}

Proxy::~Proxy() {
  stop_ = true;
  thread_.join();
  for (const Link& link : links_) CloseLink(link, true);
  ::close(listener_);
}

void Proxy::SetTarget(const std::string& target) {
  const std::scoped_lock lock(mutex_);
  target_port_ = PortOf(target);
}
void Proxy::Refuse(bool refuse) {
  const std::scoped_lock lock(mutex_);
  refuse_ = refuse;
}
void Proxy::Blackhole(bool blackhole) {
  const std::scoped_lock lock(mutex_);
  blackhole_ = blackhole;
}
void Proxy::Delay(std::chrono::milliseconds delay) {
  const std::scoped_lock lock(mutex_);
  delay_ = delay;
}
void Proxy::CorruptAfter(uint64_t bytes) {
  const std::scoped_lock lock(mutex_);
  corrupt_after_ = bytes;
}

void Proxy::Cut(bool reset) {
  const std::scoped_lock lock(mutex_);
  for (const Link& link : links_) CloseLink(link, reset);
  links_.clear();
}

void Proxy::CloseLink(const Link& link, bool reset) {
  for (const int fd : {link.client, link.server}) {
    const linger hard{1, 0};
    if (reset) ::setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
    ::close(fd);
  }
}

void Proxy::Run() {
  while (!stop_) {
    std::vector<pollfd> waits{{listener_, POLLIN, 0}};
    {
      const std::scoped_lock lock(mutex_);
      for (const Link& link : links_) {
        if (blackhole_) break;
        for (const Way* way : {&link.out, &link.back}) {
          const bool full = way->bytes >= kHeldBytesMax;
          if (!way->ended && !full) waits.push_back({way->from, POLLIN, 0});
          if (!way->chunks.empty() && delay_.count() == 0) waits.push_back({way->to, POLLOUT, 0});
        }
      }
    }
    ::poll(waits.data(), waits.size(), 1);
    Accept();
    const std::scoped_lock lock(mutex_);
    if (blackhole_) continue;
    for (Link& link : links_) Move(link);
    std::erase_if(links_, [](const Link& link) {
      if (link.dead) CloseLink(link, false);
      return link.dead;
    });
  }
}

void Proxy::Accept() {
  for (;;) {
    const int client = ::accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (client < 0) return;
    ++accepted_;
    const std::scoped_lock lock(mutex_);
    const int server = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const sockaddr_in address = Loopback(target_port_);
    if (refuse_ || ::connect(server, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
      ::close(client);
      ::close(server);
      continue;
    }
    ::fcntl(server, F_SETFL, O_NONBLOCK);
    NoDelay(client);
    NoDelay(server);
    links_.push_back({client, server, {client, server, true, false, {}, 0}, {server, client, false, false, {}, 0}});
  }
}

void Proxy::Move(Link& link) {
  for (Way* way : {&link.out, &link.back}) {
    if (!way->ended && way->bytes < kHeldBytesMax) Receive(link, *way);
    Transmit(link, *way);
  }
  if (link.out.ended && link.back.ended && link.out.chunks.empty() && link.back.chunks.empty()) link.dead = true;
}

void Proxy::Receive(Link& link, Way& way) {
  std::string bytes(64 << 10, '\0');
  const ssize_t got = ::recv(way.from, bytes.data(), bytes.size(), 0);
  if (got == 0) {
    way.ended = true;
    if (way.chunks.empty()) ::shutdown(way.to, SHUT_WR);
  } else if (got < 0) {
    link.dead = link.dead || (errno != EAGAIN && errno != EINTR);
  } else {
    bytes.resize(static_cast<size_t>(got));
    if (way.to_target) Spoil(bytes);
    way.bytes += bytes.size();
    way.chunks.push_back({Clock::now() + delay_, std::move(bytes)});
  }
}

void Proxy::Transmit(Link& link, Way& way) {
  while (!way.chunks.empty() && way.chunks.front().due <= Clock::now()) {
    Chunk& chunk = way.chunks.front();
    const ssize_t sent = ::send(way.to, chunk.bytes.data() + chunk.sent, chunk.bytes.size() - chunk.sent, MSG_NOSIGNAL);
    if (sent < 0) {
      link.dead = link.dead || (errno != EAGAIN && errno != EINTR);
      return;
    }
    chunk.sent += static_cast<size_t>(sent);
    way.bytes -= static_cast<size_t>(sent);
    if (chunk.sent < chunk.bytes.size()) return;
    way.chunks.pop_front();
    if (way.ended && way.chunks.empty()) ::shutdown(way.to, SHUT_WR);
  }
}

void Proxy::Spoil(std::string& bytes) {
  if (corrupt_after_ == UINT64_MAX) return;
  if (corrupt_after_ >= bytes.size()) {
    corrupt_after_ -= bytes.size();
    return;
  }
  bytes[corrupt_after_] = static_cast<char>(bytes[corrupt_after_] ^ 0x10);
  corrupt_after_ = UINT64_MAX;
  ++corrupted_;
}

}  // namespace chronik_conformance
