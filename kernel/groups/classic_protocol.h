// SPDX-License-Identifier: Apache-2.0
// The classic group protocol: joining, leaving and rebalancing, as Kafka's coordinator does it (KIP-62, 134, 345, 394,
// 559, 814). Cooperative rebalancing (KIP-429) is a matter of the members; for the coordinator it is two rebalances.
//   classic_join.cc        JoinGroup: new, returning and static members
//   classic_rebalance.cc   how a rebalance begins, ends and what it tells; deadlines
//   classic_requests.cc    SyncGroup, Heartbeat, LeaveGroup; DescribeGroups
#pragma once

#include <cstdint>
#include <string>

#include "kernel/groups/core.h"

namespace chronik::groups {

class ClassicProtocol {
 public:
  explicit ClassicProtocol(Core& core) : core_(core) {}

  void Join(uint64_t token, const JoinGroup& request);
  void Sync(uint64_t token, const SyncGroup& request);
  void Beat(uint64_t token, const Heartbeat& request);
  void Leave(uint64_t token, const LeaveGroup& request);

  // After a replay: everybody has a full session; a group that has grown too large is rebalanced.
  void Start(Group& group);
  // Whatever is due in the group.
  void Wake(Group& group);
  void Abandon(Group& group, GroupError error);
  DescribeGroupsReply::Group Describe(const std::string& name);

  // May this member, at this generation, act in the group?
  static GroupError CheckMember(const ClassicGroup& group, const std::string& id,
                                const std::optional<std::string>& instance);
  // It did something: its session goes on.
  void KeepAlive(Group& group, ClassicMember& member);

 private:
  void JoinNew(uint64_t token, const JoinGroup& request, Group& group);
  void JoinKnown(uint64_t token, const JoinGroup& request, Group& group);
  void Rejoin(uint64_t token, const JoinGroup& request, Group& group, ClassicMember& member);
  void AddMember(uint64_t token, const JoinGroup& request, Group& group, std::string id);
  void ReplaceStatic(uint64_t token, const JoinGroup& request, Group& group, const std::string& old_id,
                     const std::string& new_id);
  void AddPending(uint64_t token, const JoinGroup& request, Group& group, const std::string& id);
  void FailJoin(uint64_t token, const std::string& member, GroupError error);
  // What the generation is, to a member that is in it already.
  JoinGroupReply Current(const ClassicGroup& group, const ClassicMember& member, bool with_members) const;

  void RebalanceOrComplete(Group& group);
  void Prepare(Group& group);
  void MaybeComplete(Group& group);
  void CompleteJoin(Group& group);
  void RemoveAbsent(Group& group);
  void RemoveMember(Group& group, const std::string& id);
  void AfterRemoval(Group& group);
  void FailSyncs(Group& group, GroupError error);
  void SyncReceived(ClassicGroup& classic, ClassicMember& member);
  void SetJoinDeadline(Group& group, Duration delay);
  void ExpireMembers(Group& group);
  void ExpireJoin(Group& group);
  void ExpireSync(Group& group);
  GroupError LeaveOne(Group& group, const LeaveGroup::Member& who, bool* removed);
  GroupError Assign(ClassicGroup& classic, const SyncGroup& request);

  Core& core_;
};

}  // namespace chronik::groups
