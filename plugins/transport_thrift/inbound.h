// SPDX-License-Identifier: Apache-2.0
// A connection that another node opened: a thread that answers its calls, in order. And the session it is part of.
#pragma once

#include <array>
#include <atomic>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "Node.h"
#include "plugins/transport_thrift/link.h"
#include "plugins/transport_thrift/stream.h"

namespace chronik_transport_thrift {

class Acceptor;
class InboundConnection;

struct InboundSession {
  InboundSession(Env& env, uint64_t the_peer, int64_t the_id, std::string the_identity, uint64_t the_deadline_ns)
      : peer(the_peer),
        id(the_id),
        identity(std::move(the_identity)),
        deadline_ns(the_deadline_ns),
        streams(std::make_shared<StreamMux>(env, the_peer, true)) {}

  const uint64_t peer;
  const int64_t id;
  const std::string identity;
  const uint64_t deadline_ns;  // to be complete
  const std::shared_ptr<StreamMux> streams;
  std::array<std::shared_ptr<InboundConnection>, kConnections> lanes;  // the loop's
  std::atomic<bool> complete{false};
  std::atomic<bool> closed{false};
  std::array<std::mutex, CHR_LANE_COUNT> delivering;

  // Once it returns no frame is being delivered, nor will be. [loop]
  void Close(const Loss& loss);
};

class InboundConnection final : public rpc::NodeIf, public std::enable_shared_from_this<InboundConnection> {
 public:
  InboundConnection(Env& env, Acceptor& acceptor, std::shared_ptr<Link> link)
      : env_(env), acceptor_(acceptor), link_(std::move(link)) {}

  Link& link() { return *link_; }
  void Serve();                         // its thread; returns when the connection has ended
  void Resume() { resumed_.Notify(); }  // [any]

  // The loop's, until the greeting was answered; then nobody changes it.
  std::shared_ptr<InboundSession> session;

 private:
  void greet(rpc::Welcome& out, const rpc::Hello& hello) override;
  void refuse(int32_t status, const std::string& text) override;
  int32_t deliver(const std::vector<std::string>& frames, int64_t checksum) override;
  int32_t rest() override;
  void push(const rpc::StreamEvents& said) override;
  void pull(rpc::StreamEvents& out) override;

  // Ends the connection after the answer to this call, which is an error.
  [[noreturn]] void Reject(const std::string& what);
  void Expect(bool holds, const char* what) {
    if (!holds) Reject(what);
  }
  std::string WhyRefused(const rpc::Hello& hello);

  Env& env_;
  Acceptor& acceptor_;
  const std::shared_ptr<Link> link_;
  bool ending_ = false;  // after the answer to this call
  Loss loss_{CHR_E_CLOSED, "the peer closed the connection"};
  size_t lane_ = kConnections;  // not greeted
  bool checksums_ = false;

  std::deque<sdk::Buffer> frames_;  // not yet taken by the host
  bool busy_ = false;               // the first of them was refused
  Wake resumed_;
};

}  // namespace chronik_transport_thrift
