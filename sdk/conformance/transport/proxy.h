// SPDX-License-Identifier: Apache-2.0
// A TCP proxy in the suite's own process: passes bytes between a node and its peer, and does to them what networks do.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <deque>
#include <list>
#include <mutex>
#include <string>
#include <thread>

namespace chronik_conformance {

class Proxy {
 public:
  // Listens on a free port of 127.0.0.1; `target` is "127.0.0.1:port".
  explicit Proxy(const std::string& target);
  ~Proxy();
  Proxy(const Proxy&) = delete;
  Proxy& operator=(const Proxy&) = delete;

  const std::string& address() const { return address_; }
  size_t accepted() const { return accepted_; }  // connections so far

  void SetTarget(const std::string& target);
  // Ends every connection: with FIN, as a process that dies does, or with RST.
  void Cut(bool reset);
  void Refuse(bool refuse);        // new connections are closed at once
  void Blackhole(bool blackhole);  // nothing passes, nothing is closed
  void Delay(std::chrono::milliseconds delay);
  // Flips a bit of the byte that comes after this many more bytes in the direction of the target.
  void CorruptAfter(uint64_t bytes);
  uint64_t corrupted() const { return corrupted_; }

 private:
  using Clock = std::chrono::steady_clock;
  struct Chunk {
    Clock::time_point due;
    std::string bytes;
    size_t sent = 0;
  };
  struct Way {  // one direction of a connection
    int from;
    int to;
    bool to_target;
    bool ended = false;  // no more comes; FIN is passed on when all is sent
    std::deque<Chunk> chunks;
    size_t bytes = 0;
  };
  struct Link {
    int client;
    int server;
    Way out;
    Way back;
    bool dead = false;
  };

  void Run();
  void Accept();
  void Move(Link& link);
  void Receive(Link& link, Way& way);
  void Transmit(Link& link, Way& way);
  void Spoil(std::string& bytes);
  static void CloseLink(const Link& link, bool reset);

  int listener_ = -1;
  std::string address_;
  std::atomic<size_t> accepted_{0};
  std::atomic<uint64_t> corrupted_{0};
  std::atomic<bool> stop_{false};

  std::mutex mutex_;
  uint16_t target_port_ = 0;
  bool refuse_ = false;
  bool blackhole_ = false;
  std::chrono::milliseconds delay_{0};
  uint64_t corrupt_after_ = UINT64_MAX;
  std::list<Link> links_;
  std::thread thread_;
};

}  // namespace chronik_conformance
