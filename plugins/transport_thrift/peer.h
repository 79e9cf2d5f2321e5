// SPDX-License-Identifier: Apache-2.0
// A node that the host has set: where its frames go while it is connected, and what the host was told of it.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <span>
#include <string_view>
#include <vector>

#include "plugins/transport_thrift/dialer.h"

namespace chronik_transport_thrift {

class Peer {
 public:
  Peer(Env& env, uint64_t id) : env_(env), id_(id) {}
  uint64_t id() const { return id_; }

  // [any]
  chr_status Send(uint32_t lane, std::span<const chr_buf> bufs);
  chr_status OpenStream(std::string_view header, const sdk::StreamEvents& events, Stream*& out);

  // --- the loop; reports to the host
  void Dial(const sdk::Address& address);  // again: moves it
  void Remove(const Loss& loss);           // no report follows; what its streams are told
  void Tick(uint64_t now_ns) {
    if (dialer_ != nullptr) dialer_->Tick(now_ns);
  }
  void OnUp(std::shared_ptr<OutboundSession> session);
  void OnDown(const Loss& loss);        // the session that was up
  void OnDialFailed(const Loss& loss);  // reported once until its text changes
  void OnPong();
  void OnInboundUp();
  void OnInboundDown(const Loss& loss);  // a session that the peer had dialled
  void OnInboundRefused(const Loss& loss);

 private:
  std::shared_ptr<OutboundSession> session() const;
  void Report(const Loss& loss);

  Env& env_;
  const uint64_t id_;
  mutable std::mutex mutex_;
  std::shared_ptr<OutboundSession> session_;  // NULL: not connected

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

 private:
  mutable std::shared_mutex mutex_;
  std::map<uint64_t, std::shared_ptr<Peer>> peers_;
};

}  // namespace chronik_transport_thrift
