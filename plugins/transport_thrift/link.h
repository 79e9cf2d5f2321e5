// SPDX-License-Identifier: Apache-2.0
// One connection under Thrift's framed binary protocol, with limits, and with what Thrift's sockets lack: waiting for
// an end of the connection while no call is under way, and cutting it from another thread.
#pragma once

#include <thrift/protocol/TBinaryProtocol.h>
#include <thrift/transport/TBufferTransports.h>
#include <thrift/transport/TSocket.h>

#include <memory>
#include <string>

#include "plugins/transport_thrift/env.h"

namespace chronik_transport_thrift {

// What an unaccepted connection may send in one message.
inline constexpr size_t kGreetingBytesMax = 8 << 10;

class Link {
 public:
  // Takes one message of up to kGreetingBytesMax at a time, until Establish.
  Link(Env& env, std::shared_ptr<apache::thrift::transport::TSocket> socket);
  Link(const Link&) = delete;
  Link& operator=(const Link&) = delete;
  ~Link();

  const std::shared_ptr<apache::thrift::protocol::TProtocol>& protocol() const { return protocol_; }
  // Greeted: longer messages, and the idle timeout for every read and write.
  void Establish();
  // The name that the other end's certificate proves; empty without TLS. After the first message was read.
  std::string Identity() const;
  const std::string& remote() const { return remote_; }

  // Ends the connection; whoever reads or writes fails at once. [any]
  void Cut();

  enum class Event { kWoken, kReadable, kTimeout };
  // Between calls: until `wake` is set, the other end says something or closes, or time is up.
  Event Wait(const Wake& wake, uint64_t timeout_ns) const;
  bool ended_by_peer() const;
  // What an exception of a call on this connection means.
  Loss LossOf(const std::exception& e) const;

 private:
  void SetTimeout(uint64_t timeout_ns);

  Env& env_;
  const std::shared_ptr<apache::thrift::transport::TSocket> socket_;
  std::shared_ptr<apache::thrift::transport::TFramedTransport> framed_;
  std::shared_ptr<apache::thrift::protocol::TProtocol> protocol_;
  bool established_ = false;
  int fd_ = -1;  // our own duplicate, which nobody closes under us
  std::string remote_;
};

// An accepted socket (`server`) or a connected one, as the settings want it: plain or TLS. Takes the descriptor over.
std::shared_ptr<apache::thrift::transport::TSocket> MakeSocket(Env& env, int fd, bool server);

}  // namespace chronik_transport_thrift
