// SPDX-License-Identifier: Apache-2.0
// The consumer group protocol (KIP-848): one request, the heartbeat, joins, leaves, changes subscriptions and moves
// partitions. A step of a heartbeat:
//   1. the member: new, known, or a static one that comes back          consumer_protocol.cc
//   2. what it is subscribed to; patterns; does the group's epoch grow?  consumer_subscriptions.cc
//   3. the target assignment of the group's epoch                       consumer_subscriptions.cc
//   4. the member's own way to it                                       reconcile.h
#pragma once

#include <cstdint>
#include <string>

#include "kernel/groups/core.h"

namespace chronik::groups {

class ConsumerProtocol {
 public:
  ConsumerProtocol(Core& core, const Topics& topics) : core_(core), topics_(topics) {}

  void Beat(uint64_t token, const ConsumerGroupHeartbeat& request);
  void Start(Group& group);
  void Wake(Group& group);
  ConsumerGroupDescribeReply::Group Describe(const std::string& name);

 private:
  struct Refusal {
    GroupError error = GroupError::kNone;
    std::string message;
  };
  static Refusal CheckRequest(const ConsumerGroupHeartbeat& request);
  Refusal CheckMember(const ConsumerGroupHeartbeat& request, const ConsumerGroup& group) const;
  Refusal CheckRoom(const ConsumerGroupHeartbeat& request, const ConsumerGroup& group) const;
  void Refuse(uint64_t token, Refusal refusal);
  void Alive(uint64_t token, const ConsumerGroupHeartbeat& request, Group& group);
  void Leave(uint64_t token, const ConsumerGroupHeartbeat& request, Group& group);
  // True if what the member wants is not what it was.
  bool Register(const ConsumerGroupHeartbeat& request, Group& group);
  void ReplaceStatic(const std::string& old_id, const std::string& new_id, Group& group);
  void RemoveMember(Group& group, const std::string& member);
  void BumpEpoch(Group& group);

  void RefreshPatterns(Group& group);
  int64_t MetadataHash(const ConsumerGroup& group) const;
  // Subscriptions or their topics have changed: another epoch.
  void RefreshEpoch(Group& group, bool subscriptions_changed);
  void AssignTargets(Group& group);
  std::string PreferredAssignor(const ConsumerGroup& group) const;
  std::vector<NamedPartitions> Named(const std::vector<TopicPartitions>& topics) const;

  Core& core_;
  const Topics& topics_;
};

}  // namespace chronik::groups
