// SPDX-License-Identifier: Apache-2.0
// What is configured of group coordinators. The names in comments are Kafka's.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>

#include "kernel/base/clock.h"

namespace chronik::groups {

struct Options {
  Duration min_session_timeout = std::chrono::seconds(6);      // group.min.session.timeout.ms
  Duration max_session_timeout = std::chrono::minutes(30);     // group.max.session.timeout.ms
  Duration initial_rebalance_delay = std::chrono::seconds(3);  // group.initial.rebalance.delay.ms
  Duration new_member_join_timeout = std::chrono::minutes(5);  // of a member that does not know its id yet
  size_t max_group_size = 10000;                               // group.max.size; also of members that may still join
  size_t max_offset_metadata_bytes = 4096;                     // offset.metadata.max.bytes
  Duration offsets_retention = std::chrono::hours(24 * 7);     // offsets.retention.minutes
  Duration expiry_interval = std::chrono::minutes(10);         // offsets.retention.check.interval.ms

  Duration consumer_session_timeout = std::chrono::seconds(45);     // group.consumer.session.timeout.ms
  Duration consumer_heartbeat_interval = std::chrono::seconds(5);   // group.consumer.heartbeat.interval.ms
  Duration max_consumer_rebalance_timeout = std::chrono::hours(1);  // ours: so that a revocation ends
  size_t max_consumer_group_size = 10000;                           // group.consumer.max.size
  std::string default_assignor = "uniform";                         // the first of group.consumer.assignors

  // Bounds of memory. A group takes at most max_group_bytes of what its members sent (ids, protocols, assignments) plus
  // some 300 bytes a member, and max_group_offsets times (max_offset_metadata_bytes plus some 200 bytes and the name).
  size_t max_group_bytes = 16u << 20;
  size_t max_group_offsets = 100000;  // committed and pending ones
};

}  // namespace chronik::groups
