// SPDX-License-Identifier: Apache-2.0
// How the partitions of leaving brokers find other ones: a few at a time, so that what is copied does not crowd out
// what is served.
#pragma once

#include <cstddef>
#include <set>
#include <vector>

#include "kernel/base/ids.h"
#include "kernel/base/result.h"
#include "kernel/metadata/command.h"
#include "kernel/metadata/image.h"

namespace chronik::metadata {

struct DrainPlan {
  std::vector<ReassignPartitions> moves;  // one a topic
  std::vector<NodeId> empty;              // leaving brokers that hold nothing any more
  size_t waiting = 0;                     // partitions that no living broker can take
};

// At most `moving_max` partitions move at once, those under way included. A replica goes to the living broker with the
// fewest replicas, in a rack that the partition does not use as long as there is one, and takes the old one's position:
// the preferred leader stays the first.
DrainPlan PlanDrain(const MetadataImage& image, const std::set<NodeId>& alive, size_t moving_max);

// Whether the broker can leave at all: kInvalidReplicationFactor names a topic that has more replicas than brokers
// would be left, kNotFound.
Status CheckLeaving(const MetadataImage& image, NodeId node);

}  // namespace chronik::metadata
