// SPDX-License-Identifier: Apache-2.0
#include "plugins/transport_tcp/socket.h"

#include <boost/asio/post.hpp>
#include <boost/asio/ssl/stream.hpp>

#include "plugins/transport_tcp/tls.h"

namespace chronik_transport_tcp {

namespace asio = boost::asio;

namespace {

// What Asio takes as a sequence of buffers; copying it copies no buffer.
struct ConstBuffers {
  const asio::const_buffer* first;
  const asio::const_buffer* last;
  const asio::const_buffer* begin() const { return first; }
  const asio::const_buffer* end() const { return last; }
};
ConstBuffers AsSequence(std::span<const asio::const_buffer> from) { return {from.data(), from.data() + from.size()}; }

class PlainSocket final : public Socket {
 public:
  PlainSocket(tcp::socket socket, std::string remote) : socket_(std::move(socket)) { remote_ = std::move(remote); }

  void Handshake(bool, IoDone done) override {
    asio::post(socket_.get_executor(), [done = std::move(done)] { done({}, 0); });
  }
  void ReadSome(std::array<asio::mutable_buffer, 2> into, IoDone done) override {
    socket_.async_read_some(into, std::move(done));
  }
  void WriteSome(std::span<const asio::const_buffer> from, IoDone done) override {
    socket_.async_write_some(AsSequence(from), std::move(done));
  }
  std::string Identity() const override { return {}; }
  std::string HandshakeFailure(error_code ec) const override { return ec.message(); }
  tcp::socket& tcp_socket() override { return socket_; }

 private:
  tcp::socket socket_;
};

class TlsSocket final : public Socket {
 public:
  TlsSocket(tcp::socket socket, asio::ssl::context& tls, std::string remote) : stream_(std::move(socket), tls) {
    remote_ = std::move(remote);
  }

  void Handshake(bool dialled, IoDone done) override {
    stream_.async_handshake(dialled ? asio::ssl::stream_base::client : asio::ssl::stream_base::server,
                            [done = std::move(done)](error_code ec) { done(ec, 0); });
  }
  void ReadSome(std::array<asio::mutable_buffer, 2> into, IoDone done) override {
    stream_.async_read_some(into, std::move(done));
  }
  void WriteSome(std::span<const asio::const_buffer> from, IoDone done) override {
    stream_.async_write_some(AsSequence(from), std::move(done));
  }
  std::string Identity() const override { return IdentityOf(handle()); }
  std::string HandshakeFailure(error_code ec) const override {
    return chronik_transport_tcp::HandshakeFailure(handle(), ec.message());
  }
  tcp::socket& tcp_socket() override { return stream_.next_layer(); }

 private:
  SSL* handle() const { return const_cast<asio::ssl::stream<tcp::socket>&>(stream_).native_handle(); }

  asio::ssl::stream<tcp::socket> stream_;
};

}  // namespace

void Socket::Close() {
  error_code ignored;
  tcp_socket().close(ignored);
}

std::unique_ptr<Socket> MakeSocket(tcp::socket socket, asio::ssl::context* tls) {
  error_code ignored;
  socket.set_option(tcp::no_delay(true), ignored);
  socket.set_option(asio::socket_base::keep_alive(true), ignored);
  const tcp::endpoint from = socket.remote_endpoint(ignored);
  std::string remote = from.address().to_string() + ":" + std::to_string(from.port());
  if (tls == nullptr) return std::make_unique<PlainSocket>(std::move(socket), std::move(remote));
  return std::make_unique<TlsSocket>(std::move(socket), *tls, std::move(remote));
}

}  // namespace chronik_transport_tcp
