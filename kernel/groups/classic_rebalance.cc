// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "kernel/groups/classic_protocol.h"

namespace chronik::groups {

void ClassicProtocol::KeepAlive(Group& group, ClassicMember& member) {
  member.session_deadline = core_.now.mono + member.session_timeout;
  core_.WakeBy(group, *member.session_deadline);
}

void ClassicProtocol::SetJoinDeadline(Group& group, Duration delay) {
  group.classic()->join_deadline = core_.now.mono + delay;
  core_.WakeBy(group, *group.classic()->join_deadline);
}

void ClassicProtocol::RebalanceOrComplete(Group& group) {
  if (group.classic()->state != ClassicState::kPreparingRebalance) return Prepare(group);
  MaybeComplete(group);
}

void ClassicProtocol::FailSyncs(Group& group, GroupError error) {
  for (auto& [id, member] : group.classic()->members) {
    const auto sync = std::exchange(member.sync, std::nullopt);
    if (!sync) continue;
    core_.Answer(*sync, SyncGroupReply{error, {}, {}, {}});
    KeepAlive(group, member);
  }
}

void ClassicProtocol::Prepare(Group& group) {
  ClassicGroup& classic = *group.classic();
  FailSyncs(group, GroupError::kRebalanceInProgress);
  classic.sync_deadline.reset();
  for (auto& [id, member] : classic.members) member.sync_due = false;
  const bool initial = classic.state == ClassicState::kEmpty;
  classic.Enter(ClassicState::kPreparingRebalance, core_.now.wall);
  classic.initial = initial;
  if (initial) {
    const Duration delay = core_.options.initial_rebalance_delay;
    classic.member_added = false;
    classic.initial_remaining = std::max<Duration>(classic.rebalance_timeout() - delay, Duration::zero());
    return SetJoinDeadline(group, delay);
  }
  SetJoinDeadline(group, classic.rebalance_timeout());
  MaybeComplete(group);
}

void ClassicProtocol::MaybeComplete(Group& group) {
  const ClassicGroup* const classic = group.classic();
  if (classic == nullptr || classic->state != ClassicState::kPreparingRebalance || classic->initial) return;
  if (classic->AllHaveJoined()) CompleteJoin(group);
}

// Those who did not join again in time are out; static members stay until their session ends.
void ClassicProtocol::RemoveAbsent(Group& group) {
  ClassicGroup& classic = *group.classic();
  std::vector<std::string> absent;
  for (const auto& [id, member] : classic.members) {
    if (!member.join && !member.instance) absent.push_back(id);
  }
  for (const std::string& id : absent) classic.Remove(id);
}

void ClassicProtocol::CompleteJoin(Group& group) {
  ClassicGroup& classic = *group.classic();
  classic.join_deadline.reset();
  RemoveAbsent(group);
  if (!classic.members.empty() && !classic.ElectJoinedLeader()) {
    return SetJoinDeadline(group, classic.rebalance_timeout());  // only static members, none of them back yet
  }
  classic.BeginGeneration(core_.now.wall);
  if (classic.members.empty()) return core_.EmitClassic(group);
  for (auto& [id, member] : classic.members) {
    if (const auto join = classic.Unpark(member)) core_.Answer(*join, Current(classic, member, classic.IsLeader(id)));
    member.is_new = false;
    member.sync_due = true;
    KeepAlive(group, member);
  }
  classic.sync_deadline = core_.now.mono + classic.rebalance_timeout();
  core_.WakeBy(group, *classic.sync_deadline);
}

void ClassicProtocol::RemoveMember(Group& group, const std::string& id) {
  ClassicMember& member = *group.classic()->Find(id);
  if (const auto join = group.classic()->Unpark(member)) FailJoin(*join, id, GroupError::kUnknownMemberId);
  if (member.sync) core_.Answer(*member.sync, SyncGroupReply{GroupError::kUnknownMemberId, {}, {}, {}});
  group.classic()->Remove(id);
}

void ClassicProtocol::AfterRemoval(Group& group) {
  switch (group.classic()->state) {
    case ClassicState::kEmpty: return;
    case ClassicState::kStable:
    case ClassicState::kCompletingRebalance: return Prepare(group);
    case ClassicState::kPreparingRebalance: return MaybeComplete(group);
  }
}

void ClassicProtocol::ExpireMembers(Group& group) {
  ClassicGroup& classic = *group.classic();
  std::erase_if(classic.pending_members, [&](const auto& entry) { return entry.second <= core_.now.mono; });
  std::vector<std::string> expired;
  for (auto& [id, member] : classic.members) {
    if (!member.session_deadline || *member.session_deadline > core_.now.mono) continue;
    if ((member.join || member.sync) && !member.is_new) {
      member.session_deadline.reset();  // it waits here
    } else {
      expired.push_back(id);
    }
  }
  for (const std::string& id : expired) RemoveMember(group, id);
  if (!expired.empty()) AfterRemoval(group);
  MaybeComplete(group);  // a pending member may have been all that was missing
}

void ClassicProtocol::ExpireJoin(Group& group) {
  ClassicGroup& classic = *group.classic();
  if (!classic.join_deadline || *classic.join_deadline > core_.now.mono) return;
  if (classic.initial && classic.member_added && classic.initial_remaining > Duration::zero()) {
    const Duration delay = std::min(core_.options.initial_rebalance_delay, classic.initial_remaining);
    classic.member_added = false;
    classic.initial_remaining -= delay;
    return SetJoinDeadline(group, delay);
  }
  CompleteJoin(group);
}

// Who has not asked for its assignment is out, and the others begin anew.
void ClassicProtocol::ExpireSync(Group& group) {
  ClassicGroup& classic = *group.classic();
  if (!classic.sync_deadline || *classic.sync_deadline > core_.now.mono) return;
  classic.sync_deadline.reset();
  std::vector<std::string> silent;
  for (const auto& [id, member] : classic.members) {
    if (member.sync_due) silent.push_back(id);
  }
  for (const std::string& id : silent) RemoveMember(group, id);
  if (!silent.empty()) AfterRemoval(group);
}

void ClassicProtocol::Wake(Group& group) {
  ExpireMembers(group);
  ExpireJoin(group);
  ExpireSync(group);
  core_.SetWake(group, group.classic()->Earliest());
  core_.End(&group);
}

void ClassicProtocol::Start(Group& group) {
  ClassicGroup& classic = *group.classic();
  for (auto& [id, member] : classic.members) KeepAlive(group, member);
  if (classic.members.size() > core_.options.max_group_size) Prepare(group);
}

void ClassicProtocol::Abandon(Group& group, GroupError error) {
  ClassicGroup& classic = *group.classic();
  for (auto& [id, member] : classic.members) {
    if (const auto join = classic.Unpark(member)) FailJoin(*join, id, error);
    if (const auto sync = std::exchange(member.sync, std::nullopt))
      core_.Answer(*sync, SyncGroupReply{error, {}, {}, {}});
  }
}

}  // namespace chronik::groups
