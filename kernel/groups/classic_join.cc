// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "kernel/groups/classic_protocol.h"

namespace chronik::groups {
namespace {

// A member's id is its client's, or its instance's, and a UUID; both must fit a record.
constexpr size_t kMaxIdBytes = kMaxNameBytes - 64;

size_t BytesOf(const JoinGroup& request) {
  size_t bytes = request.client.id.size() + request.client.host.size() + request.instance.value_or("").size();
  for (const Protocol& protocol : request.protocols) bytes += protocol.name.size() + protocol.metadata.size();
  return bytes;
}

bool NamesFit(const JoinGroup& request) {
  return request.client.id.size() <= kMaxIdBytes && request.client.host.size() <= kMaxIdBytes &&
         request.member.size() <= kMaxNameBytes && request.instance.value_or("").size() <= kMaxIdBytes &&
         request.protocol_type.size() <= kMaxIdBytes &&
         std::ranges::all_of(request.protocols, [](const Protocol& p) { return p.name.size() <= kMaxIdBytes; });
}

GroupError Check(const JoinGroup& request, const Options& options) {
  if (request.group.empty() || request.group.size() > kMaxIdBytes) return GroupError::kInvalidGroupId;
  if (request.session_timeout < options.min_session_timeout || request.session_timeout > options.max_session_timeout)
    return GroupError::kInvalidSessionTimeout;
  if (!NamesFit(request) || request.rebalance_timeout < Milliseconds(0)) return GroupError::kInvalidRequest;
  return GroupError::kNone;
}

// Is there room for it? Members that are there already find room, unless too many others joined first.
bool HasRoom(ClassicGroup& group, const JoinGroup& request, const Options& options) {
  const auto instance = group.static_members.find(request.instance.value_or(""));
  const bool is_static = request.member.empty() && instance != group.static_members.end();
  const ClassicMember* const member = group.Find(is_static ? instance->second : request.member);
  const size_t before = member == nullptr ? 0 : member->bytes();
  if (group.bytes - before + BytesOf(request) > options.max_group_bytes) return false;
  switch (group.state) {
    case ClassicState::kEmpty: return true;
    case ClassicState::kPreparingRebalance:
      return (member != nullptr && member->join) || group.joining < options.max_group_size;
    case ClassicState::kCompletingRebalance:
    case ClassicState::kStable: return member != nullptr || group.members.size() < options.max_group_size;
  }
  return false;
}

bool WantsTheSame(const ClassicMember& member, const JoinGroup& request) {
  return member.protocols == request.protocols;
}

}  // namespace

void ClassicProtocol::FailJoin(uint64_t token, const std::string& member, GroupError error) {
  JoinGroupReply reply;
  reply.error = error;
  reply.member = member;
  core_.Answer(token, std::move(reply));
}

void ClassicProtocol::Join(uint64_t token, const JoinGroup& request) {
  const GroupError error = Check(request, core_.options);
  Group* group = error == GroupError::kNone ? core_.Find(request.group) : nullptr;
  if (error != GroupError::kNone || (group == nullptr && !request.member.empty())) {
    FailJoin(token, request.member, error != GroupError::kNone ? error : GroupError::kUnknownMemberId);
    return core_.End(nullptr);
  }
  if (group == nullptr) group = &core_.FindOrMake(request.group);
  if (group->consumer() != nullptr && !group->HasMembers()) core_.EmitTombstones(*group);  // becomes a classic one
  if (group->classic() == nullptr) {
    FailJoin(token, request.member, GroupError::kInconsistentGroupProtocol);
  } else if (!HasRoom(*group->classic(), request, core_.options)) {
    FailJoin(token, request.member, GroupError::kGroupMaxSizeReached);
    group->classic()->pending_members.erase(request.member);
  } else if (!group->classic()->Supports(request.protocol_type, request.protocols)) {
    FailJoin(token, request.member, GroupError::kInconsistentGroupProtocol);
  } else if (request.member.empty()) {
    JoinNew(token, request, *group);
  } else {
    JoinKnown(token, request, *group);
  }
  MaybeComplete(*group);
  core_.End(group);
}

void ClassicProtocol::JoinNew(uint64_t token, const JoinGroup& request, Group& group) {
  ClassicGroup& classic = *group.classic();
  const std::string id = request.instance.value_or(request.client.id) + "-" + core_.uuid();
  if (request.instance) {
    const auto old = classic.static_members.find(*request.instance);
    if (old != classic.static_members.end()) return ReplaceStatic(token, request, group, std::string(old->second), id);
    return AddMember(token, request, group, id);
  }
  if (request.knows_member_id_required) return AddPending(token, request, group, id);
  AddMember(token, request, group, id);
}

// KIP-394: it learns its id first and joins with it, so that a client that gives up and tries again leaves no member
// behind. It counts as one that may still join.
void ClassicProtocol::AddPending(uint64_t token, const JoinGroup& request, Group& group, const std::string& id) {
  ClassicGroup& classic = *group.classic();
  if (classic.pending_members.size() >= core_.options.max_group_size)
    return FailJoin(token, "", GroupError::kGroupMaxSizeReached);
  const Instant until = core_.now.mono + request.session_timeout;
  classic.pending_members[id] = until;
  core_.WakeBy(group, until);
  FailJoin(token, id, GroupError::kMemberIdRequired);
}

void ClassicProtocol::JoinKnown(uint64_t token, const JoinGroup& request, Group& group) {
  ClassicGroup& classic = *group.classic();
  if (classic.pending_members.contains(request.member)) {
    if (request.instance) return FailJoin(token, request.member, GroupError::kUnknownMemberId);
    return AddMember(token, request, group, request.member);
  }
  const GroupError error = CheckMember(classic, request.member, request.instance);
  if (error != GroupError::kNone) return FailJoin(token, request.member, error);
  Rejoin(token, request, group, *classic.Find(request.member));
}

void ClassicProtocol::Rejoin(uint64_t token, const JoinGroup& request, Group& group, ClassicMember& member) {
  ClassicGroup& classic = *group.classic();
  const bool same = WantsTheSame(member, request);
  // It did not hear the answer, or joins for no reason: the generation stands. A leader's JoinGroup asks for a new one.
  const bool stands = (classic.state == ClassicState::kCompletingRebalance && same) ||
                      (classic.state == ClassicState::kStable && same && !classic.IsLeader(member.id));
  if (stands) {
    KeepAlive(group, member);
    const bool to_leader = classic.state == ClassicState::kCompletingRebalance && classic.IsLeader(member.id);
    return core_.Answer(token, Current(classic, member, to_leader));
  }
  if (const auto older = classic.Unpark(member)) FailJoin(*older, member.id, GroupError::kRebalanceInProgress);
  classic.Update(member, request);
  classic.Park(member, token);
  if (!member.is_new) member.session_deadline.reset();
  RebalanceOrComplete(group);
}

void ClassicProtocol::AddMember(uint64_t token, const JoinGroup& request, Group& group, std::string id) {
  ClassicGroup& classic = *group.classic();
  if (classic.members.empty()) classic.protocol_type = request.protocol_type;
  if (classic.state == ClassicState::kPreparingRebalance && classic.initial) classic.member_added = true;
  ClassicMember member;
  member.id = std::move(id);
  member.instance = request.instance;
  member.client = request.client;
  member.session_timeout = request.session_timeout;
  member.rebalance_timeout = request.rebalance_timeout;
  member.protocols = request.protocols;
  member.is_new = true;
  // A client that is gone while its JoinGroup waits is not seen; it has this long.
  member.session_deadline = core_.now.mono + core_.options.new_member_join_timeout;
  core_.WakeBy(group, *member.session_deadline);
  classic.Park(classic.Add(std::move(member)), token);
  RebalanceOrComplete(group);
}

// KIP-345: a new process of the same instance. If what the group agreed on stands, nobody else notices.
void ClassicProtocol::ReplaceStatic(uint64_t token, const JoinGroup& request, Group& group, const std::string& old_id,
                                    const std::string& new_id) {
  ClassicGroup& classic = *group.classic();
  const std::string leader_before = classic.leader.value_or("");
  ClassicMember& old = *classic.Find(old_id);
  if (const auto join = classic.Unpark(old)) FailJoin(*join, old_id, GroupError::kFencedInstanceId);
  if (const auto sync = std::exchange(old.sync, std::nullopt))
    core_.Answer(*sync, SyncGroupReply{GroupError::kFencedInstanceId, {}, {}, {}});
  ClassicMember& member = classic.Replace(old_id, new_id);
  classic.Update(member, request);
  KeepAlive(group, member);
  if (classic.state != ClassicState::kStable || classic.SelectProtocol() != classic.protocol) {
    classic.Park(member, token);
    member.session_deadline.reset();
    return RebalanceOrComplete(group);
  }
  classic.ReadTopics();
  core_.EmitClassic(group);  // what it is subscribed to may have changed; the leader sees to that (KIP-814)
  // Before KIP-814 a leader could only assign, and it must not now: it is told that it is none.
  const bool skip = request.knows_skip_assignment && classic.IsLeader(new_id);
  JoinGroupReply reply = Current(classic, member, skip);
  reply.skip_assignment = skip;
  if (!request.knows_skip_assignment) reply.leader = leader_before;
  core_.Answer(token, std::move(reply));
}

JoinGroupReply ClassicProtocol::Current(const ClassicGroup& group, const ClassicMember& member,
                                        bool with_members) const {
  JoinGroupReply reply;
  reply.generation = group.generation;
  reply.protocol_type = group.protocol_type;
  reply.protocol = group.protocol;
  reply.leader = group.leader.value_or("");
  reply.member = member.id;
  if (with_members) reply.members = group.Metadata();
  return reply;
}

}  // namespace chronik::groups
