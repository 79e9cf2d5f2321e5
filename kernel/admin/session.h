// SPDX-License-Identifier: Apache-2.0
// One connection of the admin endpoint. Internal to endpoint.cc.
#pragma once

#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/beast/core/basic_stream.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <list>
#include <memory>
#include <optional>

#include "kernel/admin/endpoint.h"

namespace chronik::admin {

class Session;
// The open connections, the one that was quiet for longest first.
using Sessions = std::list<std::shared_ptr<Session>>;

// What the sessions of an endpoint share.
struct Shared {
  server::Shard& thread;
  const Limits limits;
  Handler handler;
  Sessions sessions;
  bool unix_socket = true;
};

// On the endpoint's thread throughout. Lives as long as one of its operations is pending.
class Session : public std::enable_shared_from_this<Session> {
 public:
  using Socket = boost::asio::generic::stream_protocol::socket;

  Session(Socket socket, std::shared_ptr<Shared> shared) : stream_(std::move(socket)), shared_(std::move(shared)) {}

  void Start();  // joins the sessions
  void Close();  // leaves them

 private:
  using Parser = boost::beast::http::request_parser<boost::beast::http::string_body>;

  void Read();
  void OnRead(boost::system::error_code ec);
  bool IsFromWebPage() const;
  void Ask(Request request);
  void Answer(uint64_t question, Response response);
  void Send(Response response, bool keep_alive);
  void OnSent(boost::system::error_code ec, bool keep_alive);

  boost::beast::basic_stream<boost::asio::generic::stream_protocol> stream_;
  const std::shared_ptr<Shared> shared_;
  std::optional<Sessions::iterator> place_;
  boost::beast::flat_buffer buffer_;
  std::optional<Parser> parser_;
  uint64_t question_ = 0;  // counts requests: an answer that comes late belongs to none
  bool waiting_ = false;
  bool keep_alive_ = false;
  Executor::TimerId patience_ = 0;
  boost::beast::http::response<boost::beast::http::string_body> response_;
};

}  // namespace chronik::admin
