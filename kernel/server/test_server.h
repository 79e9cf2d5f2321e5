// SPDX-License-Identifier: Apache-2.0
// A Server with real shards and sockets on 127.0.0.1, its requests in the test's hand, blocking clients, and the log.
// Nothing here sleeps: whatever is waited for is an event with a generous limit.
#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstring>
#include <future>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "kernel/base/endian.h"
#include "kernel/base/log.h"
#include "kernel/server/server.h"

namespace chronik::server {

inline constexpr std::chrono::seconds kPatience{20};

// A frame with its length in front.
inline std::string Framed(const std::string& payload) {
  std::string out(4, '\0');
  StoreBig(reinterpret_cast<uint8_t*>(out.data()), static_cast<int32_t>(payload.size()));
  return out + payload;
}

// Keeps what the server hands over until the test answers it, or answers at once with what `echo` makes of it.
class HeldRequests final : public Dispatcher {
 public:
  using Echo = std::function<std::string(const std::string&)>;

  // For frames that begin with "large".
  bool AnswerMayBeLarge(ByteView frame) const override { return AsText(frame).starts_with("large"); }

  void Dispatch(Request request, Responder responder) override {
    std::unique_lock lock(mutex_);
    EXPECT_FALSE(forbidden_) << "a request after Stop";
    payloads_.emplace_back(request.frame.text());
    shards_.push_back(request.shard);
    in_flight_max = std::max(in_flight_max, ++in_flight_);
    if (on_dispatch) on_dispatch(payloads_.size() - 1);
    held_.emplace_back(echo ? std::nullopt : std::optional(std::move(responder)));
    frames_.push_back(echo ? Bytes() : std::move(request.frame));
    changed_.notify_all();
    if (!echo) return;
    --in_flight_;
    const std::string answer = Framed(echo(payloads_.back()));
    lock.unlock();
    ByteChain chain;
    chain.Append(Bytes::Copy(answer));
    responder.Reply(std::move(chain));
  }

  // Waits until so many requests came in all.
  testing::AssertionResult Came(size_t count) {
    std::unique_lock lock(mutex_);
    if (changed_.wait_for(lock, kPatience, [&] { return payloads_.size() >= count; }))
      return testing::AssertionSuccess();
    return testing::AssertionFailure() << payloads_.size() << " requests, not " << count;
  }
  size_t count() {
    const std::scoped_lock lock(mutex_);
    return payloads_.size();
  }
  std::string payload(size_t i) {
    const std::scoped_lock lock(mutex_);
    return payloads_.at(i);
  }
  ShardId shard(size_t i) {
    const std::scoped_lock lock(mutex_);
    return shards_.at(i);
  }
  void Forbid() {
    const std::scoped_lock lock(mutex_);
    forbidden_ = true;
  }
  // Request `i`, to be answered on its shard.
  Responder Take(size_t i) {
    const std::scoped_lock lock(mutex_);
    --in_flight_;
    frames_.at(i) = Bytes();
    return *std::exchange(held_.at(i), std::nullopt);
  }

  Echo echo;                                  // before clients connect
  std::function<void(size_t i)> on_dispatch;  // the same; under this one's lock, on the shard
  size_t in_flight_max = 0;

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::string> payloads_;
  std::vector<ShardId> shards_;
  std::vector<Bytes> frames_;
  std::vector<std::optional<Responder>> held_;
  size_t in_flight_ = 0;
  bool forbidden_ = false;
};

class Client {
 public:
  explicit Client(uint16_t port, int receive_buffer = 0) : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    const timeval limit{kPatience.count(), 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    ::setsockopt(fd_, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    if (receive_buffer > 0) ::setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(port);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    connected_ = ::connect(fd_, reinterpret_cast<const sockaddr*>(&to), sizeof to) == 0;
  }
  ~Client() { Close(); }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  bool connected() const { return connected_; }
  // False: the other side is gone.
  bool Send(const std::string& bytes) const {
    for (size_t sent = 0; sent < bytes.size();) {
      const ssize_t n = ::send(fd_, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
      if (n <= 0) return false;
      sent += static_cast<size_t>(n);
    }
    return true;
  }
  bool Ask(const std::string& payload) const { return Send(Framed(payload)); }
  // The payload of the next frame, or why there is none.
  std::string Read() const {
    uint8_t length[4];
    if (const std::string fault = Fill(length, sizeof length); !fault.empty()) return fault;
    std::string out(static_cast<size_t>(LoadBig<int32_t>(length)), '\0');
    const std::string fault = Fill(reinterpret_cast<uint8_t*>(out.data()), out.size());
    return fault.empty() ? out : fault;
  }
  // Waits for the end of the connection; false: something else came, or nothing.
  bool Closed() const { return Read() == kEnd; }
  // Whether it ends within `time`.
  bool ClosedWithin(std::chrono::milliseconds time) const {
    timeval limit{time.count() / 1000, time.count() % 1000 * 1000};
    ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    uint8_t byte = 0;
    const ssize_t n = ::recv(fd_, &byte, 1, 0);
    return n == 0 || (n < 0 && errno == ECONNRESET);
  }
  void Close() {
    if (fd_ >= 0) ::close(std::exchange(fd_, -1));
  }

  static constexpr const char* kEnd = "<end>";

 private:
  std::string Fill(uint8_t* to, size_t size) const {
    for (size_t have = 0; have < size;) {
      const ssize_t n = ::recv(fd_, to + have, size - have, 0);
      if (n == 0 || (n < 0 && errno == ECONNRESET)) return kEnd;
      if (n < 0) return std::string("<") + std::strerror(errno) + ">";
      have += static_cast<size_t>(n);
    }
    return {};
  }

  int fd_;
  bool connected_ = false;
};

// What the kernel logs while it lives.
class CapturedLog {
 public:
  CapturedLog() { SetLogSink(&Take); }
  ~CapturedLog() {
    SetLogSink(nullptr);
    const std::scoped_lock lock(Mutex());
    Lines().clear();
  }
  static std::vector<std::string> lines() {
    const std::scoped_lock lock(Mutex());
    return Lines();
  }

 private:
  static void Take(LogLevel, const char*, int, std::string_view text) {
    const std::scoped_lock lock(Mutex());
    Lines().emplace_back(text);
  }
  static std::mutex& Mutex() {
    static std::mutex mutex;
    return mutex;
  }
  static std::vector<std::string>& Lines() {
    static std::vector<std::string> lines;
    return lines;
  }
};

class ServerTest : public testing::Test {
 protected:
  ~ServerTest() override {
    if (server_) server_->Stop(std::chrono::milliseconds(0));
    server_.reset();
  }

  void Start(Limits limits = {}, size_t shard_count = 1) {
    for (size_t i = 0; i < shard_count; ++i) shards_.push_back(std::make_unique<Shard>("test-" + std::to_string(i)));
    std::vector<Shard*> shards;
    for (const auto& shard : shards_) shards.push_back(shard.get());
    server_ = std::make_unique<Server>(shards, metrics_, limits);
    const auto port = server_->Listen("127.0.0.1", 0);
    ASSERT_TRUE(port.ok()) << port.error();
    port_ = *port;
    server_->Accept(requests_);
  }

  // Runs `call` on the shard of request `i`, and waits for it.
  template <class F>
  void OnShard(size_t i, F call) {
    std::promise<void> ran;
    shards_.at(requests_.shard(i).value)->Post([&] {
      call();
      ran.set_value();
    });
    ran.get_future().wait();
  }
  void Answer(size_t i, const std::string& payload) {
    OnShard(i, [&] {
      ByteChain chain;
      chain.Append(Bytes::Copy(Framed(payload)));
      requests_.Take(i).Reply(std::move(chain));
    });
  }

  // The value of a metric; nothing: there is no such metric.
  std::optional<double> Metric(const std::string& name) {
    struct Found {
      std::string wanted;
      bool here = false;
      std::optional<double> value;
    } found{name, false, std::nullopt};
    chr_metrics_visitor visitor{};
    visitor.struct_size = sizeof visitor;
    visitor.ctx = &found;
    visitor.family = [](void* ctx, int32_t, chr_str family, chr_str, chr_str) noexcept {
      auto* f = static_cast<Found*>(ctx);
      f->here = f->wanted == std::string_view(family.data, family.size);
    };
    visitor.sample = [](void* ctx, const chr_sample* sample) noexcept {
      auto* f = static_cast<Found*>(ctx);
      if (f->here) f->value = sample->value;
    };
    metrics_.Visit(visitor);
    return found.value;
  }

  // Waits until the metric has this value: what a connection held goes a moment after its client sees the end.
  bool Becomes(const std::string& name, double value) {
    const auto until = std::chrono::steady_clock::now() + kPatience;
    while (Metric(name) != value && std::chrono::steady_clock::now() < until) std::this_thread::yield();
    return Metric(name) == value;
  }

  host::MetricsRegistry metrics_;
  std::vector<std::unique_ptr<Shard>> shards_;
  HeldRequests requests_;  // goes before the shards, as requests that are still held belong to them
  std::unique_ptr<Server> server_;
  uint16_t port_ = 0;
};

}  // namespace chronik::server
