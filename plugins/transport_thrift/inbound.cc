// SPDX-License-Identifier: Apache-2.0
#include "plugins/transport_thrift/inbound.h"

#include <chrono>
#include <utility>

#include "plugins/transport_thrift/acceptor.h"
#include "plugins/transport_thrift/checksum.h"
#include "plugins/transport_thrift/lent_bytes.h"

namespace chronik_transport_thrift {

void InboundSession::Close(const Loss& loss) {
  if (closed.exchange(true)) return;
  for (const auto& connection : std::exchange(lanes, {})) {
    if (connection != nullptr) connection->link().Cut();
  }
  for (std::mutex& mutex : delivering) const std::scoped_lock past(mutex);
  streams->CloseAll(loss.status, loss.why);
}

void InboundConnection::Serve() {
  const std::shared_ptr<rpc::NodeIf> self = shared_from_this();
  rpc::NodeProcessor processor(self);
  try {
    while (!ending_ && processor.process(link_->protocol(), link_->protocol(), nullptr)) {
    }
  } catch (const std::exception& e) {
    if (!ending_) {
      loss_ = link_->LossOf(e);
      if (loss_.status == CHR_E_IO) {
        env_.counters.rejects.Add();
        env_.log.Warn("closed the connection with " + link_->remote() + ": " + loss_.why);
      }
    }
  }
  link_->Cut();
  env_.loop.Post([this, me = shared_from_this()] { acceptor_.OnEnded(*this, loss_); });
}

void InboundConnection::Reject(const std::string& what) {
  env_.counters.rejects.Add();
  env_.log.Warn("closed the connection with " + link_->remote() + ": " + what);
  ending_ = true;
  loss_ = {CHR_E_IO, what};
  throw sdk::Error(CHR_E_IO, what);
}

// --- the greeting ----------------------------------------------------------------------------------------------------

std::string InboundConnection::WhyRefused(const rpc::Hello& hello) {
  const auto me = static_cast<int64_t>(env_.sink.node_id());
  if (hello.version != kVersion) {
    return "it speaks version " + std::to_string(hello.version) + " of the protocol, we speak " +
           std::to_string(kVersion);
  }
  if (hello.wanted_id != me) {
    return "this is node " + std::to_string(me) + ", not " + std::to_string(hello.wanted_id);
  }
  if (hello.node_id == 0 || hello.node_id == me) return "its node id is 0 or ours";
  if (hello.checksums != env_.settings.checksums) return "body_checksum is not the same on both nodes";
  return {};
}

void InboundConnection::greet(rpc::Welcome& out, const rpc::Hello& hello) {
  Expect(lane_ == kConnections, "a second greeting");
  Expect(hello.checksum == SumOf(hello), "a damaged greeting");
  Expect(hello.lane >= 0 && hello.lane < static_cast<int32_t>(kConnections), "a greeting for a lane that is not there");
  Expect(hello.hello.size() <= sdk::TransportSink::kHelloBytesMax, "a greeting that is too long");
  const auto peer = static_cast<uint64_t>(hello.node_id);
  const std::string identity = link_->Identity();
  std::string refusal = WhyRefused(hello);
  if (refusal.empty()) {
    const auto verdict = env_.sink.OnHello(peer, identity, hello.hello);
    if (verdict.status < 0) {
      refusal = verdict.text.empty() ? "refused" : verdict.text;
      env_.loop.Post([this, me = shared_from_this(), peer, refusal] {
        acceptor_.OnRefused(peer, {CHR_E_DENIED, "refused by us: " + refusal});
      });
    }
  }
  if (refusal.empty()) {
    lane_ = static_cast<size_t>(hello.lane);
    checksums_ = hello.checksums;
    link_->Establish();
    env_.loop.RunAndWait([&] { refusal = acceptor_.Join(shared_from_this(), hello, identity); });
  }
  out.status = refusal.empty() ? CHR_OK : CHR_E_DENIED;
  out.text = refusal;
  out.node_id = static_cast<int64_t>(env_.sink.node_id());
  out.max_frame_bytes = env_.settings.max_frame_bytes;
  if (refusal.empty()) out.hello = env_.sink.Hello();
  out.checksum = SumOf(out);
  if (refusal.empty()) return;
  ending_ = true;
  loss_ = {CHR_E_CLOSED, refusal};
}

void InboundConnection::refuse(int32_t, const std::string& text) {
  Expect(session != nullptr && !session->complete, "a refusal where none is expected");
  ending_ = true;
  loss_ = {CHR_E_DENIED, "refused by the peer: " + text.substr(0, 231)};
}

// --- frames ----------------------------------------------------------------------------------------------------------

int32_t InboundConnection::deliver(const std::vector<std::string>& frames, int64_t checksum) {
  Expect(lane_ < CHR_LANE_COUNT && session->complete, "frames where none are expected");
  Expect(frames_.empty(), "more frames before the last ones were taken");
  Expect(!checksums_ || SumOf(frames) == checksum, "the checksum of frames does not fit");
  size_t bytes = 0;
  for (const std::string& frame : frames) {
    Expect(!frame.empty() && frame.size() <= env_.settings.max_frame_bytes, "a frame of a forbidden size");
    bytes += frame.size();
  }
  env_.counters.received_bytes.Add(static_cast<double>(bytes));
  // The generated code drops them after the call, so they may as well be moved.
  for (std::string& frame : const_cast<std::vector<std::string>&>(frames)) {
    frames_.push_back(LentBytes::Make(std::move(frame)));
  }
  return rest();
}

int32_t InboundConnection::rest() {
  Expect(lane_ < CHR_LANE_COUNT && session->complete, "frames where none are expected");
  using Clock = std::chrono::steady_clock;
  const auto answer_at = Clock::now() + std::chrono::nanoseconds(env_.settings.idle_timeout_ns / 3);
  while (!frames_.empty()) {
    if (busy_) {
      const auto left = std::max(answer_at - Clock::now(), Clock::duration::zero());
      const Link::Event event = link_->Wait(resumed_, static_cast<uint64_t>(left.count()));
      if (event == Link::Event::kTimeout) return static_cast<int32_t>(frames_.size());
      if (event == Link::Event::kReadable) {
        Expect(link_->ended_by_peer(), "a call before the last one was answered");
        ending_ = true;
        throw sdk::Error(CHR_E_CLOSED, "closed");
      }
    }
    resumed_.Clear();  // what was resumed before this offer is no answer to it
    const std::scoped_lock lock(session->delivering[lane_]);
    if (session->closed) {
      ending_ = true;
      throw sdk::Error(CHR_E_CLOSED, "closed");
    }
    const chr_buf view = frames_.front().View();
    busy_ = env_.sink.Frame(session->peer, static_cast<uint32_t>(lane_), {&view, 1}) == CHR_E_BUSY;
    if (!busy_) frames_.pop_front();
  }
  return 0;
}

// --- streams ---------------------------------------------------------------------------------------------------------

void InboundConnection::push(const rpc::StreamEvents& said) {
  Expect(lane_ == kPushLane && session->complete, "events of streams where none are expected");
  Expect(!checksums_ || SumOf(said.events) == said.checksum, "the checksum of stream events does not fit");
  std::string broken;
  env_.loop.RunAndWait([&] {
    auto& events = const_cast<std::vector<rpc::StreamEvent>&>(said.events);  // as in deliver
    if (!session->closed) broken = session->streams->OnEvents(events);
  });
  if (!broken.empty()) Reject(broken);
}

void InboundConnection::pull(rpc::StreamEvents& out) {
  Expect(lane_ == kPullLane && session->complete, "a call of the stream lane where none is expected");
  Outbox& outbox = session->streams->outbox();
  out.events = outbox.Take(env_);
  if (out.events.empty()) {
    const Link::Event event = link_->Wait(outbox.wake(), env_.settings.idle_timeout_ns / 3);
    if (event == Link::Event::kReadable) {
      Expect(link_->ended_by_peer(), "a call before the last one was answered");
      ending_ = true;
      throw sdk::Error(CHR_E_CLOSED, "closed");
    }
    out.events = outbox.Take(env_);
  }
  out.checksum = checksums_ ? SumOf(out.events) : 0;
}

}  // namespace chronik_transport_thrift
