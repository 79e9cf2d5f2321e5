// SPDX-License-Identifier: Apache-2.0
// A small HTTP/1.1 server on one thread of its own: GET and HEAD, without bodies. What a path means is the handler's.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include <chronik/sdk/address.h>

namespace chronik_metrics_prometheus {

using chronik::sdk::Address;

struct HttpLimits {
  uint32_t header_bytes = 8192;
  size_t connections = 64;                // one more ends the one that was quiet for longest
  std::chrono::seconds idle_timeout{60};  // between requests, and for reading or writing one
};

struct HttpResponse {
  unsigned status;
  std::string content_type;
  std::string body;
};

// `path` without the query. Called on the server's thread; what it throws becomes a 500.
using HttpHandler = std::function<HttpResponse(std::string_view path)>;

// Start, then Stop, from one thread.
class HttpServer {
 public:
  // `warn` gets one line about what went wrong; on the server's thread.
  HttpServer(HttpLimits limits, HttpHandler handler, std::function<void(const std::string&)> warn);
  ~HttpServer();  // stops
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  // Binds and begins to serve. Throws chronik::sdk::Error with the system's reason.
  void Start(const Address& address);
  Address bound() const;
  // Ends all connections; when it returns the handler neither runs nor will run.
  void Stop();

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace chronik_metrics_prometheus
