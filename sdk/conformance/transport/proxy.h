// SPDX-License-Identifier: Apache-2.0
// A TCP proxy in the suite's own process: passes bytes between a node and its peer, and does to them what networks do.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <list>
#include <mutex>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "sdk/conformance/transport/faulty_path.h"

namespace chronik_conformance {

class Proxy final : public FaultyPath {
 public:
  using Clock = std::chrono::steady_clock;

  // Listens on a free port of 127.0.0.1; `target` is "127.0.0.1:port".
  explicit Proxy(const std::string& target);
  ~Proxy() override;
  Proxy(const Proxy&) = delete;
  Proxy& operator=(const Proxy&) = delete;

  const std::string& address() const override { return address_; }
  size_t accepted() const { return accepted_; }  // connections so far
  std::vector<Clock::time_point> arrivals();     // when each of them came

  void Latency(std::chrono::milliseconds delay) override;
  void Bandwidth(uint64_t bytes_per_second) override;
  void SlowClose(std::chrono::milliseconds delay) override;
  void CutAfter(uint64_t bytes) override;
  void ResetAfter(std::chrono::milliseconds age) override;
  void Silence(Way way) override;
  void RefuseShare(double part) override;
  void Heal() override;
  void Cut() override { Cut(false); }

  void SetTarget(const std::string& target);
  // Ends every connection: with FIN, as a process that dies does, or with RST.
  void Cut(bool reset);
  void Refuse(bool refuse) { RefuseShare(refuse ? 1 : 0); }  // new connections are closed at once
  void Blackhole(bool blackhole);                            // nothing passes, nothing is closed
  // Flips a bit of the byte that comes after this many more bytes in the direction of the target, once.
  void CorruptAfter(uint64_t bytes);
  uint64_t corrupted() const { return corrupted_; }
  // In the place of what the connections of now still bring for the target, it gets these bytes: an impostor who was
  // let in. Then nothing, or the end.
  void Impersonate(const std::string& bytes, bool then_end);
  // Each connection of now passes so many more bytes to the target and then none, without an end.
  void MuteAfter(uint64_t bytes);

 private:
  struct Faults {
    std::chrono::milliseconds delay{0};
    uint64_t bytes_per_second = 0;  // 0: no limit
    std::chrono::milliseconds close_delay{0};
    uint64_t cut_after_bytes = UINT64_MAX;
    std::optional<std::chrono::milliseconds> reset_age;
    bool silent_to_target = false;
    bool silent_from_target = false;
    double refused_part = 0;
    bool blackhole = false;
  };
  struct Chunk {
    Clock::time_point due;
    std::string bytes;
    size_t sent = 0;
  };
  struct Stretch {  // one direction of a connection
    int from;
    int to;
    bool to_target;
    std::deque<Chunk> chunks = {};
    size_t bytes = 0;     // of chunks
    uint64_t passed = 0;  // since faults changed
    Clock::time_point next_send = {};
    uint64_t mute_after_bytes = UINT64_MAX;
    bool deaf = false;   // what comes is thrown away
    bool ended = false;  // no more comes
    bool shut = false;   // and the other end was told
    Clock::time_point end_due = {};
  };
  struct Link {
    int client;
    int server;
    Stretch out;
    Stretch back;
    Clock::time_point since;
    bool reset = false;
    std::optional<Clock::time_point> doomed_at = std::nullopt;
  };

  void Run();
  void Wait();
  void Accept();
  void Move(Link& link);
  void Receive(Link& link, Stretch& way);
  void Transmit(Link& link, Stretch& way);
  void Doom(Link& link) const;
  void Spoil(std::string& bytes);
  bool Silent(const Stretch& way) const;
  static void CloseLink(const Link& link, bool reset);

  int listener_ = -1;
  std::string address_;
  std::atomic<size_t> accepted_{0};
  std::atomic<uint64_t> corrupted_{0};
  std::atomic<bool> stop_{false};

  std::mutex mutex_;
  uint16_t target_port_ = 0;
  Faults faults_;
  uint64_t corrupt_after_ = UINT64_MAX;
  std::mt19937_64 random_{1};
  std::vector<Clock::time_point> arrivals_;
  std::list<Link> links_;
  std::thread thread_;
};

}  // namespace chronik_conformance
