// SPDX-License-Identifier: Apache-2.0
// One request on its way through a handler: what was asked, by whom, and the one way to answer.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include "kernel/api/services.h"
#include "kernel/base/bytes.h"
#include "kernel/base/function.h"
#include "kernel/base/ids.h"
#include "kernel/broker/broker.h"
#include "kernel/protocol/header.h"
#include "kernel/protocol/reader.h"

namespace chronik::api {

// How a request ends. kReply: `frame` is the whole response with its size. kNothing: acks = 0. kClose: the connection
// ends.
struct Answer {
  enum class Kind : uint8_t { kReply, kNothing, kClose };
  Kind kind = Kind::kClose;
  ByteChain frame;
  std::string why;
};

// Moved along by its handler; answered exactly once. Dropped without an answer, it closes the connection.
class Call {
 public:
  using AnswerSink = UniqueFunction<void(Answer)>;

  Call(Services& services_used, ShardId on_shard, Bytes frame, AnswerSink sink, std::string from = {})
      : services(services_used),
        broker(services_used.broker),
        shard(on_shard),
        peer(std::move(from)),
        reader(std::move(frame)),
        sink_(std::move(sink)) {}
  ~Call() {
    if (sink_) sink_({Answer::Kind::kClose, {}, "a handler dropped its request"});
  }
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;

  Services& services;
  broker::Broker& broker;
  const ShardId shard;
  const std::string peer;  // the client's address and port
  protocol::RequestHeader header;
  protocol::Reader reader;

  int16_t version() const { return header.api_version; }

  // False: the request is malformed, and the connection is on its way down.
  template <class Request>
  bool Decode(Request* request) {
    const Status decoded = request->Decode(reader, header.api_version);
    if (!decoded.ok()) Close("a malformed " + std::string(Request::kName) + ": " + decoded.error().message);
    return decoded.ok();
  }
  template <class Response>
  void Reply(const Response& response) {
    Fire({Answer::Kind::kReply, protocol::EncodeResponseFrame(header, response), {}});
  }
  template <class Response>
  void ReplyInVersion(const Response& response, int16_t version) {
    Fire({Answer::Kind::kReply, protocol::EncodeResponseFrame(header, response, version), {}});
  }
  void NoReply() { Fire({Answer::Kind::kNothing, {}, {}}); }
  void Close(std::string why) { Fire({Answer::Kind::kClose, {}, std::move(why)}); }

 private:
  void Fire(Answer answer) {
    auto sink = std::exchange(sink_, nullptr);
    sink(std::move(answer));
  }

  AnswerSink sink_;
};
using CallPtr = std::unique_ptr<Call>;

}  // namespace chronik::api
