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
constexpr size_t kSlowPieceBytes = 4 << 10;  // of a connection whose bandwidth is limited

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

std::vector<Proxy::Clock::time_point> Proxy::arrivals() {
  const std::scoped_lock lock(mutex_);
  return arrivals_;
}

// --- faults ----------------------------------------------------------------------------------------------------------

void Proxy::Latency(std::chrono::milliseconds delay) {
  const std::scoped_lock lock(mutex_);
  faults_.delay = delay;
}
void Proxy::Bandwidth(uint64_t bytes_per_second) {
  const std::scoped_lock lock(mutex_);
  faults_.bytes_per_second = bytes_per_second;
}
void Proxy::SlowClose(std::chrono::milliseconds delay) {
  const std::scoped_lock lock(mutex_);
  faults_.close_delay = delay;
}
void Proxy::CutAfter(uint64_t bytes) {
  const std::scoped_lock lock(mutex_);
  faults_.cut_after_bytes = bytes;
  for (Link& link : links_) link.out.passed = 0;
}
void Proxy::ResetAfter(std::chrono::milliseconds age) {
  const std::scoped_lock lock(mutex_);
  faults_.reset_age = age;
  for (Link& link : links_) link.since = Clock::now();
}
void Proxy::Silence(Way way) {
  const std::scoped_lock lock(mutex_);
  (way == Way::kToPeer ? faults_.silent_to_target : faults_.silent_from_target) = true;
}
void Proxy::RefuseShare(double part) {
  const std::scoped_lock lock(mutex_);
  faults_.refused_part = part;
}
void Proxy::Blackhole(bool blackhole) {
  const std::scoped_lock lock(mutex_);
  faults_.blackhole = blackhole;
}
void Proxy::CorruptAfter(uint64_t bytes) {
  const std::scoped_lock lock(mutex_);
  corrupt_after_ = bytes;
}

void Proxy::Heal() {
  const std::scoped_lock lock(mutex_);
  // A connection that lost bytes cannot go on.
  if (faults_.silent_to_target || faults_.silent_from_target) {
    for (Link& link : links_) link.doomed_at = Clock::now();
  }
  faults_ = {};
}

void Proxy::Impersonate(const std::string& bytes, bool then_end) {
  const std::scoped_lock lock(mutex_);
  for (Link& link : links_) {
    link.out.deaf = true;
    link.out.bytes += bytes.size();
    if (!bytes.empty()) link.out.chunks.push_back({Clock::now(), bytes});
    if (then_end) link.out.ended = true;
  }
}

void Proxy::MuteAfter(uint64_t bytes) {
  const std::scoped_lock lock(mutex_);
  for (Link& link : links_) {
    link.out.passed = 0;
    link.out.mute_after_bytes = bytes;
  }
}

void Proxy::Cut(bool reset) {
  const std::scoped_lock lock(mutex_);
  for (const Link& link : links_) CloseLink(link, reset);
  links_.clear();
}

// --- passing bytes ---------------------------------------------------------------------------------------------------

void Proxy::CloseLink(const Link& link, bool reset) {
  for (const int fd : {link.client, link.server}) {
    const linger hard{1, 0};
    if (reset) ::setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
    ::close(fd);
  }
}

void Proxy::Run() {
  while (!stop_) {
    Wait();
    Accept();
    const std::scoped_lock lock(mutex_);
    if (faults_.blackhole) continue;
    for (Link& link : links_) Move(link);
    std::erase_if(links_, [](const Link& link) {
      const bool gone = link.doomed_at && Clock::now() >= *link.doomed_at;
      if (gone) CloseLink(link, link.reset);
      return gone;
    });
  }
}

// Until there is something to do, at most a millisecond.
void Proxy::Wait() {
  std::vector<pollfd> waits{{listener_, POLLIN, 0}};
  {
    const std::scoped_lock lock(mutex_);
    const bool at_once = faults_.delay.count() == 0 && faults_.bytes_per_second == 0;
    for (const Link& link : links_) {
      if (faults_.blackhole || link.doomed_at) continue;
      for (const Stretch* way : {&link.out, &link.back}) {
        if (!way->ended && way->bytes < kHeldBytesMax) waits.push_back({way->from, POLLIN, 0});
        if (!way->chunks.empty() && at_once) waits.push_back({way->to, POLLOUT, 0});
      }
    }
  }
  ::poll(waits.data(), waits.size(), 1);
}

void Proxy::Accept() {
  for (;;) {
    const int client = ::accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (client < 0) return;
    ++accepted_;
    const std::scoped_lock lock(mutex_);
    arrivals_.push_back(Clock::now());
    const int server = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const sockaddr_in address = Loopback(target_port_);
    const bool refused = std::uniform_real_distribution<double>(0, 1)(random_) < faults_.refused_part;
    if (refused || ::connect(server, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
      ::close(client);
      ::close(server);
      continue;
    }
    ::fcntl(server, F_SETFL, O_NONBLOCK);
    NoDelay(client);
    NoDelay(server);
    links_.push_back({client, server, {client, server, true}, {server, client, false}, Clock::now()});
  }
}

void Proxy::Move(Link& link) {
  if (link.doomed_at) return;
  if (faults_.reset_age && Clock::now() >= link.since + *faults_.reset_age) {
    link.reset = true;
    link.doomed_at = Clock::now();
    return;
  }
  for (Stretch* way : {&link.out, &link.back}) {
    if (!way->ended && way->bytes < kHeldBytesMax) Receive(link, *way);
    Transmit(link, *way);
  }
  if (link.out.shut && link.back.shut) Doom(link);
}

void Proxy::Doom(Link& link) const {
  if (!link.doomed_at) link.doomed_at = Clock::now() + faults_.close_delay;
}

bool Proxy::Silent(const Stretch& way) const {
  return way.deaf || (way.to_target ? faults_.silent_to_target : faults_.silent_from_target);
}

void Proxy::Receive(Link& link, Stretch& way) {
  std::string bytes(64 << 10, '\0');
  const ssize_t got = ::recv(way.from, bytes.data(), bytes.size(), 0);
  if (got == 0) {
    way.ended = true;
    way.end_due = Clock::now() + faults_.close_delay;
  } else if (got < 0) {
    if (errno != EAGAIN && errno != EINTR) Doom(link);
  } else if (!Silent(way)) {
    bytes.resize(static_cast<size_t>(got));
    if (way.to_target) Spoil(bytes);
    way.bytes += bytes.size();
    way.chunks.push_back({Clock::now() + faults_.delay, std::move(bytes)});
  }
}

void Proxy::Transmit(Link& link, Stretch& way) {
  while (!way.chunks.empty() && way.chunks.front().due <= Clock::now() && way.next_send <= Clock::now()) {
    Chunk& chunk = way.chunks.front();
    size_t bytes = chunk.bytes.size() - chunk.sent;
    if (faults_.bytes_per_second > 0) bytes = std::min(bytes, kSlowPieceBytes);
    if (way.to_target) bytes = std::min<uint64_t>(bytes, faults_.cut_after_bytes - way.passed);
    bytes = std::min<uint64_t>(bytes, way.mute_after_bytes - way.passed);
    const ssize_t sent = ::send(way.to, chunk.bytes.data() + chunk.sent, bytes, MSG_NOSIGNAL);
    if (sent < 0) {
      if (errno != EAGAIN && errno != EINTR) Doom(link);
      return;
    }
    chunk.sent += static_cast<size_t>(sent);
    way.bytes -= static_cast<size_t>(sent);
    way.passed += static_cast<uint64_t>(sent);
    if (way.to_target && way.passed >= faults_.cut_after_bytes) {
      link.reset = true;
      link.doomed_at = Clock::now();
      return;
    }
    if (way.passed >= way.mute_after_bytes) {
      way.deaf = true;
      way.chunks.clear();
      way.bytes = 0;
      return;
    }
    if (faults_.bytes_per_second > 0) {
      way.next_send = std::max(way.next_send, Clock::now() - std::chrono::milliseconds(10)) +
                      std::chrono::nanoseconds(static_cast<uint64_t>(sent) * 1'000'000'000 / faults_.bytes_per_second);
    }
    if (chunk.sent < chunk.bytes.size()) continue;
    way.chunks.pop_front();
  }
  if (way.ended && !way.shut && way.chunks.empty() && Clock::now() >= way.end_due) {
    ::shutdown(way.to, SHUT_WR);
    way.shut = true;
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
