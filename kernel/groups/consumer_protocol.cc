// SPDX-License-Identifier: Apache-2.0
#include "kernel/groups/consumer_protocol.h"

#include <algorithm>

#include "kernel/groups/assignor.h"
#include "kernel/groups/reconcile.h"
#include "kernel/groups/topic_pattern.h"

namespace chronik::groups {
namespace {

bool Joins(const ConsumerGroupHeartbeat& request) { return request.epoch == kJoiningEpoch; }

bool NamesFit(const ConsumerGroupHeartbeat& request) {
  const auto fits = [](const std::string& name) { return name.size() <= kMaxNameBytes; };
  const auto fits_if = [&](const std::optional<std::string>& name) { return !name || fits(*name); };
  return fits(request.group) && fits(request.member) && fits_if(request.instance) && fits_if(request.rack) &&
         fits(request.client.id) && fits(request.client.host) &&
         (!request.topics || std::ranges::all_of(*request.topics, fits));
}

}  // namespace

// ---- what is refused ----

ConsumerProtocol::Refusal ConsumerProtocol::CheckRequest(const ConsumerGroupHeartbeat& request) {
  const auto invalid = [](std::string why) { return Refusal{GroupError::kInvalidRequest, std::move(why)}; };
  if (request.group.empty()) return {GroupError::kInvalidGroupId, "the group id is empty"};
  if (!NamesFit(request)) return invalid("a name is longer than 32767 bytes");
  if (request.epoch < kStaticLeavingEpoch) return invalid("the member epoch is invalid");
  if (request.member.empty() && !Joins(request)) return invalid("the member id is empty");
  if (request.instance && request.instance->empty()) return invalid("the instance id is empty");
  if (request.epoch == kStaticLeavingEpoch && !request.instance)
    return invalid("only static members leave for a while");
  if (request.epoch < 0) return {};
  if (request.assignor && !IsAssignor(*request.assignor))
    return {GroupError::kUnsupportedAssignor, "the assignors here are uniform and range"};
  if (request.topic_pattern && !request.topic_pattern->empty()) {
    const auto matched = MatchTopics(*request.topic_pattern, {});
    if (!matched) return {GroupError::kInvalidRegularExpression, matched.error().message};
  }
  if (!Joins(request)) return {};
  if (!request.rebalance_timeout || *request.rebalance_timeout <= Milliseconds(0))
    return invalid("a joining member must say its rebalance timeout");
  if (!request.topics && !request.topic_pattern) return invalid("a joining member must say its topics");
  if (!request.owned || !request.owned->empty()) return invalid("a joining member owns no partitions");
  return {};
}

ConsumerProtocol::Refusal ConsumerProtocol::CheckMember(const ConsumerGroupHeartbeat& request,
                                                        const ConsumerGroup& group) const {
  if (request.instance) {
    const auto owner = group.static_members.find(*request.instance);
    const bool unknown = owner == group.static_members.end();
    if (unknown && !Joins(request)) return {GroupError::kUnknownMemberId, "no member has this instance id"};
    if (!unknown && owner->second != request.member) {
      if (!Joins(request)) return {GroupError::kFencedInstanceId, "another member has this instance id"};
      if (group.Current(owner->second).epoch != kStaticLeavingEpoch)
        return {GroupError::kUnreleasedInstanceId, "another member has this instance id and has not left"};
    }
  }
  if (Joins(request)) return {};
  if (!group.members.contains(request.member)) return {GroupError::kUnknownMemberId, "not a member of the group"};
  if (request.epoch < 0) return {};
  const CurrentAssignmentValue current = group.Current(request.member);
  if (request.epoch == current.epoch) return {};
  // The answer that told the new epoch may have been lost; then it has nothing that it must not have.
  const PartitionSet assigned = ToSet(current.assigned);
  const bool knows_less = request.epoch < current.epoch && request.epoch == current.previous_epoch && request.owned &&
                          std::ranges::includes(assigned, ToSet(*request.owned));
  if (knows_less) return {};
  return {GroupError::kFencedMemberEpoch, "the member's epoch is not that of the coordinator; it must join again"};
}

ConsumerProtocol::Refusal ConsumerProtocol::CheckRoom(const ConsumerGroupHeartbeat& request,
                                                      const ConsumerGroup& group) const {
  const bool replaces = request.instance && group.static_members.contains(*request.instance);
  const bool is_new = !group.members.contains(request.member) && !replaces;
  size_t more = request.client.id.size() + request.client.host.size() + request.topic_pattern.value_or("").size();
  if (request.topics) {
    for (const std::string& topic : *request.topics) more += topic.size();
  }
  const auto old = group.members.find(request.member);
  const size_t less = old == group.members.end() ? 0 : BytesOf(old->first, old->second);
  const bool too_many = is_new && group.members.size() >= core_.options.max_consumer_group_size;
  if (!too_many && group.bytes - less + more <= core_.options.max_group_bytes) return {};
  return {GroupError::kGroupMaxSizeReached, "the group is full"};
}

void ConsumerProtocol::Refuse(uint64_t token, Refusal refusal) {
  ConsumerGroupHeartbeatReply reply;
  reply.error = refusal.error;
  reply.message = std::move(refusal.message);
  core_.Answer(token, std::move(reply));
}

// ---- heartbeat ----

void ConsumerProtocol::Beat(uint64_t token, const ConsumerGroupHeartbeat& request) {
  Refusal refusal = CheckRequest(request);
  Group* group = refusal.error == GroupError::kNone ? core_.Find(request.group) : nullptr;
  static const ConsumerGroup kNoMembers;
  const bool is_consumer = group != nullptr && group->consumer() != nullptr;
  const ConsumerGroup& members = is_consumer ? *group->consumer() : kNoMembers;
  const bool in_use =
      group != nullptr && !is_consumer && (group->HasMembers() || !group->classic()->pending_members.empty());
  const bool may_begin = Joins(request) && !in_use;
  if (refusal.error == GroupError::kNone && !is_consumer && !may_begin)
    refusal = {GroupError::kGroupIdNotFound, "there is no such consumer group"};
  if (refusal.error == GroupError::kNone) refusal = CheckMember(request, members);
  if (refusal.error == GroupError::kNone && request.epoch >= 0) refusal = CheckRoom(request, members);
  if (refusal.error != GroupError::kNone) {
    Refuse(token, std::move(refusal));
    return core_.End(group);
  }
  if (group == nullptr) group = &core_.FindOrMake(request.group);
  if (ClassicGroup* const classic = group->classic()) {  // without members: becomes a consumer group
    if (classic->generation > 0) core_.EmitTombstones(*group);
    group->state = ConsumerGroup{};
  }
  if (request.epoch < 0) {
    Leave(token, request, *group);
  } else {
    Alive(token, request, *group);
  }
  core_.End(group);
}

void ConsumerProtocol::ReplaceStatic(const std::string& old_id, const std::string& new_id, Group& group) {
  const ConsumerGroup& consumer = *group.consumer();
  const ConsumerMemberValue value = consumer.members.at(old_id);
  const auto target = consumer.targets.find(old_id);
  const std::vector<TopicPartitions> wanted =
      target == consumer.targets.end() ? std::vector<TopicPartitions>() : target->second;
  core_.Emit(CurrentAssignmentRecord{group.name, old_id, std::nullopt});
  core_.Emit(TargetMemberRecord{group.name, old_id, std::nullopt});
  core_.Emit(ConsumerMemberRecord{group.name, old_id, std::nullopt});
  core_.Emit(ConsumerMemberRecord{group.name, new_id, value});
  core_.Emit(TargetMemberRecord{group.name, new_id, wanted});
}

bool ConsumerProtocol::Register(const ConsumerGroupHeartbeat& request, Group& group) {
  const auto known = group.consumer()->members.find(request.member);
  const bool is_new = known == group.consumer()->members.end();
  ConsumerMemberValue value = is_new ? ConsumerMemberValue{} : known->second;
  const ConsumerMemberValue before = value;
  value.instance = request.instance;
  value.client_id = request.client.id;
  value.client_host = request.client.host;
  if (request.rack) value.rack = request.rack;
  if (request.rebalance_timeout) value.rebalance_timeout = *request.rebalance_timeout;
  if (request.assignor) value.assignor = request.assignor;
  if (request.topic_pattern) value.topic_pattern = request.topic_pattern;
  if (value.topic_pattern == "") value.topic_pattern.reset();
  if (request.topics) {
    const std::set<std::string> sorted(request.topics->begin(), request.topics->end());
    value.topics.assign(sorted.begin(), sorted.end());
  }
  if (is_new || value != before) core_.Emit(ConsumerMemberRecord{group.name, request.member, value});
  return is_new || value.topics != before.topics || value.topic_pattern != before.topic_pattern ||
         value.assignor != before.assignor;
}

void ConsumerProtocol::Alive(uint64_t token, const ConsumerGroupHeartbeat& given, Group& group) {
  ConsumerGroup& consumer = *group.consumer();
  ConsumerGroupHeartbeat request = given;
  if (request.member.empty()) request.member = core_.uuid();
  if (Joins(request)) {
    const auto owner = consumer.static_members.find(request.instance.value_or(""));
    if (owner != consumer.static_members.end() && owner->second != request.member)
      ReplaceStatic(std::string(owner->second), request.member, group);
    // It has nothing, so what it had is free.
    if (consumer.currents.contains(request.member))
      core_.Emit(CurrentAssignmentRecord{group.name, request.member, CurrentAssignmentValue{}});
  }
  const bool changed = Register(request, group);
  RefreshPatterns(group);
  RefreshEpoch(group, changed);
  AssignTargets(group);

  const CurrentAssignmentValue before = consumer.Current(request.member);
  const auto is_free = [&](const TopicPartition& partition) {
    const auto owner = consumer.owners.find(partition);
    return owner == consumer.owners.end() || owner->second == request.member;
  };
  const CurrentAssignmentValue next =
      Reconcile({before, consumer.target_epoch, consumer.Target(request.member),
                 request.owned ? std::optional(ToSet(*request.owned)) : std::nullopt, is_free});
  if (next != before) core_.Emit(CurrentAssignmentRecord{group.name, request.member, next});

  ConsumerMemberDeadlines& deadlines = consumer.deadlines[request.member];
  deadlines.session = core_.now.mono + core_.options.consumer_session_timeout;
  core_.WakeBy(group, *deadlines.session);
  if (next.state != MemberState::kUnrevokedPartitions) {
    deadlines.rebalance.reset();
  } else if (next != before || !deadlines.rebalance) {
    const Duration timeout = consumer.members.at(request.member).rebalance_timeout;
    deadlines.rebalance = core_.now.mono + std::min(timeout, core_.options.max_consumer_rebalance_timeout);
    core_.WakeBy(group, *deadlines.rebalance);
  }

  ConsumerGroupHeartbeatReply reply;
  reply.member = request.member;
  reply.epoch = next.epoch;
  reply.heartbeat_interval = std::chrono::duration_cast<Milliseconds>(core_.options.consumer_heartbeat_interval);
  const bool says_all = request.rebalance_timeout && (request.topics || request.topic_pattern) && request.owned;
  if (says_all || request.epoch < before.epoch || next.assigned != before.assigned) reply.assignment = next.assigned;
  core_.Answer(token, std::move(reply));
}

// ---- leaving ----

void ConsumerProtocol::BumpEpoch(Group& group) {
  const ConsumerGroup& consumer = *group.consumer();
  core_.Emit(ConsumerGroupRecord{group.name, ConsumerGroupValue{consumer.epoch + 1, MetadataHash(consumer)}});
}

void ConsumerProtocol::RemoveMember(Group& group, const std::string& member) {
  const std::string id = member;  // the argument may go with it
  if (group.consumer()->currents.contains(id)) core_.Emit(CurrentAssignmentRecord{group.name, id, std::nullopt});
  if (group.consumer()->targets.contains(id)) core_.Emit(TargetMemberRecord{group.name, id, std::nullopt});
  core_.Emit(ConsumerMemberRecord{group.name, id, std::nullopt});
}

void ConsumerProtocol::Leave(uint64_t token, const ConsumerGroupHeartbeat& request, Group& group) {
  if (request.epoch == kStaticLeavingEpoch) {
    CurrentAssignmentValue current = group.consumer()->Current(request.member);
    if (current.epoch != kStaticLeavingEpoch) current.previous_epoch = current.epoch;
    current.epoch = kStaticLeavingEpoch;
    current.state = MemberState::kStable;
    current.pending_revocation.clear();
    core_.Emit(CurrentAssignmentRecord{group.name, request.member, current});
    ConsumerMemberDeadlines& deadlines = group.consumer()->deadlines[request.member];
    deadlines = {core_.now.mono + core_.options.consumer_session_timeout, std::nullopt};
    core_.WakeBy(group, *deadlines.session);
  } else {
    RemoveMember(group, request.member);
    RefreshPatterns(group);
    BumpEpoch(group);
  }
  ConsumerGroupHeartbeatReply reply;
  reply.member = request.member;
  reply.epoch = request.epoch;
  core_.Answer(token, std::move(reply));
}

void ConsumerProtocol::Wake(Group& group) {
  std::vector<std::string> gone;
  for (const auto& [id, deadlines] : group.consumer()->deadlines) {
    const bool silent = deadlines.session && *deadlines.session <= core_.now.mono;
    const bool slow = deadlines.rebalance && *deadlines.rebalance <= core_.now.mono;
    if (silent || slow) gone.push_back(id);
  }
  for (const std::string& id : gone) RemoveMember(group, id);
  if (!gone.empty()) {
    RefreshPatterns(group);
    BumpEpoch(group);
  }
  core_.SetWake(group, group.consumer()->Earliest());
  core_.End(&group);
}

void ConsumerProtocol::Start(Group& group) {
  ConsumerGroup& consumer = *group.consumer();
  for (const auto& [id, member] : consumer.members) {
    ConsumerMemberDeadlines& deadlines = consumer.deadlines[id];
    deadlines.session = core_.now.mono + core_.options.consumer_session_timeout;
    core_.WakeBy(group, *deadlines.session);
    if (consumer.Current(id).state != MemberState::kUnrevokedPartitions) continue;
    const Duration timeout = member.rebalance_timeout;
    deadlines.rebalance = core_.now.mono + std::min(timeout, core_.options.max_consumer_rebalance_timeout);
    core_.WakeBy(group, *deadlines.rebalance);
  }
}

}  // namespace chronik::groups
