// SPDX-License-Identifier: Apache-2.0
// Questions from one node's home shard to another's, and notices that nobody answers, over frames of the transport.
//
// Request: frame header, varint id, u8 method, payload. Response: frame header, varint id, u8 1 and the payload, or u8
// 0, the name of an error code and its message (u32 length and text each). Notice: frame header, u8 topic, payload.
// Numbers of methods and topics never change.
//
// Home shard's thread only.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <utility>

#include "kernel/base/bytes.h"
#include "kernel/base/clock.h"
#include "kernel/base/function.h"
#include "kernel/base/result.h"
#include "kernel/cluster/message_wire.h"

namespace chronik::cluster {

class Links;

enum class Method : uint8_t {
  kProposeMetadata = 1,     // to the leader of __meta
  kJoin = 2,                // to any node, by one that takes no part yet
  kTransferLeadership = 3,  // to the leader of a partition
};

enum class Topic : uint8_t {
  kLeaders = 1,  // which groups the sender leads
  kInSync = 2,   // who is in sync with it in one of them
};

class Calls {
 public:
  using Answer = UniqueFunction<void(Result<Bytes>)>;
  using Handler = UniqueFunction<void(NodeId from, ByteView request, Answer answer)>;
  using NoticeHandler = UniqueFunction<void(NodeId from, ByteView notice)>;

  // What became of a Call, for metrics: `error` if it has none.
  using Observer = UniqueFunction<void(Method method, Duration took, const std::optional<Error>& error)>;

  Calls(Executor& home, Links& links) : home_(home), links_(links) {}
  ~Calls();
  Calls(const Calls&) = delete;
  Calls& operator=(const Calls&) = delete;

  void Observe(Observer observer) { observer_ = std::move(observer); }

  // An answer may be given at any later time, at most once.
  void Handle(Method method, Handler handler) { handlers_[static_cast<size_t>(method)] = std::move(handler); }
  void Handle(Topic topic, NoticeHandler handler) { notice_handlers_[static_cast<size_t>(topic)] = std::move(handler); }

  // `done` runs once, never inside the call: with the answer; kNotLeader if it surely was not asked; kTimedOut if no
  // answer came in time or the connection broke before it, so that the outcome is unknown.
  void Call(NodeId to, Method method, ByteView request, Duration timeout, Answer done);
  void Notify(NodeId to, Topic topic, ByteView notice);

  // From the links.
  void OnFrame(NodeId from, FrameKind kind, const Bytes& frame);
  void OnPeerDown(NodeId peer);

 private:
  struct Pending {
    NodeId to;
    Method method{};
    Instant sent{};
    Answer done;
    Executor::TimerId timer = 0;
  };

  void OnRequest(NodeId from, const Bytes& frame);
  void OnResponse(NodeId from, ByteView frame);
  void Respond(NodeId to, uint64_t id, const Result<Bytes>& answer);
  void Fail(uint64_t id, Error error);
  void Finish(Pending pending, Result<Bytes> answer);

  static constexpr size_t kNumbers = 8;

  Executor& home_;
  Links& links_;
  std::array<Handler, kNumbers> handlers_;
  std::array<NoticeHandler, kNumbers> notice_handlers_;
  std::map<uint64_t, Pending> pending_;
  Observer observer_;
  uint64_t next_ = 1;
};

}  // namespace chronik::cluster
