// SPDX-License-Identifier: Apache-2.0
// Listens, and keeps the sessions that peers dialled: at most one of each.
#pragma once

#include <list>
#include <map>
#include <memory>
#include <string>

#include "plugins/transport_thrift/inbound.h"
#include "plugins/transport_thrift/peer.h"

namespace apache::thrift::transport {
class TServerSocket;
}

namespace chronik_transport_thrift {

class Acceptor {
 public:
  // Connections that have not been accepted, and sessions that are not complete; one more ends the oldest.
  static constexpr size_t kPendingMax = 64;
  static constexpr size_t kSessionsMax = 256;

  Acceptor(Env& env, const PeerTable& peers) : env_(env), peers_(peers) {}
  ~Acceptor();

  void Listen();  // throws sdk::Error with the system's reason
  const std::string& bound_address() const { return bound_; }

  // --- the loop
  void Stop();
  void Tick(uint64_t now_ns);
  void Resume(uint64_t peer, uint32_t lane);
  // The host has accepted its greeting. Empty, or why it is refused all the same.
  std::string Join(const std::shared_ptr<InboundConnection>& connection, const rpc::Hello& hello,
                   const std::string& identity);
  void OnRefused(uint64_t peer, const Loss& loss);
  void OnEnded(const InboundConnection& connection, const Loss& loss);

 private:
  struct Pending {
    std::shared_ptr<InboundConnection> connection;
    uint64_t deadline_ns;
  };

  void Run();
  void OnAccepted(const std::shared_ptr<InboundConnection>& connection);
  void Complete(const std::shared_ptr<InboundSession>& session);
  void Lose(const std::shared_ptr<InboundSession>& session, const Loss& loss);
  std::shared_ptr<InboundSession> SessionFor(const rpc::Hello& hello, const std::string& identity);

  Env& env_;
  const PeerTable& peers_;
  std::shared_ptr<apache::thrift::transport::TServerSocket> listener_;
  std::string bound_;
  Wake stop_;
  bool stopped_ = false;                                // the loop's
  std::list<Pending> pending_;                          // oldest first
  std::list<std::shared_ptr<InboundSession>> joining_;  // not yet complete, oldest first
  std::map<uint64_t, std::shared_ptr<InboundSession>> sessions_;
};

}  // namespace chronik_transport_thrift
