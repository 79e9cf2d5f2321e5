// SPDX-License-Identifier: Apache-2.0
// The state machine: image + committed command -> next image + what to do about it. Deterministic; every replica gets
// the same answer, errors included.
#pragma once

#include <cstdint>
#include <variant>

#include "kernel/base/ids.h"
#include "kernel/base/result.h"
#include "kernel/metadata/command.h"
#include "kernel/metadata/image.h"

namespace chronik::metadata {

struct BrokerRegistered {
  NodeId node;
  uint32_t generation = 0;
  bool another_life = false;  // than the one that groups may have as a member
};
struct TopicCreated {
  TopicPtr topic;
};
struct TopicDeleted {
  TopicPtr topic;  // as it was: the groups to end
};
struct PartitionsAdded {
  TopicPtr topic;     // as it is now
  PartitionId first;  // first .. end are new
};
struct TopicConfigsChanged {
  TopicPtr topic;  // as it is now
};
struct ProducerIdsAllocated {
  NodeId node;
  ProducerId first;  // first .. first + count - 1
  int32_t count = 0;
};
struct ClusterIdSet {};
struct PartitionsReassigned {
  TopicPtr before;
  TopicPtr topic;  // as it is now
};
struct BrokerLeaving {
  NodeId node;
};
struct BrokerRetired {
  NodeId node;
  uint32_t generation = 0;
};

using Effect = std::variant<BrokerRegistered, TopicCreated, TopicDeleted, PartitionsAdded, TopicConfigsChanged,
                            ProducerIdsAllocated, ClusterIdSet, PartitionsReassigned, BrokerLeaving, BrokerRetired>;

struct Applied {
  ImagePtr image;  // shares all that did not change
  Effect effect;
};

// An Error is the command's outcome, for whoever proposed it: it was committed and has no effect. Codes:
// kReplacedBroker, kTopicExists, kInvalidTopicName, kUnknownTopicId, kInvalidPartitionCount, kInvalidReplicaAssignment
// (unknown broker, repeated replica, reused group id), kInvalidConfig (bounds only), kInvalidArgument. Configuration
// *values* are not judged here: which are honoured changes between releases, and replicas of different releases must
// agree. Whoever proposes a command calls CheckTopicConfigs first.
Result<Applied> Apply(const MetadataImage& image, const Command& command);

}  // namespace chronik::metadata
