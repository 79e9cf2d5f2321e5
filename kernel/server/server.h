// SPDX-License-Identifier: Apache-2.0
// The Kafka listener: accepts on one thread, deals connections out to the shards in turn.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "kernel/base/result.h"
#include "kernel/host/metrics.h"
#include "kernel/server/dispatcher.h"
#include "kernel/server/limits.h"
#include "kernel/server/shard.h"

namespace chronik::server {

class Server {
 public:
  // Everything given outlives the server.
  Server(std::vector<Shard*> shards, host::MetricsRegistry& metrics, Limits limits);
  ~Server();

  // Binds and listens; `port` 0 takes a free one. Returns the port.
  Result<uint16_t> Listen(const std::string& host, uint16_t port);
  // From now on clients are accepted, and their requests handed over. After Listen.
  void Accept(Dispatcher& dispatcher);
  // Accepts no more, answers what is in flight, at most for `deadline`; then closes everything. Blocks. When it
  // returns, the dispatcher is not called and will not be; a responder that is still held may be used or dropped at any
  // time as long as the shards exist. Not from a shard's thread; the shards run. Before destruction, if Accept was
  // called.
  void Stop(std::chrono::milliseconds deadline);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace chronik::server
