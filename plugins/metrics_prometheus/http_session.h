// SPDX-License-Identifier: Apache-2.0
// One connection of the HTTP server. Internal to http_server.cc.
#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <list>
#include <memory>
#include <optional>

#include "plugins/metrics_prometheus/http_server.h"

namespace chronik_metrics_prometheus {

class HttpSession;
// The open connections, the one that was quiet for longest first.
using HttpSessions = std::list<std::shared_ptr<HttpSession>>;

// On the server's thread throughout. Lives as long as one of its operations is pending.
class HttpSession : public std::enable_shared_from_this<HttpSession> {
 public:
  HttpSession(boost::asio::ip::tcp::socket socket, const HttpLimits& limits, const HttpHandler& handler,
              HttpSessions& sessions)
      : stream_(std::move(socket)), limits_(limits), handler_(handler), sessions_(sessions) {}

  void Start();  // joins `sessions`
  void Close();  // leaves `sessions`

 private:
  using Request = boost::beast::http::request<boost::beast::http::empty_body>;

  void Read();
  void OnRead(boost::system::error_code ec);
  void Answer(const Request& request);
  HttpResponse Handle(std::string_view target) const noexcept;
  void Send(HttpResponse response, bool with_body, bool keep_alive);
  void OnSent(boost::system::error_code ec, bool keep_alive);
  void Linger();
  void Discard();

  boost::beast::tcp_stream stream_;
  const HttpLimits& limits_;
  const HttpHandler& handler_;
  HttpSessions& sessions_;
  std::optional<HttpSessions::iterator> place_;
  boost::beast::flat_buffer buffer_;
  size_t discarded_bytes_ = 0;
  std::optional<boost::beast::http::request_parser<boost::beast::http::empty_body>> parser_;
  boost::beast::http::response<boost::beast::http::string_body> response_;
  boost::beast::http::response<boost::beast::http::empty_body> head_response_;
};

}  // namespace chronik_metrics_prometheus
