// SPDX-License-Identifier: Apache-2.0
#include "plugins/metrics_prometheus/http_session.h"

#include <boost/beast/http/error.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/write.hpp>
#include <exception>

namespace chronik_metrics_prometheus {

namespace http = boost::beast::http;
using boost::system::error_code;

namespace {

constexpr std::chrono::seconds kLinger{2};
constexpr size_t kDiscardBytesMax = 1 << 18;

HttpResponse PlainText(unsigned status, std::string text) {
  return {status, "text/plain; charset=utf-8", std::move(text)};
}

// What a request that cannot be read deserves; 0: nothing, the connection is gone.
unsigned StatusOf(error_code ec) {
  if (ec == http::error::header_limit) return 431;
  if (ec == http::error::body_limit || ec == http::error::unexpected_body) return 413;
  if (ec == http::error::end_of_stream || ec == http::error::partial_message) return 0;
  return ec.category() == http::make_error_code(http::error::bad_method).category() ? 400 : 0;
}

}  // namespace

void HttpSession::Start() {
  place_ = sessions_.insert(sessions_.end(), shared_from_this());
  Read();
}

void HttpSession::Close() {
  if (!place_) return;
  const auto place = *place_;
  place_.reset();
  error_code ignored;
  stream_.socket().shutdown(boost::asio::ip::tcp::socket::shutdown_both, ignored);
  stream_.close();
  sessions_.erase(place);  // the caller, or a pending operation, holds this still
}

void HttpSession::Read() {
  parser_.emplace();
  parser_->header_limit(limits_.header_bytes);
  parser_->body_limit(0);
  stream_.expires_after(limits_.idle_timeout);
  http::async_read(stream_, buffer_, *parser_,
                   [self = shared_from_this()](error_code ec, size_t) { self->OnRead(ec); });
}

void HttpSession::OnRead(error_code ec) {
  if (!place_) return;  // closed meanwhile
  if (ec) {
    const unsigned status = StatusOf(ec);
    return status == 0 ? Close() : Send(PlainText(status, ec.message() + "\n"), true, false);
  }
  sessions_.splice(sessions_.end(), sessions_, *place_);
  Answer(parser_->get());
}

void HttpSession::Answer(const Request& request) {
  const bool keep_alive = request.keep_alive();
  const bool head = request.method() == http::verb::head;
  if (!head && request.method() != http::verb::get) {
    // A body that was announced is not read: the next request would be looked for inside it.
    return Send(PlainText(405, "only GET and HEAD\n"), true, false);
  }
  const auto target = request.target();
  Send(Handle({target.data(), target.size()}), !head, keep_alive);
}

HttpResponse HttpSession::Handle(std::string_view target) const noexcept {
  try {
    return handler_(target.substr(0, target.find('?')));
  } catch (const std::exception& e) {
    return PlainText(500, std::string(e.what()) + "\n");
  }
}

void HttpSession::Send(HttpResponse response, bool with_body, bool keep_alive) {
  const auto fill = [&](auto& out) {
    out = {};
    out.result(response.status);
    out.set(http::field::content_type, response.content_type);
    out.set(http::field::cache_control, "no-store");
    if (response.status == 405) out.set(http::field::allow, "GET, HEAD");
    out.keep_alive(keep_alive);
    out.content_length(response.body.size());
  };
  stream_.expires_after(limits_.idle_timeout);
  const auto sent = [self = shared_from_this(), keep_alive](error_code ec, size_t) { self->OnSent(ec, keep_alive); };
  if (with_body) {
    fill(response_);
    response_.body() = std::move(response.body);
    http::async_write(stream_, response_, sent);
  } else {
    fill(head_response_);
    http::async_write(stream_, head_response_, sent);
  }
}

void HttpSession::OnSent(error_code ec, bool keep_alive) {
  if (!place_) return;  // closed meanwhile
  response_ = {};       // may be large
  if (ec) return Close();
  if (!keep_alive) return Linger();
  Read();
}

// Closing a socket with unread bytes resets the connection, and the reset may overtake the response.
void HttpSession::Linger() {
  error_code ec;
  stream_.socket().shutdown(boost::asio::ip::tcp::socket::shutdown_send, ec);
  if (ec) return Close();
  stream_.expires_after(kLinger);
  Discard();
}

void HttpSession::Discard() {
  buffer_.clear();
  stream_.async_read_some(buffer_.prepare(4096), [self = shared_from_this()](error_code ec, size_t bytes) {
    if (!self->place_) return;  // closed meanwhile
    self->discarded_bytes_ += bytes;
    if (ec || self->discarded_bytes_ > kDiscardBytesMax) return self->Close();
    self->Discard();
  });
}

}  // namespace chronik_metrics_prometheus
