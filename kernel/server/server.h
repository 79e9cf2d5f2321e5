// SPDX-License-Identifier: Apache-2.0
// The Kafka listener: accepts on one thread, deals connections out to the shards in turn.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "kernel/base/function.h"
#include "kernel/base/result.h"
#include "kernel/host/metrics.h"
#include "kernel/server/dispatcher.h"
#include "kernel/server/limits.h"
#include "kernel/server/shard.h"

namespace chronik::server {

class Server {
 public:
  // Everything given outlives the server.
  Server(std::vector<Shard*> shards, Dispatcher& dispatcher, host::MetricsRegistry& metrics, Limits limits);
  ~Server();

  // Binds and listens; `port` 0 takes a free one. Returns the port.
  Result<uint16_t> Listen(const std::string& host, uint16_t port);
  // From now on clients are accepted. After Listen.
  void Accept();
  // Accepts no more, answers what is in flight, at most until `deadline`; then closes everything. Blocks.
  void Stop(std::chrono::milliseconds deadline);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace chronik::server
