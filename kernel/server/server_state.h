// SPDX-License-Identifier: Apache-2.0
// What connections share: limits, counters, and per shard the set of open connections. A connection keeps it alive, as
// a request in flight keeps its connection: both may outlast the server.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
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

// Members and functions: any thread, but for what belongs to a shard.
struct ServerState {
  Limits limits;
  Dispatcher* dispatcher = nullptr;
  std::vector<std::unique_ptr<ShardState>> shards;
  std::atomic<uint64_t> bytes{0};  // of requests, half of them too, and responses in memory
  host::Metric* requests = nullptr;
  host::Metric* bytes_in = nullptr;
  host::Metric* bytes_out = nullptr;
  host::Metric* refused = nullptr;

  // Takes a place for one more connection; false: all are taken.
  bool Enter();
  // Gives it back.
  void Leave();
  size_t connections() const { return connections_.load(); }
  // Waits until no place is taken, at most until `deadline`.
  void WaitUntilEmpty(std::chrono::steady_clock::time_point deadline);

  // The right to go beyond Limits::total_bytes_max, which one connection at a time may have: if nobody could, all might
  // wait for each other with half a request each.
  bool TakeTurn() { return !turn_.exchange(true); }
  void EndTurn() { turn_.store(false); }

  // Counts a connection that is closed for what it did, and says so in the log at most once a second.
  void Refused(const std::string& peer, const std::string& why);

 private:
  std::atomic<size_t> connections_{0};
  std::atomic<bool> turn_{false};
  std::mutex mutex_;
  std::condition_variable empty_;
  std::atomic<int64_t> last_refusal_logged_s_{0};
  std::atomic<uint64_t> refusals_not_logged_{0};
};

}  // namespace chronik::server
