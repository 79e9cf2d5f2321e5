// SPDX-License-Identifier: Apache-2.0
#include "plugins/transport_thrift/outbound.h"

#include <utility>

#include "plugins/transport_thrift/checksum.h"

namespace chronik_transport_thrift {

OutboundSession::OutboundSession(Env& env, uint64_t peer, uint64_t max_frame_bytes, Links links)
    : env_(env),
      peer_(peer),
      max_frame_bytes_(max_frame_bytes),
      links_(std::move(links)),
      streams_(std::make_shared<StreamMux>(env, peer, false)) {
  for (auto& queue : queues_) queue = std::make_unique<FrameQueue>(env.settings.max_queued_bytes);
}

void OutboundSession::Start(OnLost lost, OnPong pong) {
  on_lost_ = std::move(lost);
  on_pong_ = std::move(pong);
  const auto spawn = [this](size_t lane, auto run) {
    env_.threads.Spawn([self = shared_from_this(), lane, run] {
      try {
        run(*self);
      } catch (const std::exception& e) {
        self->Lose(self->links_[lane]->LossOf(e));
      }
    });
  };
  for (size_t lane = 0; lane < CHR_LANE_COUNT; ++lane) {
    spawn(lane, [lane](OutboundSession& session) { session.RunLane(lane); });
  }
  spawn(kPushLane, [](OutboundSession& session) { session.RunPush(); });
  spawn(kPullLane, [](OutboundSession& session) { session.RunPull(); });
}

chr_status OutboundSession::Send(uint32_t lane, std::span<const chr_buf> bufs) {
  return TotalBytes(bufs) > max_frame_bytes_ ? CHR_E_INVALID : queues_[lane]->Push(bufs);
}

void OutboundSession::Probe() {
  probe_ = true;
  queues_[CHR_LANE_CONTROL]->Nudge();
}

void OutboundSession::CutAll() {
  for (const auto& queue : queues_) queue->Close();
  for (const auto& link : links_) link->Cut();
}

void OutboundSession::Close(const Loss& loss) {
  over_ = true;
  CutAll();
  streams_->CloseAll(loss.status, loss.why);
}

void OutboundSession::Lose(const Loss& loss) {
  if (over_.exchange(true)) return;
  CutAll();
  env_.loop.Post([self = shared_from_this(), loss] { self->on_lost_(*self, loss); });
}

// --- the threads of the connections ----------------------------------------------------------------------------------

void OutboundSession::RunLane(size_t lane) {
  FrameQueue& queue = *queues_[lane];
  const Link& link = *links_[lane];
  rpc::NodeClient node(link.protocol());
  while (!over_) {
    const std::vector<std::string> frames = queue.Take(kBatchBytes, kBatchFrames);
    const bool asked = lane == CHR_LANE_CONTROL && probe_.exchange(false);
    if (frames.empty() && !asked && link.Wait(queue.wake(), env_.settings.idle_timeout_ns / 3) == Link::Event::kWoken) {
      continue;
    }
    if (queue.TakeRoom() && !over_) env_.sink.Writable(peer_, static_cast<uint32_t>(lane));
    // With nothing to send the call is a sign of life, or finds out that the connection has ended.
    int32_t rest = 0;
    if (frames.empty()) {
      rest = node.rest();
    } else {
      rest = node.deliver(frames, env_.settings.checksums ? SumOf(frames) : 0);
    }
    while (rest > 0) rest = node.rest();
    size_t bytes = 0;
    for (const std::string& frame : frames) bytes += frame.size();
    env_.counters.sent_bytes.Add(static_cast<double>(bytes));
    if (asked) {
      env_.loop.Post([self = shared_from_this()] {
        if (!self->over_) self->on_pong_();
      });
    }
  }
}

void OutboundSession::RunPush() {
  const Link& link = *links_[kPushLane];
  rpc::NodeClient node(link.protocol());
  rpc::StreamEvents said;
  while (!over_) {
    said.events = streams_->outbox().Take(env_);
    if (said.events.empty() &&
        link.Wait(streams_->outbox().wake(), env_.settings.idle_timeout_ns / 3) == Link::Event::kWoken) {
      continue;
    }
    said.checksum = env_.settings.checksums ? SumOf(said.events) : 0;
    node.push(said);
  }
}

void OutboundSession::RunPull() {
  rpc::NodeClient node(links_[kPullLane]->protocol());
  rpc::StreamEvents said;
  std::string broken;
  while (!over_) {
    node.pull(said);
    if (env_.settings.checksums && SumOf(said.events) != said.checksum) broken = "a checksum that does not fit";
    if (broken.empty()) {
      env_.loop.RunAndWait([&] {
        if (!over_) broken = streams_->OnEvents(said.events);
      });
    }
    if (broken.empty()) continue;
    env_.counters.rejects.Add();
    env_.log.Warn("closed the connection with " + links_[kPullLane]->remote() + ": " + broken);
    Lose({CHR_E_IO, broken});
  }
}

}  // namespace chronik_transport_thrift
