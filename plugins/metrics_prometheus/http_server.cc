// SPDX-License-Identifier: Apache-2.0
#include "plugins/metrics_prometheus/http_server.h"

#include <pthread.h>
#include <signal.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <exception>
#include <thread>
#include <utility>

#include <chronik/sdk/guard.h>

#include "plugins/metrics_prometheus/http_session.h"

namespace chronik_metrics_prometheus {

using boost::asio::ip::tcp;
using boost::system::error_code;

namespace {

constexpr std::chrono::milliseconds kAcceptPause{200};  // out of file descriptors: wait for some to come back

// Signals are the broker's, on threads that it chose.
std::thread StartThreadWithoutSignals(std::function<void()> body) {
  sigset_t all;
  sigset_t before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  std::thread thread;
  std::exception_ptr failure;
  try {
    thread = std::thread(std::move(body));
  } catch (...) {
    failure = std::current_exception();
  }
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (failure != nullptr) std::rethrow_exception(failure);
  return thread;
}

chronik::sdk::Error CannotListen(const Address& address, const error_code& ec) {
  return {CHR_E_IO,
          "cannot listen on " + FormatAddress(address) + ": " + ec.message() + "; choose another address in listen",
          ec.category() == boost::system::system_category() ? ec.value() : 0};
}

}  // namespace

class HttpServer::Impl {
 public:
  Impl(HttpLimits limits, HttpHandler handler, std::function<void(const std::string&)> warn)
      : limits_(limits), handler_(std::move(handler)), warn_(std::move(warn)) {}

  void Listen(const Address& address) {
    error_code ec;
    const auto found = tcp::resolver(io_).resolve(address.host, std::to_string(address.port),
                                                  tcp::resolver::passive | tcp::resolver::numeric_service, ec);
    if (ec) throw CannotListen(address, ec);
    const tcp::endpoint endpoint = found.begin()->endpoint();
    acceptor_.open(endpoint.protocol(), ec);
    if (!ec) acceptor_.set_option(tcp::acceptor::reuse_address(true), ec);
    if (!ec) acceptor_.bind(endpoint, ec);
    if (!ec) acceptor_.listen(boost::asio::socket_base::max_listen_connections, ec);
    if (!ec) bound_ = acceptor_.local_endpoint(ec);
    if (ec) {
      error_code ignored;
      acceptor_.close(ignored);
      throw CannotListen(address, ec);
    }
    Accept();
    thread_ = StartThreadWithoutSignals([this] { Run(); });
  }

  Address bound() const { return {bound_.address().to_string(), bound_.port()}; }

  void Stop() {
    if (!thread_.joinable()) return;
    boost::asio::post(io_, [this] {
      stopping_ = true;
      error_code ignored;
      acceptor_.close(ignored);
      accept_pause_.cancel();
      while (!sessions_.empty()) std::shared_ptr(sessions_.front())->Close();
    });
    thread_.join();  // with nothing left to do the thread ends
  }

 private:
  void Run() noexcept {
    for (;;) {
      try {
        io_.run();
        return;
      } catch (const std::exception& e) {  // out of memory: that connection is lost, the others are not
        warn_(std::string("the metrics endpoint dropped a connection: ") + e.what());
      }
    }
  }

  void Accept() {
    acceptor_.async_accept([this](error_code ec, tcp::socket socket) { OnAccept(ec, std::move(socket)); });
  }

  void OnAccept(error_code ec, tcp::socket socket) {
    if (stopping_) return;
    if (ec) {
      warn_("the metrics endpoint cannot accept a connection: " + ec.message());
      accept_pause_.expires_after(kAcceptPause);
      accept_pause_.async_wait([this](error_code) {
        if (!stopping_) Accept();
      });
      return;
    }
    Accept();
    // A probe of a supervisor gets through however many idle connections somebody hoards.
    if (sessions_.size() >= limits_.connections) std::shared_ptr(sessions_.front())->Close();
    std::make_shared<HttpSession>(std::move(socket), limits_, handler_, sessions_)->Start();
  }

  const HttpLimits limits_;
  const HttpHandler handler_;
  const std::function<void(const std::string&)> warn_;
  boost::asio::io_context io_{1};  // outlives the sessions
  HttpSessions sessions_;
  bool stopping_ = false;
  tcp::endpoint bound_;
  tcp::acceptor acceptor_{io_};
  boost::asio::steady_timer accept_pause_{io_};
  std::thread thread_;
};

HttpServer::HttpServer(HttpLimits limits, HttpHandler handler, std::function<void(const std::string&)> warn)
    : impl_(std::make_unique<Impl>(limits, std::move(handler), std::move(warn))) {}
HttpServer::~HttpServer() { impl_->Stop(); }
void HttpServer::Start(const Address& address) { impl_->Listen(address); }
Address HttpServer::bound() const { return impl_->bound(); }
void HttpServer::Stop() { impl_->Stop(); }

}  // namespace chronik_metrics_prometheus
