// SPDX-License-Identifier: Apache-2.0
// A node that the host has set: where its frames go while it is connected, and what the host was told of it.
#pragma once

#include <array>
#include <map>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <span>
#include <string_view>
#include <vector>

#include "plugins/transport_tcp/env.h"
#include "plugins/transport_tcp/send_queue.h"
#include "plugins/transport_tcp/stream.h"

namespace chronik_transport_tcp {

class Dialer;

// Three lanes of frames and one of streams; each has a connection of its own.
inline constexpr size_t kStreamLane = CHR_LANE_COUNT;
inline constexpr size_t kConnections = CHR_LANE_COUNT + 1;

// What a dialled session offers to senders.
struct Session {
  std::array<std::shared_ptr<SendQueue>, CHR_LANE_COUNT> lanes;
  std::shared_ptr<StreamMux> streams;
  uint32_t max_frame_bytes = 0;  // what both ends take
};

class Peer {
 public:
  Peer(Env& env, uint64_t id);
  ~Peer();
  uint64_t id() const { return id_; }

  // [any]
  chr_status Send(uint32_t lane, std::span<const chr_buf> bufs);
  chr_status OpenStream(std::string_view header, const sdk::StreamEvents& events, Stream*& out);

  // --- the loop; reports to the host
  void Dial(const sdk::Address& address);  // again: moves it
  void Remove(const Loss& loss);           // no report follows; what its streams are told
  void Tick(uint64_t now_ns);
  void OnUp(Session session);
  void OnDown(const Loss& loss);        // the session that was up
  void OnDialFailed(const Loss& loss);  // reported once until its text changes
  void OnRoom(uint32_t lane);
  void OnPong();
  void OnInboundUp();
  void OnInboundDown(const Loss& loss);  // a session that the peer had dialled
  void OnInboundRefused(const Loss& loss);

 private:
  void Withdraw(const Loss& loss);
  void Report(const Loss& loss);

  Env& env_;
  const uint64_t id_;
  std::mutex mutex_;
  std::shared_ptr<const Session> session_;  // NULL: not connected

  // The loop's.
  std::shared_ptr<Dialer> dialer_;
  sdk::Address address_;
  bool removed_ = false;
  bool up_ = false;       // as the host was told
  Loss dial_failure_;     // last reported, by what we do
  Loss inbound_failure_;  // and by what the peer does
};

// By id. Looking up is for any thread, changing for [control].
class PeerTable {
 public:
  std::shared_ptr<Peer> Find(uint64_t id) const;
  std::shared_ptr<Peer> FindOrAdd(Env& env, uint64_t id);
  std::shared_ptr<Peer> Take(uint64_t id);
  std::vector<std::shared_ptr<Peer>> All() const;
  std::map<uint64_t, std::shared_ptr<Peer>> TakeAll();

 private:
  mutable std::shared_mutex mutex_;
  std::map<uint64_t, std::shared_ptr<Peer>> peers_;
};

}  // namespace chronik_transport_tcp
