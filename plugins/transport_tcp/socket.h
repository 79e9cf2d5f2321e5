// SPDX-License-Identifier: Apache-2.0
// A connected TCP socket, plain or under TLS, behind one face. One read and one write at a time, on the loop.
#pragma once

#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <functional>
#include <memory>
#include <span>
#include <string>

namespace boost::asio::ssl {
class context;
}

namespace chronik_transport_tcp {

using boost::asio::ip::tcp;
using boost::system::error_code;
using IoDone = std::function<void(error_code, size_t)>;

class Socket {
 public:
  virtual ~Socket() = default;

  // TLS only; plain sockets complete at once.
  virtual void Handshake(bool dialled, IoDone done) = 0;
  // Fills the first buffer before the second. The memory must live until `done`.
  virtual void ReadSome(std::array<boost::asio::mutable_buffer, 2> into, IoDone done) = 0;
  virtual void WriteSome(std::span<const boost::asio::const_buffer> from, IoDone done) = 0;
  // The name that the peer's certificate proves: its CN, or else its first DNS name. Empty without TLS.
  virtual std::string Identity() const = 0;
  // After a handshake that failed with `ec`: why, in words.
  virtual std::string HandshakeFailure(error_code ec) const = 0;
  virtual tcp::socket& tcp_socket() = 0;

  // Pending operations end with an error, later.
  void Close();
  std::string remote() const { return remote_; }  // for messages

 protected:
  std::string remote_;
};

// `tls` NULL: plain. Sets TCP_NODELAY and keepalive.
std::unique_ptr<Socket> MakeSocket(tcp::socket socket, boost::asio::ssl::context* tls);

}  // namespace chronik_transport_tcp
