// SPDX-License-Identifier: Apache-2.0
// What connections share: limits, counters, and per shard the set of open connections.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <unordered_set>
#include <vector>

#include "kernel/base/ids.h"
#include "kernel/host/metrics.h"
#include "kernel/server/dispatcher.h"
#include "kernel/server/limits.h"
#include "kernel/server/shard.h"

namespace chronik::server {

class Connection;

struct ShardState {
  ShardId id;
  Shard* shard;
  std::unordered_set<std::shared_ptr<Connection>> connections;  // the shard's thread only
  bool draining = false;
};

struct ServerState {
  Limits limits;
  Dispatcher* dispatcher = nullptr;
  std::vector<std::unique_ptr<ShardState>> shards;
  std::atomic<size_t> connections{0};
  std::atomic<uint64_t> bytes{0};  // of requests and responses in memory
  host::Metric* requests = nullptr;
  host::Metric* bytes_in = nullptr;
  host::Metric* bytes_out = nullptr;
  host::Metric* refused = nullptr;
  std::atomic<int64_t> last_refusal_logged_s{0};
  std::atomic<uint64_t> refusals_not_logged{0};
};

}  // namespace chronik::server
