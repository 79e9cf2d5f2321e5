// SPDX-License-Identifier: Apache-2.0
// The HTTP/1.1 server of the admin endpoint. It runs on one shard of its own, so that it answers while partitions are
// stuck; requests are bounded in size and time, and a request that gets no answer in time is answered 504.
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "kernel/admin/http.h"
#include "kernel/admin/listen_socket.h"
#include "kernel/server/shard.h"

namespace chronik::admin {

struct Limits {
  uint32_t header_bytes = 8192;
  uint32_t body_bytes = 65536;
  size_t connections = 32;                        // one more ends the one that was quiet for longest
  std::chrono::milliseconds idle_timeout{60000};  // between requests, and for reading or writing one
  std::chrono::milliseconds answer_timeout{30000};
};

class Endpoint {
 public:
  // `thread` and what `handler` uses outlive the endpoint.
  Endpoint(server::Shard& thread, Limits limits, Handler handler);
  ~Endpoint();  // stops
  Endpoint(const Endpoint&) = delete;
  Endpoint& operator=(const Endpoint&) = delete;

  // Takes the socket over and serves it.
  void Start(const ListenSocket& socket);
  // Ends every connection. When it returns the handler is not called and will not be; a Respond that is still held may
  // be used or dropped as long as the thread's shard exists.
  void Stop();

 private:
  class Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace chronik::admin
