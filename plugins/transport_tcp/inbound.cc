// SPDX-License-Identifier: Apache-2.0
#include "plugins/transport_tcp/inbound.h"

#include <openssl/rand.h>

#include <algorithm>
#include <utility>

namespace chronik_transport_tcp {
namespace {

constexpr size_t kStreamBodyBytesMax = std::max(kStreamWriteBytesMax, kStreamHeaderBytesMax);

// Whoever knows the token may add connections to the session.
Token NewToken() {
  Token token;
  if (RAND_bytes(reinterpret_cast<unsigned char*>(token.data()), static_cast<int>(token.size())) != 1) {
    throw sdk::Error(CHR_E_INTERNAL, "no random numbers");
  }
  return token;
}

}  // namespace

InboundSession::InboundSession(Env& env, uint64_t peer, std::string identity, uint64_t deadline_ns, Lost lost)
    : env_(env),
      peer_(peer),
      identity_(std::move(identity)),
      deadline_ns_(deadline_ns),
      lost_(std::move(lost)),
      token_(NewToken()) {}

bool InboundSession::Adopt(size_t lane, std::shared_ptr<Connection> connection) {
  if (lanes_[lane] != nullptr || closed_) return false;
  connection->Establish(*this, lane == kStreamLane ? kStreamBodyBytesMax : env_.settings.max_frame_bytes);
  lanes_[lane] = std::move(connection);
  return true;
}

bool InboundSession::has_all_lanes() const {
  return std::all_of(lanes_.begin(), lanes_.end(), [](const auto& lane) { return lane != nullptr; });
}

void InboundSession::Complete() {
  complete_ = true;
  streams_ = std::make_shared<StreamMux>(env_, peer_, lanes_[kStreamLane]->queue(), true);
}

void InboundSession::Resume(uint32_t lane) {
  const auto self = shared_from_this();
  if (lanes_[lane] != nullptr) lanes_[lane]->Resume();
}

void InboundSession::Tick(uint64_t now_ns) {
  const auto self = shared_from_this();
  if (!complete_ && now_ns >= deadline_ns_) {
    Loss loss{CHR_E_TIMEOUT, "the session was not complete within the connect_timeout"};
    Close(loss);
    return lost_(*this, loss);
  }
  for (size_t lane = 0; lane < kConnections && !closed_; ++lane) {
    const auto connection = lanes_[lane];
    if (connection != nullptr) connection->Tick(now_ns);
  }
}

void InboundSession::Close(const Loss& loss) {
  if (std::exchange(closed_, true)) return;
  for (const auto& connection : lanes_) {
    if (connection != nullptr) connection->Close();
  }
  if (streams_ != nullptr) streams_->CloseAll(loss.status, loss.why);
}

bool InboundSession::OnFrame(Connection& connection, const Header& header, const sdk::Buffer& body) {
  const auto self = shared_from_this();
  const auto at =
      std::find_if(lanes_.begin(), lanes_.end(), [&](const auto& lane) { return lane.get() == &connection; });
  const auto lane = static_cast<uint32_t>(at - lanes_.begin());
  if (header.kind == Kind::kPong) return true;
  if (header.kind == Kind::kRefuse && !complete_) {
    const auto ending = DecodeEnding(body.bytes());
    OnLost(connection, {CHR_E_DENIED, "refused by the peer: " + (ending ? ending->text : std::string())});
    return true;
  }
  if (complete_ && lane == kStreamLane) {
    if (const std::string broken = streams_->OnFrame(header, body); !broken.empty()) connection.Reject(broken);
    return true;
  }
  if (!complete_ || header.kind != Kind::kFrame || body.size() == 0) {
    connection.Reject("a frame of kind " + std::to_string(static_cast<int>(header.kind)) + " where none is expected");
    return true;
  }
  const chr_buf view = body.View();
  return env_.sink.Frame(peer_, lane, {&view, 1}) != CHR_E_BUSY;
}

void InboundSession::OnLost(Connection&, const Loss& loss) {
  if (closed_) return;
  const auto self = shared_from_this();
  Close(loss);
  lost_(*this, loss);
}

}  // namespace chronik_transport_tcp
