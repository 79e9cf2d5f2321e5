// SPDX-License-Identifier: Apache-2.0
// A session that we dialled: a thread for each of its connections, which makes one call at a time.
#pragma once

#include <array>
#include <atomic>
#include <functional>
#include <memory>
#include <span>

#include "plugins/transport_thrift/frame_queue.h"
#include "plugins/transport_thrift/link.h"
#include "plugins/transport_thrift/stream.h"

namespace chronik_transport_thrift {

using Links = std::array<std::shared_ptr<Link>, kConnections>;

class OutboundSession : public std::enable_shared_from_this<OutboundSession> {
 public:
  // Called on the loop, at most once.
  using OnLost = std::function<void(OutboundSession&, const Loss&)>;
  using OnPong = std::function<void()>;

  // `max_frame_bytes`: what both ends take.
  OutboundSession(Env& env, uint64_t peer, uint64_t max_frame_bytes, Links links);
  ~OutboundSession() { Close({CHR_E_CLOSED, "closed"}); }

  void Start(OnLost lost, OnPong pong);                           // [loop]
  chr_status Send(uint32_t lane, std::span<const chr_buf> bufs);  // [any]
  StreamMux& streams() { return *streams_; }
  void Probe();                  // the peer is asked for a sign of life; OnPong follows. [loop]
  void Close(const Loss& loss);  // streams end; nothing is called afterwards. [loop]

 private:
  void RunLane(size_t lane);
  void RunPush();
  void RunPull();
  void Lose(const Loss& loss);  // [any]
  void CutAll();

  Env& env_;
  const uint64_t peer_;
  const uint64_t max_frame_bytes_;
  const Links links_;
  std::array<std::unique_ptr<FrameQueue>, CHR_LANE_COUNT> queues_;
  const std::shared_ptr<StreamMux> streams_;
  OnLost on_lost_;
  OnPong on_pong_;
  std::atomic<bool> over_{false};
  std::atomic<bool> probe_{false};
};

}  // namespace chronik_transport_thrift
