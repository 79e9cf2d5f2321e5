// SPDX-License-Identifier: Apache-2.0
// What a connection hands over for each request, and what it wants back.
#pragma once

#include <string>
#include <utility>

#include "kernel/base/bytes.h"
#include "kernel/base/function.h"
#include "kernel/base/ids.h"

namespace chronik::server {

// The fate of one request. Exactly one of the calls, once, on the connection's shard; dropping it closes the
// connection.
class Responder {
 public:
  enum class Kind : uint8_t { kReply, kNothing, kClose };
  using Sink = UniqueFunction<void(Kind, ByteChain, std::string)>;

  explicit Responder(Sink sink) : sink_(std::move(sink)) {}
  Responder(Responder&&) = default;
  Responder& operator=(Responder&&) = default;
  ~Responder() {
    if (sink_) sink_(Kind::kClose, {}, "a request was dropped");
  }

  // A whole response frame, its size included.
  void Reply(ByteChain response) { Fire(Kind::kReply, std::move(response), {}); }
  void NoReply() { Fire(Kind::kNothing, {}, {}); }  // acks = 0
  // For what cannot be answered; `why` goes to the log.
  void Close(std::string why) { Fire(Kind::kClose, {}, std::move(why)); }

 private:
  void Fire(Kind kind, ByteChain response, std::string why) {
    auto sink = std::exchange(sink_, nullptr);
    sink(kind, std::move(response), std::move(why));
  }

  Sink sink_;
};

struct Request {
  Bytes frame;       // without the length prefix; this request's alone
  ShardId shard;     // whose thread this is
  std::string peer;  // "127.0.0.1:41234"
};

class Dispatcher {
 public:
  virtual ~Dispatcher() = default;
  // Whether the answer to this frame may be far larger than the frame: a connection has at most one of these in flight.
  virtual bool AnswerMayBeLarge(ByteView frame) const = 0;
  // On the connection's shard.
  virtual void Dispatch(Request request, Responder responder) = 0;
};

}  // namespace chronik::server
