// SPDX-License-Identifier: Apache-2.0
// What handlers use: the broker, and per shard the fetch sessions and a clock.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <vector>

#include "kernel/api/fetch_session.h"
#include "kernel/base/clock.h"
#include "kernel/broker/broker.h"

namespace chronik::api {

class Services {
 public:
  // Kafka's default is 1,000 sessions a broker.
  static constexpr size_t kFetchSessions = 1000;

  Services(broker::Broker& broker_used, std::vector<const Clock*> shard_clocks)
      : broker(broker_used), clocks_(std::move(shard_clocks)) {
    const size_t shards = clocks_.size();
    for (size_t i = 0; i < shards; ++i) {
      const auto first_id = static_cast<int32_t>(1 + i * (INT32_MAX / shards));
      sessions_.push_back(std::make_unique<FetchSessionCache>(std::max<size_t>(1, kFetchSessions / shards), first_id));
    }
  }

  broker::Broker& broker;
  FetchSessionCache& sessions(ShardId shard) { return *sessions_[shard.value]; }  // that shard's thread only
  // True once a minute at most, over all shards: for log lines that any client can cause.
  bool MayComplain(ShardId shard) {
    const int64_t now = Now(shard).time_since_epoch().count();
    int64_t next = next_complaint_ns_.load();
    const int64_t then = now + std::chrono::nanoseconds(std::chrono::minutes(1)).count();
    return now >= next && next_complaint_ns_.compare_exchange_strong(next, then);
  }
  Instant Now(ShardId shard) const { return clocks_[shard.value]->Now(); }

 private:
  const std::vector<const Clock*> clocks_;
  std::atomic<int64_t> next_complaint_ns_{INT64_MIN};
  std::vector<std::unique_ptr<FetchSessionCache>> sessions_;
};

}  // namespace chronik::api
