// SPDX-License-Identifier: Apache-2.0
// What one shard thread owns of the broker: its partitions, its tail cache, its copy of the metadata image and of who
// leads what. Nothing here is locked; other shards post.
#pragma once

#include <list>
#include <memory>
#include <set>
#include <unordered_map>
#include <utility>
#include <vector>

#include "kernel/base/clock.h"
#include "kernel/broker/group_host.h"
#include "kernel/broker/partition.h"
#include "kernel/log/tail_cache.h"
#include "kernel/metadata/image.h"
#include "kernel/replica/recovery_throttle.h"
#include "kernel/replica/tick_schedule.h"

namespace chronik::broker {

class ProduceOperation;

// What the leader of a group said last of who is in sync with it, itself included.
struct InSync {
  int32_t epoch = -1;
  std::vector<NodeId> nodes;
};

struct ShardState {
  ShardState(ShardId shard_id, Executor& shard_executor, uint64_t tail_cache_bytes, uint64_t recovery_bytes_per_second,
             Task ticks_needed)
      : id(shard_id),
        executor(shard_executor),
        ticks(std::move(ticks_needed)),
        recovery(shard_executor, recovery_bytes_per_second),
        cache(tail_cache_bytes) {}

  const ShardId id;
  Executor& executor;
  replica::TickSchedule ticks;
  replica::RecoveryThrottle recovery;
  log::TailCache cache;
  std::unordered_map<GroupId, std::unique_ptr<Partition>> partitions;
  std::unordered_map<GroupId, std::shared_ptr<GroupHost>> group_hosts;  // of partitions of __consumer_offsets
  metadata::ImagePtr image;                                             // null until the first one is published
  std::unordered_map<GroupId, LeaderInfo> leaders;
  std::unordered_map<GroupId, InSync> in_sync;
  std::set<NodeId> connected;                             // other nodes that this one can talk to
  std::list<std::shared_ptr<ProduceOperation>> produces;  // begun here and not answered yet
  Executor::TimerId produce_timer = 0;
  Executor::TimerId tick_timer = 0;
  Executor::TimerId retain_timer = 0;

  Partition* Find(GroupId group) const {
    const auto found = partitions.find(group);
    return found == partitions.end() ? nullptr : found->second.get();
  }
};

}  // namespace chronik::broker
