// SPDX-License-Identifier: Apache-2.0
// Which brokers hold which partition of a new topic.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "kernel/base/ids.h"
#include "kernel/base/result.h"

namespace chronik::metadata {

struct AssignableBroker {
  NodeId id;
  std::string rack;  // empty: none
};

// One replica list a partition, the preferred leader first. Leaders go round robin, so their counts differ by at most
// one; followers go to the brokers with the fewest replicas of this topic so far, in racks that the partition does not
// use yet as long as there are any. Depends on its arguments only, not on the order of `brokers`. `first_partition`
// continues a topic that has partitions already. `start` says which broker leads partition 0, so that many small topics
// do not all begin at the same one: give the image's next_group_id(), or the group id of partition 0 when adding
// partitions. Errors: kInvalidPartitionCount, kInvalidReplicationFactor (< 1, or more than there are brokers).
Result<std::vector<std::vector<NodeId>>> AssignReplicas(std::vector<AssignableBroker> brokers, int32_t partitions,
                                                        int32_t replication_factor, uint64_t start,
                                                        int32_t first_partition = 0);

}  // namespace chronik::metadata
