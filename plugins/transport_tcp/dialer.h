// SPDX-License-Identifier: Apache-2.0
// Keeps a session with one peer: connects, greets, attaches the other lanes, and starts again after a loss, for as long
// as it is not stopped. On the loop's thread.
#pragma once

#include <array>
#include <memory>
#include <string>
#include <vector>

#include "plugins/transport_tcp/connection.h"
#include "plugins/transport_tcp/peer.h"

namespace chronik_transport_tcp {

// What a name means now, asked on a thread of the host; `done` runs on the loop, unless the loop has ended. Empty:
// `why`.
using Endpoints = std::vector<tcp::endpoint>;
void Resolve(Env& env, const sdk::Address& address, std::function<void(Endpoints, std::string why)> done);

class Dialer final : private Connection::Owner, public std::enable_shared_from_this<Dialer> {
 public:
  Dialer(Env& env, Peer& peer, sdk::Address address);
  ~Dialer();

  void Start();
  void Stop();  // the peer hears nothing more
  void Tick(uint64_t now_ns);
  void Hurry();  // there is reason to believe that the peer answers now
  void Probe();  // Peer::OnPong follows if the session still works

 private:
  enum class State { kStopped, kWaiting, kConnecting, kUp };

  bool OnFrame(Connection& connection, const Header& header, const sdk::Buffer& body) override;
  void OnLost(Connection& connection, const Loss& loss) override;
  void OnRoom(Connection& connection) override;

  void Attempt();
  void Connect(size_t lane, const Endpoints& endpoints);
  void OnConnected(size_t lane, error_code ec, tcp::socket socket);
  void Greet(size_t lane);
  void OnWelcome(const Welcome& welcome);
  void OnRefused(const sdk::Buffer& body);
  void OnAttached(size_t lane);
  void Refuse(const std::string& why);
  void Fail(const Loss& loss);
  void CloseAll();
  size_t LaneOf(const Connection& connection) const;
  std::string Named(const std::string& why) const;

  Env& env_;
  Peer& peer_;
  const sdk::Address address_;
  State state_ = State::kStopped;
  uint64_t attempt_ = 0;      // what belongs to an earlier one is ignored
  uint64_t deadline_ns_ = 0;  // of the attempt, or of the pause
  uint64_t backoff_ns_;
  uint64_t up_since_ns_ = 0;

  // Of this attempt, or of the session.
  std::array<std::shared_ptr<tcp::socket>, kConnections> connecting_;
  std::array<std::shared_ptr<Connection>, kConnections> lanes_;
  std::array<bool, kConnections> attached_{};
  Endpoints found_;  // where the first connection got through
  Welcome welcome_;
  std::string identity_;
  std::shared_ptr<StreamMux> streams_;
  std::shared_ptr<Connection> leaving_;  // carries a refusal
};

}  // namespace chronik_transport_tcp
