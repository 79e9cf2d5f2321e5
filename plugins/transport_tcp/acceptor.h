// SPDX-License-Identifier: Apache-2.0
// Listens, hears greetings, and keeps the sessions that peers dialled: at most one of each. On the loop's thread.
#pragma once

#include <array>
#include <list>
#include <map>
#include <memory>
#include <string>

#include "plugins/transport_tcp/connection.h"
#include "plugins/transport_tcp/inbound.h"
#include "plugins/transport_tcp/peer.h"

namespace chronik_transport_tcp {

class Acceptor final : private Connection::Owner {
 public:
  // Connections that have not been accepted, and sessions that are not complete; one more ends the oldest.
  static constexpr size_t kPendingMax = 64;
  static constexpr size_t kSessionsMax = 256;

  Acceptor(Env& env, const PeerTable& peers);

  // Throws chronik::sdk::Error with the system's reason. Before the loop runs.
  void Listen();
  std::string bound_address() const;
  void Stop();
  void Tick(uint64_t now_ns);
  void Resume(uint64_t peer, uint32_t lane);

 private:
  struct Pending {
    std::shared_ptr<Connection> connection;
    uint64_t deadline_ns;
  };

  bool OnFrame(Connection& connection, const Header& header, const sdk::Buffer& body) override;
  void OnLost(Connection& connection, const Loss& loss) override;
  void OnRoom(Connection&) override {}

  void Accept();
  void OnAccepted(tcp::socket socket);
  void OnHello(Connection& connection, const Hello& hello);
  void OnAttach(Connection& connection, const Attach& attach);
  void Refuse(Connection& connection, const std::string& why);
  void Complete(const std::shared_ptr<InboundSession>& session);
  void OnSessionLost(InboundSession& session, const Loss& loss);
  std::shared_ptr<Connection> TakePending(const Connection& connection);

  Env& env_;
  const PeerTable& peers_;
  tcp::acceptor listener_;
  tcp::endpoint bound_;
  bool stopped_ = false;
  bool accept_failed_ = false;                          // again at the next tick
  std::list<Pending> pending_;                          // oldest first
  std::list<std::shared_ptr<InboundSession>> joining_;  // not yet complete, oldest first
  std::map<uint64_t, std::shared_ptr<InboundSession>> sessions_;
};

}  // namespace chronik_transport_tcp
