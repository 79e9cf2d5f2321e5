// SPDX-License-Identifier: Apache-2.0
// Incremental fetch sessions (KIP-227): the broker remembers what a consumer follows, requests name changes only, and
// responses leave out partitions without news. One cache per shard, bounded; a connection on another shard starts anew.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "kernel/base/clock.h"
#include "kernel/base/ids.h"
#include "kernel/protocol/errors.h"
#include "kernel/protocol/generated/fetch.h"

namespace chronik::api {

// A partition as the client names it: by topic name up to version 12, by id from 13 on.
struct FetchKey {
  std::string topic;
  TopicId topic_id;
  int32_t partition = 0;
  friend auto operator<=>(const FetchKey&, const FetchKey&) = default;
};

struct FetchedPartition {
  protocol::FetchRequest::FetchPartition request;
  uint64_t turn = 0;  // partitions are read in ascending order of it
  // As last sent; a change is news.
  int64_t high_watermark = -1;
  int64_t log_start_offset = -1;
};

struct FetchSession {
  int32_t id = 0;  // 0: none, a full request on its own
  int32_t next_epoch = 1;
  bool by_id = false;  // topics are named by id; a session cannot change that (error 106)
  Instant last_used{};
  std::map<FetchKey, FetchedPartition> partitions;
  uint64_t last_turn = 0;

  // New partitions come last, in the order of the request; so does one that had data, or it might use up the limits of
  // every response and the others would starve (KIP-227).
  void MoveToEnd(FetchedPartition& partition) { partition.turn = ++last_turn; }
  std::vector<std::pair<FetchKey, protocol::FetchRequest::FetchPartition>> InTurn() const;
};
using FetchSessionPtr = std::shared_ptr<FetchSession>;

class FetchSessionCache {
 public:
  // `first_id` keeps the ids of shards apart.
  FetchSessionCache(size_t sessions_max, int32_t first_id) : sessions_max_(sessions_max), next_id_(first_id) {}

  struct Begun {
    protocol::KafkaError error = protocol::KafkaError::kNone;
    FetchSessionPtr session;   // what to fetch; id 0 if it is not kept
    bool incremental = false;  // only news go into the response
  };
  // Takes in what the request says of its session. 70: no such session; 71: wrong epoch; 106: ids and names mixed.
  Begun Begin(const protocol::FetchRequest& request, bool by_id, Instant now);

  size_t size() const { return sessions_.size(); }

 private:
  static constexpr Duration kIdleBeforeEviction = std::chrono::minutes(2);

  bool MakeRoom(Instant now);

  const size_t sessions_max_;
  int32_t next_id_;
  std::map<int32_t, FetchSessionPtr> sessions_;
};

}  // namespace chronik::api
