// SPDX-License-Identifier: Apache-2.0
#include "plugins/transport_tcp/acceptor.h"

#include <algorithm>
#include <utility>
#include <vector>

namespace chronik_transport_tcp {

namespace asio = boost::asio;

namespace {

sdk::Error CannotListen(const sdk::Address& address, const error_code& ec) {
  return {
      CHR_E_IO,
      "cannot listen on " + sdk::FormatAddress(address) + ": " + ec.message() + "; choose another address in listen",
      ec.category() == boost::system::system_category() ? ec.value() : 0};
}

}  // namespace

Acceptor::Acceptor(Env& env, const PeerTable& peers) : env_(env), peers_(peers), listener_(env.loop) {}

void Acceptor::Listen() {
  const sdk::Address& address = env_.settings.listen;
  error_code ec;
  const auto found = tcp::resolver(env_.loop).resolve(address.host, std::to_string(address.port),
                                                      tcp::resolver::passive | tcp::resolver::numeric_service, ec);
  if (ec) throw CannotListen(address, ec);
  const tcp::endpoint endpoint = found.begin()->endpoint();
  listener_.open(endpoint.protocol(), ec);
  if (!ec) listener_.set_option(tcp::acceptor::reuse_address(true), ec);
  if (!ec) listener_.bind(endpoint, ec);
  if (!ec) listener_.listen(asio::socket_base::max_listen_connections, ec);
  if (!ec) bound_ = listener_.local_endpoint(ec);
  if (ec) throw CannotListen(address, ec);
  Accept();
}

std::string Acceptor::bound_address() const {
  return sdk::FormatAddress({bound_.address().to_string(), bound_.port()});
}

void Acceptor::Stop() {
  stopped_ = true;
  error_code ignored;
  listener_.close(ignored);
  for (const Pending& pending : pending_) pending.connection->Close();
  pending_.clear();
  const Loss loss{CHR_E_CANCELLED, "the transport stops"};
  for (const auto& session : std::exchange(joining_, {})) session->Close(loss);
  for (const auto& [peer, session] : std::exchange(sessions_, {})) session->Close(loss);
}

void Acceptor::Tick(uint64_t now_ns) {
  if (std::exchange(accept_failed_, false)) Accept();
  while (!pending_.empty() && pending_.front().deadline_ns <= now_ns) {
    pending_.front().connection->Close();
    pending_.pop_front();
  }
  std::erase_if(pending_, [](const Pending& pending) { return pending.connection->closed(); });  // refused ones
  std::vector<std::shared_ptr<InboundSession>> sessions(joining_.begin(), joining_.end());
  for (const auto& [peer, session] : sessions_) sessions.push_back(session);
  for (const auto& session : sessions) session->Tick(now_ns);
}

void Acceptor::Resume(uint64_t peer, uint32_t lane) {
  const auto it = sessions_.find(peer);
  if (it != sessions_.end()) std::shared_ptr(it->second)->Resume(lane);
}

// --- connections that nobody has vouched for -------------------------------------------------------------------------

void Acceptor::Accept() {
  listener_.async_accept([this](error_code ec, tcp::socket socket) {
    if (stopped_) return;
    if (ec) {
      env_.log.Warn("cannot accept a connection: " + ec.message());
      accept_failed_ = true;
      return;
    }
    Accept();
    OnAccepted(std::move(socket));
  });
}

void Acceptor::OnAccepted(tcp::socket socket) {
  if (pending_.size() >= kPendingMax) {
    env_.log.Warn("too many connections without a greeting, the oldest is closed");
    pending_.front().connection->Close();
    pending_.pop_front();
  }
  const auto connection = Connection::Make(env_, MakeSocket(std::move(socket), env_.tls.get()), *this, UINT64_MAX);
  pending_.push_back({connection, env_.host.MonoNs() + env_.settings.connect_timeout_ns});
  connection->socket().Handshake(false, [this, connection](error_code ec, size_t) {
    if (connection->closed()) return;
    if (!ec) return connection->Start(kGreetingBytesMax);
    env_.counters.rejects.Add();
    env_.log.Warn("closed the connection with " + connection->socket().remote() + ": " +
                  connection->socket().HandshakeFailure(ec));
    TakePending(*connection)->Close();
  });
}

bool Acceptor::OnFrame(Connection& connection, const Header& header, const sdk::Buffer& body) {
  if (header.kind == Kind::kHello) {
    if (const auto hello = DecodeHello(body.bytes())) {
      OnHello(connection, *hello);
      return true;
    }
  } else if (header.kind == Kind::kAttach) {
    if (const auto attach = DecodeAttach(body.bytes())) {
      OnAttach(connection, *attach);
      return true;
    }
  }
  connection.Reject("not a greeting");
  return true;
}

void Acceptor::OnLost(Connection& connection, const Loss&) { TakePending(connection); }

std::shared_ptr<Connection> Acceptor::TakePending(const Connection& connection) {
  const auto it = std::find_if(pending_.begin(), pending_.end(),
                               [&](const Pending& pending) { return pending.connection.get() == &connection; });
  if (it == pending_.end()) return nullptr;
  std::shared_ptr<Connection> taken = std::move(it->connection);
  pending_.erase(it);
  return taken;
}

// The connection stays among the pending ones until the refusal has left, or its time is up.
void Acceptor::Refuse(Connection& connection, const std::string& why) {
  connection.Send(Kind::kRefuse, 0, Encode(Ending{CHR_E_DENIED, why}));
  connection.CloseAfterWriting();
}

void Acceptor::OnHello(Connection& connection, const Hello& hello) {
  if (hello.version_min > kProtocolVersion || hello.version_max < kProtocolVersion) {
    return Refuse(connection, "it speaks versions " + std::to_string(hello.version_min) + " to " +
                                  std::to_string(hello.version_max) + " of the protocol, we speak " +
                                  std::to_string(kProtocolVersion));
  }
  const uint64_t me = env_.sink.node_id();
  if (hello.wanted_id != me) {
    return Refuse(connection, "this is node " + std::to_string(me) + ", not " + std::to_string(hello.wanted_id));
  }
  if (hello.node_id == 0 || hello.node_id == me) return Refuse(connection, "its node id is 0 or ours");
  const std::string identity = connection.socket().Identity();
  const auto verdict = env_.sink.OnHello(hello.node_id, identity, hello.hello);
  if (verdict.status < 0) {
    Refuse(connection, verdict.text);
    if (const auto peer = peers_.Find(hello.node_id))
      peer->OnInboundRefused({CHR_E_DENIED, "refused by us: " + verdict.text});
    return;
  }
  if (joining_.size() >= kPendingMax || (sessions_.size() >= kSessionsMax && !sessions_.contains(hello.node_id))) {
    return Refuse(connection, "too many sessions");
  }
  const uint64_t deadline_ns = env_.host.MonoNs() + env_.settings.connect_timeout_ns;
  const auto session =
      std::make_shared<InboundSession>(env_, hello.node_id, identity, deadline_ns,
                                       [this](InboundSession& lost, const Loss& loss) { OnSessionLost(lost, loss); });
  session->Adopt(CHR_LANE_CONTROL, TakePending(connection));
  joining_.push_back(session);
  connection.Send(Kind::kWelcome, 0,
                  Encode(Welcome{.node_id = me,
                                 .max_frame_bytes = env_.settings.max_frame_bytes,
                                 .token = session->token(),
                                 .hello = env_.sink.Hello()}));
}

void Acceptor::OnAttach(Connection& connection, const Attach& attach) {
  const auto it = std::find_if(joining_.begin(), joining_.end(),
                               [&](const auto& session) { return session->token() == attach.token; });
  if (it == joining_.end() || attach.lane == CHR_LANE_CONTROL || attach.lane >= kConnections ||
      (*it)->identity() != connection.socket().Identity()) {
    return connection.Reject("it attaches to a session that is not there");
  }
  const auto session = *it;
  const auto taken = TakePending(connection);
  if (!session->Adopt(attach.lane, taken)) return taken->Close();
  if (session->has_all_lanes()) Complete(session);
  connection.Send(Kind::kAttached, 0, {});
}

// --- sessions --------------------------------------------------------------------------------------------------------

void Acceptor::Complete(const std::shared_ptr<InboundSession>& session) {
  joining_.remove(session);
  const auto peer = peers_.Find(session->peer());
  std::shared_ptr<InboundSession>& place = sessions_[session->peer()];
  const auto older = std::exchange(place, session);
  if (older != nullptr) {
    // Closed before the first frame of the newer one is delivered, so that frames never overtake each other.
    const Loss loss{CHR_E_CLOSED, "the peer connected anew"};
    older->Close(loss);
    if (peer != nullptr) peer->OnInboundDown(loss);
  }
  session->Complete();
  if (peer != nullptr) peer->OnInboundUp();
}

void Acceptor::OnSessionLost(InboundSession& session, const Loss& loss) {
  const auto self = session.shared_from_this();
  joining_.remove(self);
  const auto it = sessions_.find(session.peer());
  if (it != sessions_.end() && it->second == self) sessions_.erase(it);
  const auto peer = peers_.Find(session.peer());
  if (peer == nullptr) return;
  if (session.complete()) peer->OnInboundDown(loss);
  if (loss.status == CHR_E_DENIED) peer->OnInboundRefused(loss);
}

}  // namespace chronik_transport_tcp
