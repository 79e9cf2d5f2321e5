// SPDX-License-Identifier: Apache-2.0
// The network between simulated nodes: every message takes its own time, so that they overtake each other; it may be
// lost or come twice. Single directions of a link can be cut, clogged (nothing comes until it all comes), or slow.
#pragma once

#include <array>
#include <cstdint>
#include <functional>

#include "kernel/replica/peers.h"
#include "tests/simulation/scheduler.h"

namespace chronik::sim {

struct NetworkSettings {
  Duration delay = std::chrono::microseconds(300);  // median
  uint64_t lost_per_mille = 0;
  uint64_t repeated_per_mille = 0;
};

struct NetworkCounts {
  uint64_t sent = 0;
  uint64_t lost = 0;
  uint64_t repeated = 0;
  uint64_t cut = 0;
};

class SimNetwork {
 public:
  static constexpr size_t kSlotsMax = 8;
  using Deliver = std::function<void(size_t to, GroupId group, replica::PeerMessage message)>;

  SimNetwork(Scheduler& scheduler, Deliver deliver) : scheduler_(scheduler), deliver_(std::move(deliver)) {}

  NetworkSettings& settings() { return settings_; }
  const NetworkCounts& counts() const { return counts_; }

  // From one place to another; places are not node ids, which change when a node is replaced.
  void Send(size_t from, size_t to, GroupId group, replica::PeerMessage message);

  void Cut(size_t from, size_t to, bool cut) { link(from, to).cut = cut; }
  void Clog(size_t from, size_t to, Instant until) { link(from, to).clogged_until = until; }
  void Slow(size_t from, size_t to, Duration more) { link(from, to).more = more; }
  void Heal();

 private:
  struct Link {
    bool cut = false;
    Instant clogged_until{};
    Duration more{0};
  };

  Link& link(size_t from, size_t to) { return links_[from][to]; }

  Scheduler& scheduler_;
  const Deliver deliver_;
  NetworkSettings settings_;
  NetworkCounts counts_;
  std::array<std::array<Link, kSlotsMax>, kSlotsMax> links_;
};

}  // namespace chronik::sim
