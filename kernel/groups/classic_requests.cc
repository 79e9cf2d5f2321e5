// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "kernel/groups/classic_protocol.h"

namespace chronik::groups {

GroupError ClassicProtocol::CheckMember(const ClassicGroup& group, const std::string& id,
                                        const std::optional<std::string>& instance) {
  if (instance) {
    const auto owner = group.static_members.find(*instance);
    if (owner == group.static_members.end()) return GroupError::kUnknownMemberId;
    if (owner->second != id) return GroupError::kFencedInstanceId;
  }
  return group.members.contains(id) ? GroupError::kNone : GroupError::kUnknownMemberId;
}

// ---- SyncGroup ----

namespace {

GroupError CheckSync(const ClassicGroup& group, const SyncGroup& request) {
  const GroupError error = ClassicProtocol::CheckMember(group, request.member, request.instance);
  if (error != GroupError::kNone) return error;
  if (request.generation != group.generation) return GroupError::kIllegalGeneration;
  const bool other_type = request.protocol_type && group.protocol_type && request.protocol_type != group.protocol_type;
  const bool other_protocol = request.protocol && group.protocol && request.protocol != group.protocol;
  if (other_type || other_protocol) return GroupError::kInconsistentGroupProtocol;
  if (group.state == ClassicState::kPreparingRebalance) return GroupError::kRebalanceInProgress;
  return group.state == ClassicState::kEmpty ? GroupError::kUnknownMemberId : GroupError::kNone;
}

SyncGroupReply AssignmentOf(const ClassicGroup& group, const ClassicMember& member) {
  return {GroupError::kNone, group.protocol_type, group.protocol, member.assignment};
}

}  // namespace

void ClassicProtocol::SyncReceived(ClassicGroup& classic, ClassicMember& member) {
  member.sync_due = false;
  const bool all = std::ranges::none_of(classic.members, [](const auto& entry) { return entry.second.sync_due; });
  if (all) classic.sync_deadline.reset();
}

GroupError ClassicProtocol::Assign(ClassicGroup& classic, const SyncGroup& request) {
  size_t bytes = classic.bytes;
  for (const auto& [id, member] : classic.members) bytes -= member.assignment.size();
  for (const SyncGroup::Assignment& assignment : request.assignments) bytes += assignment.assignment.size();
  if (bytes > core_.options.max_group_bytes) return GroupError::kMessageTooLarge;
  for (auto& [id, member] : classic.members) {
    classic.Count(member, false);
    member.assignment.clear();
    classic.Count(member, true);
  }
  for (const SyncGroup::Assignment& assignment : request.assignments) {
    ClassicMember* const member = classic.Find(assignment.member);
    if (member == nullptr) continue;
    classic.Count(*member, false);
    member->assignment = assignment.assignment;
    classic.Count(*member, true);
  }
  return GroupError::kNone;
}

void ClassicProtocol::Sync(uint64_t token, const SyncGroup& request) {
  Group* const group = core_.Find(request.group);
  const bool known = group != nullptr && group->classic() != nullptr;
  GroupError error = known ? CheckSync(*group->classic(), request) : GroupError::kUnknownMemberId;
  if (error != GroupError::kNone) {
    core_.Answer(token, SyncGroupReply{error, {}, {}, {}});
    return core_.End(group);
  }
  ClassicGroup& classic = *group->classic();
  ClassicMember& member = *classic.Find(request.member);
  KeepAlive(*group, member);
  SyncReceived(classic, member);
  if (classic.state == ClassicState::kStable) {
    core_.Answer(token, AssignmentOf(classic, member));
    return core_.End(group);
  }
  if (!classic.IsLeader(member.id)) {
    if (member.sync) core_.Answer(*member.sync, SyncGroupReply{GroupError::kRebalanceInProgress, {}, {}, {}});
    member.sync = token;
    return core_.End(group);
  }
  error = Assign(classic, request);
  if (error != GroupError::kNone) {
    core_.Answer(token, SyncGroupReply{error, {}, {}, {}});
    return core_.End(group);
  }
  classic.Enter(ClassicState::kStable, core_.now.wall);
  core_.EmitClassic(*group);
  core_.Answer(token, AssignmentOf(classic, member));
  for (auto& [id, other] : classic.members) {
    const auto sync = std::exchange(other.sync, std::nullopt);
    if (!sync) continue;
    core_.Answer(*sync, AssignmentOf(classic, other));
    KeepAlive(*group, other);
  }
  core_.End(group);
}

// ---- Heartbeat ----

void ClassicProtocol::Beat(uint64_t token, const Heartbeat& request) {
  Group* const group = core_.Find(request.group);
  HeartbeatReply reply{GroupError::kUnknownMemberId};
  if (group != nullptr && group->classic() != nullptr) {
    ClassicGroup& classic = *group->classic();
    reply.error = CheckMember(classic, request.member, request.instance);
    if (reply.error == GroupError::kNone && request.generation != classic.generation)
      reply.error = GroupError::kIllegalGeneration;
    if (reply.error == GroupError::kNone) {
      KeepAlive(*group, *classic.Find(request.member));
      if (classic.state == ClassicState::kPreparingRebalance) reply.error = GroupError::kRebalanceInProgress;
    }
  }
  core_.Answer(token, reply);
  core_.End(group);
}

// ---- LeaveGroup ----

GroupError ClassicProtocol::LeaveOne(Group& group, const LeaveGroup::Member& who, bool* removed) {
  ClassicGroup& classic = *group.classic();
  std::string id = who.id;
  if (id.empty() && who.instance) {
    const auto owner = classic.static_members.find(*who.instance);
    if (owner == classic.static_members.end()) return GroupError::kUnknownMemberId;
    id = owner->second;
  } else if (!who.instance && classic.pending_members.erase(id) != 0) {
    *removed = true;
    return GroupError::kNone;
  } else {
    const GroupError error = CheckMember(classic, id, who.instance);
    if (error != GroupError::kNone) return error;
  }
  RemoveMember(group, id);
  *removed = true;
  return GroupError::kNone;
}

void ClassicProtocol::Leave(uint64_t token, const LeaveGroup& request) {
  Group* const group = core_.Find(request.group);
  const bool known = group != nullptr && group->classic() != nullptr;
  LeaveGroupReply reply;
  if (request.group.empty()) reply.error = GroupError::kInvalidGroupId;
  bool removed = false;
  const size_t members_before = known ? group->classic()->members.size() : 0;
  for (const LeaveGroup::Member& who : request.members) {
    const GroupError error = known ? LeaveOne(*group, who, &removed) : GroupError::kUnknownMemberId;
    reply.members.push_back({who.id, who.instance, error});
  }
  core_.Answer(token, std::move(reply));
  if (removed && group->classic()->members.size() != members_before) AfterRemoval(*group);
  if (removed) MaybeComplete(*group);
  core_.End(group);
}

// ---- DescribeGroups ----

DescribeGroupsReply::Group ClassicProtocol::Describe(const std::string& name) {
  DescribeGroupsReply::Group described;
  described.id = name;
  Group* const group = core_.Find(name);
  const ClassicGroup* const classic = group == nullptr ? nullptr : group->classic();
  if (classic == nullptr) {
    described.error = GroupError::kGroupIdNotFound;
    described.state = "Dead";
    return described;
  }
  const bool stable = classic->state == ClassicState::kStable;
  described.state = StateName(classic->state);
  described.protocol_type = classic->protocol_type.value_or("");
  if (stable) described.protocol = classic->protocol.value_or("");
  for (const auto& [id, member] : classic->members) {
    DescribeGroupsReply::Member& m = described.members.emplace_back();
    m = {id, member.instance, member.client.id, member.client.host, "", ""};
    if (!stable) continue;
    const Protocol* const chosen = member.Find(described.protocol);
    m.metadata = chosen == nullptr ? "" : chosen->metadata;
    m.assignment = member.assignment;
  }
  return described;
}

}  // namespace chronik::groups
