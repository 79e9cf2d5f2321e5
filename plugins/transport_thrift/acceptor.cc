// SPDX-License-Identifier: Apache-2.0
#include "plugins/transport_thrift/acceptor.h"

#include <netdb.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <thrift/transport/TServerSocket.h>

#include <algorithm>
#include <utility>

namespace chronik_transport_thrift {

using apache::thrift::transport::TServerSocket;
using apache::thrift::transport::TSocket;
using apache::thrift::transport::TTransportException;

namespace {

// Thrift's listening socket, with our sockets for what it accepts.
class Listener final : public TServerSocket {
 public:
  Listener(Env& env, const sdk::Address& address) : TServerSocket(address.host, address.port), env_(env) {
    setInterruptableChildren(false);
  }

 private:
  std::shared_ptr<TSocket> createSocket(THRIFT_SOCKET fd) override { return MakeSocket(env_, fd, true); }

  Env& env_;
};

std::string BoundAddress(int fd) {
  sockaddr_storage bound{};
  socklen_t size = sizeof(bound);
  char host[NI_MAXHOST];
  char port[NI_MAXSERV];
  if (::getsockname(fd, reinterpret_cast<sockaddr*>(&bound), &size) != 0 ||
      ::getnameinfo(reinterpret_cast<sockaddr*>(&bound), size, host, sizeof(host), port, sizeof(port),
                    NI_NUMERICHOST | NI_NUMERICSERV) != 0) {
    throw sdk::Error(CHR_E_IO, "cannot tell where it listens");
  }
  return sdk::FormatAddress({host, static_cast<uint16_t>(std::stoi(port))});
}

}  // namespace

Acceptor::~Acceptor() = default;

void Acceptor::Listen() {
  listener_ = std::make_shared<Listener>(env_, env_.settings.listen);
  try {
    listener_->listen();
  } catch (const TTransportException& e) {
    throw sdk::Error(CHR_E_IO, "cannot listen on " + sdk::FormatAddress(env_.settings.listen) + ": " + e.what() +
                                   "; choose another address in listen");
  }
  // Thrift asks the kernel to hide connections that say nothing, which then escape our limits.
  const int off = 0;
  ::setsockopt(listener_->getSocketFD(), IPPROTO_TCP, TCP_DEFER_ACCEPT, &off, sizeof(off));
  bound_ = BoundAddress(listener_->getSocketFD());
  env_.threads.Spawn([this] { Run(); });
}

void Acceptor::Run() {
  for (;;) {
    try {
      const auto socket = std::static_pointer_cast<TSocket>(listener_->accept());
      const auto link = std::make_shared<Link>(env_, socket);
      const auto connection = std::make_shared<InboundConnection>(env_, *this, link);
      env_.loop.RunAndWait([&] { OnAccepted(connection); });
    } catch (const TTransportException& e) {
      if (e.getType() == TTransportException::INTERRUPTED) return;
      env_.log.Warn(std::string("cannot accept a connection: ") + e.what());
      pollfd polled{stop_.fd(), POLLIN, 0};
      if (::poll(&polled, 1, 100) > 0) return;
    } catch (const std::exception& e) {
      env_.log.Warn(std::string("an accepted connection is dropped: ") + e.what());
    }
  }
}

void Acceptor::Stop() {
  stopped_ = true;
  stop_.Notify();
  if (listener_ != nullptr) listener_->interrupt();
  for (const Pending& pending : pending_) pending.connection->link().Cut();
  pending_.clear();
  const Loss loss{CHR_E_CANCELLED, "the transport stops"};
  for (const auto& session : std::exchange(joining_, {})) session->Close(loss);
  for (const auto& [peer, session] : std::exchange(sessions_, {})) session->Close(loss);
}

void Acceptor::Tick(uint64_t now_ns) {
  for (; !pending_.empty() && pending_.front().deadline_ns <= now_ns; pending_.pop_front()) {
    pending_.front().connection->link().Cut();
  }
  while (!joining_.empty() && joining_.front()->deadline_ns <= now_ns) {
    Lose(std::shared_ptr(joining_.front()), {CHR_E_TIMEOUT, "the session was not complete within the connect_timeout"});
  }
}

void Acceptor::Resume(uint64_t peer, uint32_t lane) {
  const auto it = sessions_.find(peer);
  if (it != sessions_.end() && it->second->lanes[lane] != nullptr) it->second->lanes[lane]->Resume();
}

void Acceptor::OnAccepted(const std::shared_ptr<InboundConnection>& connection) {
  if (stopped_) return;
  if (pending_.size() >= kPendingMax) {
    env_.log.Warn("too many connections without a greeting, the oldest is closed");
    pending_.front().connection->link().Cut();
    pending_.pop_front();
  }
  env_.threads.Spawn([connection] { connection->Serve(); });
  pending_.push_back({connection, env_.host.MonoNs() + env_.settings.connect_timeout_ns});
}

// --- sessions --------------------------------------------------------------------------------------------------------

// NULL: there is no such session, or no room for another.
std::shared_ptr<InboundSession> Acceptor::SessionFor(const rpc::Hello& hello, const std::string& identity) {
  const auto peer = static_cast<uint64_t>(hello.node_id);
  const auto it = std::find_if(joining_.begin(), joining_.end(), [&](const auto& session) {
    return session->peer == peer && session->id == hello.session && session->identity == identity;
  });
  if (it != joining_.end()) return *it;
  const bool full = joining_.size() >= kPendingMax || (sessions_.size() >= kSessionsMax && !sessions_.contains(peer));
  if (full || hello.lane != CHR_LANE_CONTROL) return nullptr;
  const uint64_t deadline_ns = env_.host.MonoNs() + env_.settings.connect_timeout_ns;
  joining_.push_back(std::make_shared<InboundSession>(env_, peer, hello.session, identity, deadline_ns));
  return joining_.back();
}

std::string Acceptor::Join(const std::shared_ptr<InboundConnection>& connection, const rpc::Hello& hello,
                           const std::string& identity) {
  if (stopped_) return "the transport stops";
  const size_t pending = std::erase_if(pending_, [&](const Pending& one) { return one.connection == connection; });
  if (pending == 0) return "too late";
  const auto session = SessionFor(hello, identity);
  if (session == nullptr) return "there is no such session, or there are too many";
  auto& lane = session->lanes[static_cast<size_t>(hello.lane)];
  if (lane != nullptr) return "that lane has a connection";
  lane = connection;
  connection->session = session;
  if (std::none_of(session->lanes.begin(), session->lanes.end(), [](const auto& one) { return one == nullptr; })) {
    Complete(session);
  }
  return {};
}

void Acceptor::Complete(const std::shared_ptr<InboundSession>& session) {
  joining_.remove(session);
  const auto peer = peers_.Find(session->peer);
  const auto older = std::exchange(sessions_[session->peer], session);
  if (older != nullptr) {
    // Closed before the first frame of the newer one is delivered, so that frames never overtake each other.
    const Loss loss{CHR_E_CLOSED, "the peer connected anew"};
    older->Close(loss);
    if (peer != nullptr) peer->OnInboundDown(loss);
  }
  session->complete = true;
  if (peer != nullptr) peer->OnInboundUp();
}

void Acceptor::Lose(const std::shared_ptr<InboundSession>& session, const Loss& loss) {
  joining_.remove(session);
  const auto it = sessions_.find(session->peer);
  if (it != sessions_.end() && it->second == session) sessions_.erase(it);
  if (session->closed) return;
  session->Close(loss);
  const auto peer = peers_.Find(session->peer);
  if (peer == nullptr) return;
  if (session->complete) peer->OnInboundDown(loss);
  if (loss.status == CHR_E_DENIED) peer->OnInboundRefused(loss);
}

void Acceptor::OnRefused(uint64_t id, const Loss& loss) {
  const auto peer = peers_.Find(id);
  if (peer != nullptr && !stopped_) peer->OnInboundRefused(loss);
}

void Acceptor::OnEnded(const InboundConnection& connection, const Loss& loss) {
  std::erase_if(pending_, [&](const Pending& one) { return one.connection.get() == &connection; });
  if (connection.session != nullptr && !stopped_) Lose(connection.session, loss);
}

}  // namespace chronik_transport_thrift
