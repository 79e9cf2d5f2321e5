// SPDX-License-Identifier: Apache-2.0
// A session that a peer dialled: its lanes deliver frames to the host, its stream connection answers streams.
#pragma once

#include <array>
#include <functional>
#include <memory>
#include <string>

#include "plugins/transport_tcp/connection.h"
#include "plugins/transport_tcp/peer.h"

namespace chronik_transport_tcp {

// On the loop's thread.
class InboundSession final : private Connection::Owner, public std::enable_shared_from_this<InboundSession> {
 public:
  using Lost = std::function<void(InboundSession&, const Loss&)>;

  // `lost` is called once, unless Close came first. A refusal by the peer is a loss with CHR_E_DENIED.
  InboundSession(Env& env, uint64_t peer, std::string identity, uint64_t deadline_ns, Lost lost);
  ~InboundSession() { Close({CHR_E_CLOSED, "closed"}); }

  uint64_t peer() const { return peer_; }
  const std::string& identity() const { return identity_; }
  const Token& token() const { return token_; }
  bool complete() const { return complete_; }

  // Takes the connection that carries `lane`; false: that lane has one.
  bool Adopt(size_t lane, std::shared_ptr<Connection> connection);
  bool has_all_lanes() const;
  // Frames are delivered from here on.
  void Complete();
  void Resume(uint32_t lane);
  void Tick(uint64_t now_ns);
  void Close(const Loss& loss);

 private:
  bool OnFrame(Connection& connection, const Header& header, const sdk::Buffer& body) override;
  void OnLost(Connection& connection, const Loss& loss) override;
  void OnRoom(Connection&) override {}

  Env& env_;
  const uint64_t peer_;
  const std::string identity_;
  const uint64_t deadline_ns_;  // to be complete
  const Lost lost_;
  Token token_;
  bool complete_ = false;
  bool closed_ = false;
  std::array<std::shared_ptr<Connection>, kConnections> lanes_;
  std::shared_ptr<StreamMux> streams_;
};

}  // namespace chronik_transport_tcp
