// SPDX-License-Identifier: Apache-2.0
// A simulated `chronik.transport/1` between whole brokers: what transport_tcp is over a network that delays, loses,
// cuts and breaks. As there, who dials is who sends: the connection from A to B carries A's frames, and each end dials
// its own. A frame comes once and in its lane's order, or not at all; a connection that falls silent is given up after
// a while, and dialled again.
//
// A broker has one endpoint for each of its processes. The network belongs to the scheduler's thread and outlives the
// endpoints.
#pragma once

#include <chronik/transport.h>

#include <array>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "kernel/base/bytes.h"
#include "kernel/base/ids.h"
#include "tests/simulation/network.h"
#include "tests/simulation/process.h"

namespace chronik::sim::brokers {

class Endpoint;

struct LinkCounts {
  uint64_t frames = 0;
  uint64_t lost = 0;  // by chance, or on a link that was cut
  uint64_t connected = 0;
  uint64_t broken = 0;
  uint64_t refused = 0;  // hellos
};

class LinkNetwork {
 public:
  static constexpr size_t kSlotsMax = SimNetwork::kSlotsMax;

  explicit LinkNetwork(Scheduler& scheduler) : scheduler_(scheduler) {}

  Scheduler& scheduler() { return scheduler_; }
  NetworkSettings& settings() { return settings_; }
  const LinkCounts& counts() const { return counts_; }
  static std::string AddressOf(size_t slot) { return "sim:" + std::to_string(slot); }

  void Cut(size_t from, size_t to, bool cut);
  void Clog(size_t from, size_t to, Instant until) { link(from, to).clogged_until = until; }
  void Slow(size_t from, size_t to, Duration more) { link(from, to).more = more; }
  // Both connections between the two end, and both ends see it.
  void Break(size_t a, size_t b);
  void FillQueues(bool full) { full_ = full; }  // whoever sends finds the queue full
  void Heal();
  // Gives up connections that are silent for too long. Now and then.
  void Watch();

 private:
  friend class Endpoint;

  struct Link {
    bool up = false;
    uint64_t number = 0;  // of the connection
    std::array<Instant, CHR_LANE_COUNT> lane_free{};
    bool cut = false;
    Instant cut_since{};
    Instant clogged_until{};
    Duration more{0};
  };

  Link& link(size_t from, size_t to) { return links_[from][to]; }
  void Attach(size_t slot, Endpoint* endpoint);
  // `seen_percent`: how many of the others see the connection break; the rest notices the silence.
  void Detach(size_t slot, uint64_t seen_percent);
  void Dial(size_t from, size_t to);
  void DialLater(size_t from, size_t to);
  bool Reachable(size_t from, size_t to);
  void End(size_t from, size_t to, chr_status status, const char* why);
  chr_status Send(size_t from, size_t to, uint32_t lane, Bytes frame);
  void Arrive(size_t from, size_t to, uint64_t number, uint32_t lane, const Bytes& frame);

  Scheduler& scheduler_;
  NetworkSettings settings_;
  LinkCounts counts_;
  bool full_ = false;
  uint64_t connections_ = 0;
  std::array<Endpoint*, kSlotsMax> endpoints_{};
  std::array<std::array<Link, kSlotsMax>, kSlotsMax> links_;
};

// What a process's Links has as its transport.
class Endpoint {
 public:
  Endpoint(LinkNetwork& network, Process& process, size_t slot, NodeId id);
  ~Endpoint();
  Endpoint(const Endpoint&) = delete;
  Endpoint& operator=(const Endpoint&) = delete;

  static const chr_transport& table();
  void Start(const chr_transport_sink* sink);
  // From now on nothing of it is heard, and it hears nothing.
  void Stop(uint64_t seen_percent);

 private:
  friend class LinkNetwork;
  static Endpoint& Of(void* self) { return *static_cast<Endpoint*>(self); }
  chr_status SetPeer(uint64_t peer, std::string_view address);
  chr_status Send(uint64_t peer, uint32_t lane, const chr_buf* bufs, size_t count);
  std::optional<NodeId> PeerAt(size_t slot) const;
  std::string Hello() const;
  // Empty: welcome.
  std::string Greet(NodeId peer, const std::string& hello);
  void Tell(size_t slot, bool up, chr_status status, const std::string& why);

  LinkNetwork& network_;
  Process& process_;
  const size_t slot_;
  const NodeId id_;
  const chr_transport_sink* sink_ = nullptr;  // null: it does not run
  std::map<NodeId, size_t> peers_;
  std::map<size_t, std::string> said_;  // the last reason of each that it could not connect to
};

}  // namespace chronik::sim::brokers
