// SPDX-License-Identifier: Apache-2.0
#include "plugins/transport_tcp/dialer.h"

#include <algorithm>
#include <boost/asio/connect.hpp>
#include <utility>

namespace chronik_transport_tcp {

namespace asio = boost::asio;

namespace {

constexpr size_t kStreamBodyBytesMax = std::max(kStreamWriteBytesMax, kStreamHeaderBytesMax);
constexpr uint64_t kProbeId = 1;

}  // namespace

Dialer::Dialer(Env& env, Peer& peer, sdk::Address address)
    : env_(env), peer_(peer), address_(std::move(address)), backoff_ns_(env.settings.reconnect_backoff_min_ns) {}
Dialer::~Dialer() { CloseAll(); }

void Dialer::Start() { Attempt(); }

void Dialer::Stop() {
  state_ = State::kStopped;
  ++attempt_;
  CloseAll();
}

void Dialer::Tick(uint64_t now_ns) {
  if (state_ == State::kWaiting && now_ns >= deadline_ns_) return Attempt();
  if (state_ == State::kConnecting && now_ns >= deadline_ns_) {
    return Fail({CHR_E_TIMEOUT, Named("no greeting within the connect_timeout")});
  }
  const auto self = shared_from_this();
  for (size_t lane = 0; lane < kConnections && state_ == State::kUp; ++lane) {
    const auto connection = lanes_[lane];
    connection->Tick(now_ns);
  }
}

void Dialer::Hurry() {
  if (state_ == State::kWaiting) Attempt();
}

void Dialer::Probe() {
  if (state_ == State::kUp) lanes_[CHR_LANE_CONTROL]->Send(Kind::kPing, kProbeId, {});
}

// --- one attempt -----------------------------------------------------------------------------------------------------

void Dialer::Attempt() {
  CloseAll();
  state_ = State::kConnecting;
  deadline_ns_ = env_.host.MonoNs() + env_.settings.connect_timeout_ns;
  Resolve(env_, address_, [self = shared_from_this(), attempt = ++attempt_](Endpoints found, const std::string& why) {
    if (self->attempt_ != attempt) return;
    if (found.empty()) return self->Fail({CHR_E_IO, self->Named(why)});
    self->Connect(CHR_LANE_CONTROL, found);
  });
}

void Dialer::Connect(size_t lane, const Endpoints& endpoints) {
  const auto socket = std::make_shared<tcp::socket>(env_.loop);
  connecting_[lane] = socket;
  asio::async_connect(
      *socket, endpoints,
      [self = shared_from_this(), attempt = attempt_, lane, socket](error_code ec, const tcp::endpoint&) {
        if (self->attempt_ == attempt) self->OnConnected(lane, ec, std::move(*socket));
      });
}

void Dialer::OnConnected(size_t lane, error_code ec, tcp::socket socket) {
  connecting_[lane].reset();
  error_code ec_remote;
  if (!ec && lane == CHR_LANE_CONTROL) found_ = {socket.remote_endpoint(ec_remote)};
  if (!ec) ec = ec_remote;
  if (ec) return Fail({CHR_E_IO, Named(ec.message())});
  lanes_[lane] = Connection::Make(env_, MakeSocket(std::move(socket), env_.tls.get()), *this,
                                  lane == kStreamLane ? UINT64_MAX : env_.settings.max_queued_bytes);
  lanes_[lane]->socket().Handshake(
      true, [self = shared_from_this(), attempt = attempt_, lane, kept = lanes_[lane]](error_code failed, size_t) {
        if (self->attempt_ != attempt) return;
        if (failed) return self->Fail({CHR_E_IO, self->Named(kept->socket().HandshakeFailure(failed))});
        self->Greet(lane);
      });
}

void Dialer::Greet(size_t lane) {
  Connection& connection = *lanes_[lane];
  if (lane == CHR_LANE_CONTROL) {
    identity_ = connection.socket().Identity();
    connection.Start(kGreetingBytesMax);
    connection.Send(Kind::kHello, 0,
                    Encode(Hello{.node_id = env_.sink.node_id(),
                                 .wanted_id = peer_.id(),
                                 .max_frame_bytes = env_.settings.max_frame_bytes,
                                 .hello = env_.sink.Hello()}));
    return;
  }
  if (connection.socket().Identity() != identity_) return Fail({CHR_E_IO, Named("certificates of two nodes")});
  connection.Start(kGreetingBytesMax);
  connection.Send(Kind::kAttach, 0, Encode(Attach{static_cast<uint8_t>(lane), welcome_.token}));
}

bool Dialer::OnFrame(Connection& connection, const Header& header, const sdk::Buffer& body) {
  const size_t lane = LaneOf(connection);
  if (header.kind == Kind::kPong) {
    if (header.id == kProbeId) peer_.OnPong();
    return true;
  }
  if (state_ == State::kUp && lane == kStreamLane) {
    const auto streams = streams_;
    if (const std::string broken = streams->OnFrame(header, body); !broken.empty()) connection.Reject(broken);
    return true;
  }
  const bool greeting = state_ == State::kConnecting && lane == CHR_LANE_CONTROL && !attached_[lane];
  if (greeting && header.kind == Kind::kWelcome) {
    const auto welcome = DecodeWelcome(body.bytes());
    welcome ? OnWelcome(*welcome) : connection.Reject("a malformed greeting");
  } else if (state_ == State::kConnecting && header.kind == Kind::kRefuse) {
    OnRefused(body);
  } else if (state_ == State::kConnecting && lane != CHR_LANE_CONTROL && header.kind == Kind::kAttached) {
    OnAttached(lane);
  } else {
    connection.Reject("a frame of kind " + std::to_string(static_cast<int>(header.kind)) + " where none is expected");
  }
  return true;
}

void Dialer::OnWelcome(const Welcome& welcome) {
  if (welcome.version != kProtocolVersion) {
    return Refuse("the peer chose version " + std::to_string(welcome.version) +
                  " of the protocol, which we do not speak");
  }
  if (welcome.node_id != peer_.id()) {
    return Refuse("this is node " + std::to_string(welcome.node_id) + ", not " + std::to_string(peer_.id()));
  }
  const auto verdict = env_.sink.OnHello(welcome.node_id, identity_, welcome.hello);
  if (verdict.status < 0) return Refuse(verdict.text);
  welcome_ = welcome;
  attached_[CHR_LANE_CONTROL] = true;
  for (size_t lane = CHR_LANE_CONTROL + 1; lane < kConnections; ++lane) Connect(lane, found_);
}

void Dialer::Refuse(const std::string& why) {
  leaving_ = std::move(lanes_[CHR_LANE_CONTROL]);
  leaving_->Send(Kind::kRefuse, 0, Encode(Ending{CHR_E_DENIED, why}));
  leaving_->CloseAfterWriting();
  Fail({CHR_E_DENIED, Named("refused by us: " + why)});
}

void Dialer::OnRefused(const sdk::Buffer& body) {
  const auto ending = DecodeEnding(body.bytes());
  Fail({CHR_E_DENIED, Named("refused by the peer: " + (ending ? ending->text : std::string("no reason given")))});
}

void Dialer::OnAttached(size_t lane) {
  attached_[lane] = true;
  if (std::count(attached_.begin(), attached_.end(), true) != kConnections) return;
  state_ = State::kUp;
  up_since_ns_ = env_.host.MonoNs();
  Session session;
  for (size_t i = 0; i < kConnections; ++i) {
    lanes_[i]->Establish(*this, i == kStreamLane ? kStreamBodyBytesMax : 0);
    if (i != kStreamLane) session.lanes[i] = lanes_[i]->queue();
  }
  streams_ = std::make_shared<StreamMux>(env_, peer_.id(), lanes_[kStreamLane]->queue(), false);
  session.streams = streams_;
  session.max_frame_bytes = std::min(env_.settings.max_frame_bytes, welcome_.max_frame_bytes);
  peer_.OnUp(std::move(session));
}

// --- the end of an attempt, or of the session ------------------------------------------------------------------------

void Dialer::OnLost(Connection& connection, const Loss& loss) {
  if (LaneOf(connection) == kConnections) return;
  Fail(state_ == State::kUp ? loss : Loss{loss.status, Named(loss.why)});
}

void Dialer::OnRoom(Connection& connection) {
  const size_t lane = LaneOf(connection);
  if (state_ == State::kUp && lane < kStreamLane) peer_.OnRoom(static_cast<uint32_t>(lane));
}

void Dialer::Fail(const Loss& loss) {
  const bool was_up = state_ == State::kUp;
  const auto leaving = std::move(leaving_);
  CloseAll();
  leaving_ = leaving;
  ++attempt_;
  const Settings& settings = env_.settings;
  const uint64_t now_ns = env_.host.MonoNs();
  // A session that lasted has made good for what failed before it.
  if (was_up && now_ns - up_since_ns_ > settings.reconnect_backoff_max_ns) {
    backoff_ns_ = settings.reconnect_backoff_min_ns;
  }
  deadline_ns_ = now_ns + backoff_ns_ / 2 + env_.random() % (backoff_ns_ / 2 + 1);
  backoff_ns_ = std::min(2 * backoff_ns_, settings.reconnect_backoff_max_ns);
  state_ = State::kWaiting;
  was_up ? peer_.OnDown(loss) : peer_.OnDialFailed(loss);
}

void Dialer::CloseAll() {
  for (auto& socket : connecting_) {
    error_code ignored;
    if (socket != nullptr) socket->close(ignored);
    socket.reset();
  }
  for (auto& connection : lanes_) {
    if (connection != nullptr) connection->Close();
    connection.reset();
  }
  if (leaving_ != nullptr) leaving_->Close();
  leaving_.reset();
  attached_ = {};
  streams_.reset();
}

size_t Dialer::LaneOf(const Connection& connection) const {
  size_t lane = 0;
  while (lane < kConnections && lanes_[lane].get() != &connection) ++lane;
  return lane;
}

std::string Dialer::Named(const std::string& why) const { return sdk::FormatAddress(address_) + ": " + why; }

}  // namespace chronik_transport_tcp
