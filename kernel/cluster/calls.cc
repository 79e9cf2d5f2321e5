// SPDX-License-Identifier: Apache-2.0
#include "kernel/cluster/calls.h"

#include <memory>
#include <utility>
#include <vector>

#include "kernel/base/wire.h"
#include "kernel/cluster/links.h"

namespace chronik::cluster {
namespace {

constexpr size_t kErrorTextMax = 4096;

WireWriter Header(FrameKind kind) {
  WireWriter out;
  out.Put(kFrameVersion);
  out.Put(static_cast<uint8_t>(kind));
  return out;
}

WireReader BehindHeader(ByteView frame) {
  WireReader in(frame);
  in.Take<uint16_t>();
  return in;
}

ByteChain Chain(const WireWriter& bytes) {
  ByteChain chain;
  chain.Append(Bytes::Copy(bytes.bytes()));
  return chain;
}

}  // namespace

Calls::~Calls() {
  for (auto& [id, pending] : pending_) home_.Cancel(pending.timer);
}

void Calls::Call(NodeId to, Method method, ByteView request, Duration timeout, Answer done) {
  const uint64_t id = next_++;
  WireWriter out = Header(FrameKind::kRequest);
  out.PutVarint(id);
  out.Put(static_cast<uint8_t>(method));
  out.PutRaw(request);
  Pending& pending = pending_[id];
  pending.to = to;
  pending.method = method;
  pending.sent = home_.Now();
  pending.done = std::move(done);
  const Status sent = links_.Send(to, Lane::kForward, Chain(out));
  pending.timer = home_.Schedule(sent.ok() ? timeout : Duration(0), [this, id, sent] {
    Fail(id, sent.ok() ? Error{ErrorCode::kTimedOut, "no answer in time; the outcome is unknown"}
                       : Error{ErrorCode::kNotLeader, sent.error().message});
  });
}

void Calls::Notify(NodeId to, Topic topic, ByteView notice) {
  WireWriter out = Header(FrameKind::kNotice);
  out.Put(static_cast<uint8_t>(topic));
  out.PutRaw(notice);
  static_cast<void>(links_.Send(to, Lane::kControl, Chain(out)));
}

void Calls::Fail(uint64_t id, Error error) {
  auto found = pending_.extract(id);
  if (!found) return;
  Finish(std::move(found.mapped()), std::move(error));
}

void Calls::Finish(Pending pending, Result<Bytes> answer) {
  home_.Cancel(pending.timer);
  if (observer_)
    observer_(pending.method, home_.Now() - pending.sent,
              answer.ok() ? std::nullopt : std::optional<Error>(answer.error()));
  pending.done(std::move(answer));
}

void Calls::OnPeerDown(NodeId peer) {
  std::vector<uint64_t> lost;
  for (const auto& [id, pending] : pending_) {
    if (pending.to == peer) lost.push_back(id);
  }
  for (const uint64_t id : lost)
    Fail(id, Error{ErrorCode::kTimedOut,
                   "the connection to node " + std::to_string(peer.value) + " broke; the outcome is unknown"});
}

void Calls::OnFrame(NodeId from, FrameKind kind, const Bytes& frame) {
  if (kind == FrameKind::kRequest) return OnRequest(from, frame);
  if (kind == FrameKind::kResponse) return OnResponse(from, frame);
  WireReader in = BehindHeader(frame);
  const auto topic = in.Take<uint8_t>();
  if (kind != FrameKind::kNotice || !in.ok() || topic >= kNumbers || !notice_handlers_[topic]) return;
  notice_handlers_[topic](from, in.TakeRaw(in.left()));
}

void Calls::OnRequest(NodeId from, const Bytes& frame) {
  WireReader in = BehindHeader(frame);
  const uint64_t id = in.TakeVarint();
  const auto method = in.Take<uint8_t>();
  if (!in.ok()) return;
  if (method >= kNumbers || !handlers_[method]) {
    return Respond(
        from, id,
        Error{ErrorCode::kUnsupportedVersion, "method " + std::to_string(method) + " is not known to this node"});
  }
  handlers_[method](from, in.TakeRaw(in.left()),
                    [this, from, id](const Result<Bytes>& answer) { Respond(from, id, answer); });
}

void Calls::Respond(NodeId to, uint64_t id, const Result<Bytes>& answer) {
  WireWriter out = Header(FrameKind::kResponse);
  out.PutVarint(id);
  out.Put(static_cast<uint8_t>(answer.ok() ? 1 : 0));
  if (answer.ok()) {
    out.PutRaw(*answer);
  } else {
    out.Put(ErrorCodeName(answer.error().code));
    out.Put(std::string_view(answer.error().message).substr(0, kErrorTextMax));
  }
  static_cast<void>(links_.Send(to, Lane::kForward, Chain(out)));
}

void Calls::OnResponse(NodeId from, ByteView frame) {
  WireReader in = BehindHeader(frame);
  const uint64_t id = in.TakeVarint();
  const bool ok = in.Take<uint8_t>() != 0;
  const auto asked = pending_.find(id);
  if (!in.ok() || asked == pending_.end() || asked->second.to != from) return;
  Result<Bytes> answer = Error{ErrorCode::kInternal, "an answer that cannot be read"};
  if (ok) {
    answer = Bytes::Copy(in.TakeRaw(in.left()));
  } else {
    const std::string name = in.TakeString(kErrorTextMax);
    std::string message = in.TakeString(kErrorTextMax);
    if (in.ok()) answer = Error{ErrorCodeNamed(name), std::move(message)};
  }
  auto pending = pending_.extract(asked);
  Finish(std::move(pending.mapped()), std::move(answer));
}

}  // namespace chronik::cluster
