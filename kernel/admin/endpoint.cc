// SPDX-License-Identifier: Apache-2.0
#include "kernel/admin/endpoint.h"

#include <sys/socket.h>
#include <unistd.h>

#include <boost/asio/basic_socket_acceptor.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/io_context.hpp>
#include <future>
#include <utility>

#include "kernel/admin/session.h"
#include "kernel/base/log.h"

namespace chronik::admin {

using boost::asio::generic::stream_protocol;
using boost::system::error_code;

namespace {

constexpr std::chrono::milliseconds kAcceptPause{200};  // out of file descriptors: wait for some to come back

}  // namespace

class Endpoint::Impl : public std::enable_shared_from_this<Endpoint::Impl> {
 public:
  Impl(server::Shard& thread, Limits limits, Handler handler)
      : shared_(std::make_shared<Shared>(Shared{thread, limits, std::move(handler), {}})), acceptor_(thread.io()) {}

  void Start(const ListenSocket& socket) {
    shared_->unix_socket = socket.unix_socket;
    if (socket.unix_socket) path_ = socket.address;
    sockaddr_storage address{};
    socklen_t size = sizeof address;
    ::getsockname(socket.fd, reinterpret_cast<sockaddr*>(&address), &size);
    acceptor_.assign(stream_protocol(address.ss_family, 0), socket.fd);
    started_ = true;
    shared_->thread.Post([self = shared_from_this()] { self->Accept(); });
  }

  void Stop() {
    if (!std::exchange(started_, false)) return;
    if (!path_.empty()) ::unlink(path_.c_str());
    std::promise<void> stopped;
    shared_->thread.Post([this, &stopped] {
      stopping_ = true;
      error_code ignored;
      acceptor_.close(ignored);
      shared_->thread.Cancel(accept_pause_);
      while (!shared_->sessions.empty()) std::shared_ptr(shared_->sessions.front())->Close();
      stopped.set_value();
    });
    stopped.get_future().wait();
  }

 private:
  void Accept() {
    if (stopping_) return;
    acceptor_.async_accept(
        [self = shared_from_this()](error_code ec, Session::Socket socket) { self->OnAccept(ec, std::move(socket)); });
  }

  void OnAccept(error_code ec, Session::Socket socket) {
    if (stopping_) return;
    if (ec) {
      CHRONIK_LOG(kWarn) << "the admin endpoint cannot accept a connection: " << ec.message();
      accept_pause_ = shared_->thread.Schedule(kAcceptPause, [self = shared_from_this()] { self->Accept(); });
      return;
    }
    Accept();
    // An operator gets through however many idle connections somebody hoards.
    Sessions& sessions = shared_->sessions;
    if (sessions.size() >= shared_->limits.connections) std::shared_ptr(sessions.front())->Close();
    std::make_shared<Session>(std::move(socket), shared_)->Start();
  }

  const std::shared_ptr<Shared> shared_;
  boost::asio::basic_socket_acceptor<stream_protocol> acceptor_;
  std::string path_;       // of a unix socket
  bool started_ = false;   // the caller's thread
  bool stopping_ = false;  // the endpoint's thread
  Executor::TimerId accept_pause_ = 0;
};

Endpoint::Endpoint(server::Shard& thread, Limits limits, Handler handler)
    : impl_(std::make_shared<Impl>(thread, limits, std::move(handler))) {}
Endpoint::~Endpoint() { Stop(); }
void Endpoint::Start(const ListenSocket& socket) { impl_->Start(socket); }
void Endpoint::Stop() { impl_->Stop(); }

}  // namespace chronik::admin
