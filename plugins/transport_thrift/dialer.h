// SPDX-License-Identifier: Apache-2.0
// Keeps a session with one peer: dials, and dials again after a loss, for as long as it is not stopped.
#pragma once

#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <vector>

#include "plugins/transport_thrift/outbound.h"

namespace chronik_transport_thrift {

class Peer;

// One attempt, on a thread of its own: finds the address, connects, and greets on each connection.
class Attempt : public std::enable_shared_from_this<Attempt> {
 public:
  struct Result {
    std::shared_ptr<OutboundSession> session;  // NULL: why
    Loss loss;
  };
  Attempt(Env& env, uint64_t peer, sdk::Address address) : env_(env), peer_(peer), address_(std::move(address)) {}
  // `done` runs on the loop.
  void Start(std::function<void(Attempt&, Result)> done);
  void Cancel();  // [any]

 private:
  // The numeric form of an address, and its family.
  struct Endpoint {
    int family;
    std::string bytes;
  };
  struct Lookup {
    std::mutex mutex;
    bool done = false;
    std::vector<Endpoint> found;
    std::string why;
    Wake wake;
  };

  Result Run();
  std::vector<Endpoint> Resolve();
  int Connect(const Endpoint& endpoint, std::string& why);
  std::shared_ptr<Link> Dial(const std::vector<Endpoint>& endpoints);
  // Throws sdk::Error(CHR_E_DENIED) if either end refuses. Returns the other end's limit.
  uint64_t Greet(Link& link, size_t lane, int64_t session);

  Env& env_;
  const uint64_t peer_;
  const sdk::Address address_;
  const std::shared_ptr<Lookup> lookup_ = std::make_shared<Lookup>();  // its wake also tells of a cancellation

  std::mutex mutex_;
  bool cancelled_ = false;
  Links links_;
};

// On the loop.
class Dialer : public std::enable_shared_from_this<Dialer> {
 public:
  Dialer(Env& env, Peer& peer, sdk::Address address);

  void Start() { Dial(); }
  void Stop(const Loss& loss);  // the peer hears nothing more
  void Tick(uint64_t now_ns);
  void Hurry();  // there is reason to believe that the peer answers now
  void Probe();  // Peer::OnPong follows if the session still works

 private:
  enum class State { kStopped, kWaiting, kConnecting, kUp };

  void Dial();
  void OnDialled(const Attempt& attempt, const Attempt::Result& result);
  void Fail(const Loss& loss);

  Env& env_;
  Peer& peer_;
  const sdk::Address address_;
  State state_ = State::kStopped;
  std::shared_ptr<Attempt> attempt_;
  std::shared_ptr<OutboundSession> session_;
  uint64_t deadline_ns_ = 0;  // of the attempt, or of the pause
  uint64_t backoff_ns_;
  uint64_t up_since_ns_ = 0;
  std::mt19937_64 random_{std::random_device{}()};
};

}  // namespace chronik_transport_thrift
