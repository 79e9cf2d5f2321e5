// SPDX-License-Identifier: Apache-2.0
#include "kernel/admin/session.h"

#include <boost/beast/http/error.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/write.hpp>
#include <exception>
#include <string_view>

#include "kernel/admin/uri.h"

namespace chronik::admin {

namespace http = boost::beast::http;
using boost::system::error_code;

namespace {

// What a request that cannot be read deserves; 0: nothing, the connection is gone.
unsigned StatusOf(error_code ec) {
  if (ec == http::error::header_limit) return 431;
  if (ec == http::error::body_limit) return 413;
  if (ec == http::error::end_of_stream || ec == http::error::partial_message) return 0;
  return ec.category() == http::make_error_code(http::error::bad_method).category() ? 400 : 0;
}

std::string_view View(boost::beast::string_view text) { return {text.data(), text.size()}; }

}  // namespace

void Session::Start() {
  place_ = shared_->sessions.insert(shared_->sessions.end(), shared_from_this());
  Read();
}

void Session::Close() {
  if (!place_) return;
  const auto place = *place_;
  place_.reset();
  shared_->thread.Cancel(patience_);
  error_code ignored;
  stream_.socket().shutdown(Socket::shutdown_both, ignored);
  stream_.close();
  shared_->sessions.erase(place);  // the caller, or a pending operation, holds this still
}

void Session::Read() {
  parser_.emplace();
  parser_->header_limit(shared_->limits.header_bytes);
  parser_->body_limit(shared_->limits.body_bytes);
  stream_.expires_after(shared_->limits.idle_timeout);
  http::async_read(stream_, buffer_, *parser_,
                   [self = shared_from_this()](error_code ec, size_t) { self->OnRead(ec); });
}

// A web page on this machine may send requests to loopback addresses, and a name that its owner points there gets
// around the browser's rules ("DNS rebinding"). Neither is an operator.
bool Session::IsFromWebPage() const {
  const auto& request = parser_->get();
  if (request.find(http::field::origin) != request.end()) return true;
  if (shared_->unix_socket) return false;
  std::string_view host = View(request[http::field::host]);
  const size_t colon = host.rfind(':');
  if (colon != std::string_view::npos && host.find(']', colon) == std::string_view::npos) host = host.substr(0, colon);
  if (host.size() >= 2 && host.front() == '[') host = host.substr(1, host.size() - 2);
  return !config::HostPort{std::string(host), 0}.IsLoopback();
}

void Session::OnRead(error_code ec) {
  if (!place_) return;  // closed meanwhile
  if (ec) {
    const unsigned status = StatusOf(ec);
    return status == 0 ? Close() : Send(ErrorResponse(status, "bad_request", ec.message()), false);
  }
  shared_->sessions.splice(shared_->sessions.end(), shared_->sessions, *place_);
  keep_alive_ = parser_->get().keep_alive();
  if (IsFromWebPage())
    return Send(ErrorResponse(403, "forbidden", "requests of web pages, or for other hosts, are refused"), false);
  auto target = SplitTarget(View(parser_->get().target()));
  if (!target) return Send(ErrorResponse(400, "bad_request", "the request's target cannot be decoded"), keep_alive_);
  target->method = std::string(View(parser_->get().method_string()));
  target->body = std::move(parser_->get().body());
  Ask(*std::move(target));
}

void Session::Ask(Request request) {
  const uint64_t question = ++question_;
  waiting_ = true;
  stream_.expires_never();
  patience_ = shared_->thread.Schedule(shared_->limits.answer_timeout, [self = shared_from_this(), question] {
    self->Answer(question, ErrorResponse(504, "timed_out", "the broker did not answer in time"));
  });
  // The answer may come on any thread, and after this connection is gone.
  auto respond = [weak = weak_from_this(), &thread = shared_->thread, question](Response response) {
    thread.Post([weak, question, response = std::move(response)]() mutable {
      if (const auto self = weak.lock()) self->Answer(question, std::move(response));
    });
  };
  try {
    shared_->handler(std::move(request), std::move(respond));
  } catch (const std::exception& e) {
    Answer(question, ErrorResponse(500, "internal", e.what()));
  }
}

void Session::Answer(uint64_t question, Response response) {
  if (!place_ || !waiting_ || question != question_) return;
  shared_->thread.Cancel(patience_);
  Send(std::move(response), keep_alive_);
}

void Session::Send(Response response, bool keep_alive) {
  waiting_ = false;
  response_ = {};
  response_.result(response.status);
  response_.set(http::field::content_type, "application/json");
  response_.set(http::field::cache_control, "no-store");
  if (!response.allow.empty()) response_.set(http::field::allow, response.allow);
  response_.keep_alive(keep_alive);
  response_.body() = std::move(response.body);
  response_.prepare_payload();
  stream_.expires_after(shared_->limits.idle_timeout);
  http::async_write(stream_, response_,
                    [self = shared_from_this(), keep_alive](error_code ec, size_t) { self->OnSent(ec, keep_alive); });
}

void Session::OnSent(error_code ec, bool keep_alive) {
  if (!place_) return;  // closed meanwhile
  response_ = {};       // may be large
  if (ec || !keep_alive) return Close();
  Read();
}

}  // namespace chronik::admin
