// SPDX-License-Identifier: Apache-2.0
#include "kernel/groups/offset_requests.h"

#include <algorithm>

namespace chronik::groups {
namespace {

constexpr int16_t kKnowsGroupErrors = 9;  // the version of OffsetCommit that knows the errors of KIP-848

bool IsSubscribedTo(const Group& group, const std::string& topic) {
  return std::visit([&](const auto& state) { return state.IsSubscribedTo(topic); }, group.state);
}

GroupError CheckEpoch(const ConsumerGroup& group, const std::string& member, int32_t epoch) {
  if (epoch < 0 && group.members.empty()) return GroupError::kNone;  // an admin, or a consumer without a group
  if (!group.members.contains(member)) return GroupError::kUnknownMemberId;
  return group.Current(member).epoch == epoch ? GroupError::kNone : GroupError::kStaleMemberEpoch;
}

}  // namespace

// ---- commit ----

GroupError OffsetRequests::CheckClassic(const OffsetCommit& request, bool transactional, Group& group) {
  ClassicGroup& classic = *group.classic();
  if (request.generation < 0 && classic.state == ClassicState::kEmpty) return GroupError::kNone;
  const bool names_member = request.generation >= 0 || !request.member.empty() || request.instance;
  if (names_member) {
    const GroupError error = ClassicProtocol::CheckMember(classic, request.member, request.instance);
    if (error != GroupError::kNone) return error;
    if (request.generation != classic.generation) return GroupError::kIllegalGeneration;
  } else if (!transactional && classic.state != ClassicState::kEmpty) {
    return GroupError::kUnknownMemberId;  // of a transaction, KIP-447: older clients name no member
  }
  // The generation is right, so it knows of the rebalance: it is to finish that first.
  if (!transactional && classic.state == ClassicState::kCompletingRebalance) return GroupError::kRebalanceInProgress;
  if (names_member && !transactional) classic_.KeepAlive(group, *classic.Find(request.member));
  return GroupError::kNone;
}

GroupError OffsetRequests::Check(const OffsetCommit& request, bool transactional, Group* group) {
  if (request.group.empty() || request.group.size() > kMaxNameBytes - 64) return GroupError::kInvalidGroupId;
  const bool knows_group_errors = transactional || request.version >= kKnowsGroupErrors;
  if (group == nullptr) {
    if (request.generation < 0) return GroupError::kNone;  // begins a simple group
    return knows_group_errors && !transactional ? GroupError::kGroupIdNotFound : GroupError::kIllegalGeneration;
  }
  if (group->classic() != nullptr) return CheckClassic(request, transactional, *group);
  const GroupError error = CheckEpoch(*group->consumer(), request.member, request.generation);
  if (error != GroupError::kStaleMemberEpoch) return error;
  if (transactional) return GroupError::kIllegalGeneration;
  return knows_group_errors ? error : GroupError::kUnsupportedVersion;
}

GroupError OffsetRequests::PutOne(const OffsetCommit& request, const OffsetCommit::Topic& topic,
                                  const OffsetCommit::Partition& partition, Group& group,
                                  const TxnOffsetCommit* transaction) {
  const std::string metadata = partition.metadata.value_or("");
  if (metadata.size() > core_.options.max_offset_metadata_bytes) return GroupError::kOffsetMetadataTooLarge;
  if (topic.name.size() > kMaxNameBytes) return GroupError::kUnknownTopicOrPartition;
  const bool known = group.offsets.Find({topic.name, partition.partition}) != nullptr && transaction == nullptr;
  if (!known && group.offsets.size() >= core_.options.max_group_offsets) return GroupError::kInvalidCommitOffsetSize;
  CommittedOffset offset{partition.offset, partition.leader_epoch, metadata, core_.now.wall, std::nullopt};
  if (request.retention) {
    offset.expire_time = core_.now.wall + *request.retention;
    offset.leader_epoch = -1;  // its record's version has none
  }
  OffsetRecord record{{request.group, topic.name, partition.partition}, std::move(offset)};
  if (transaction == nullptr) {
    core_.Emit(std::move(record));
  } else {
    core_.EmitTransactional(transaction->producer_id, transaction->producer_epoch, std::move(record));
  }
  return GroupError::kNone;
}

void OffsetRequests::Put(uint64_t token, const OffsetCommit& request, const TxnOffsetCommit* transaction) {
  Group* group = core_.Find(request.group);
  const GroupError refused = Check(request, transaction != nullptr, group);
  if (refused == GroupError::kNone && group == nullptr) group = &core_.FindOrMake(request.group);
  OffsetCommitReply reply;
  for (const OffsetCommit::Topic& topic : request.topics) {
    for (const OffsetCommit::Partition& partition : topic.partitions) {
      const GroupError error =
          refused != GroupError::kNone ? refused : PutOne(request, topic, partition, *group, transaction);
      reply.partitions.push_back({topic.name, partition.partition, error});
    }
  }
  core_.Answer(token, std::move(reply));
  core_.End(group);
}

void OffsetRequests::Commit(uint64_t token, const OffsetCommit& request) { Put(token, request, nullptr); }

void OffsetRequests::CommitInTransaction(uint64_t token, const TxnOffsetCommit& request) {
  Put(token, request.commit, &request);
}

void OffsetRequests::End(uint64_t token, const EndTransaction& request) {
  core_.EmitMarker(request);  // also without offsets: the markers of a transaction are part of the log
  core_.Answer(token, EndTransactionReply{});
  core_.End(nullptr);
}

// ---- fetch ----

namespace {

OffsetFetchReply::Partition Lookup(const Group* group, const PartitionName& partition, bool require_stable) {
  OffsetFetchReply::Partition found{partition.first, partition.second, -1, -1, "", GroupError::kNone};
  if (group == nullptr) return found;
  if (require_stable && group->offsets.HasPending(partition)) {
    found.error = GroupError::kUnstableOffsetCommit;
    return found;
  }
  const GroupOffsets::Entry* const entry = group->offsets.Find(partition);
  if (entry == nullptr) return found;
  found.offset = entry->value.offset;
  found.leader_epoch = entry->value.leader_epoch;
  found.metadata = entry->value.metadata;
  return found;
}

}  // namespace

void OffsetRequests::Fetch(uint64_t token, const OffsetFetch& request) {
  Group* const group = core_.Find(request.group);
  OffsetFetchReply reply;
  if (group != nullptr && group->consumer() != nullptr && (request.member || request.member_epoch >= 0))
    reply.error = CheckEpoch(*group->consumer(), request.member.value_or(""), request.member_epoch);
  if (reply.error != GroupError::kNone) {
    // nothing more to say
  } else if (!request.topics) {
    if (group != nullptr) {
      for (const auto& [partition, entry] : group->offsets.committed())
        reply.partitions.push_back(Lookup(group, partition, request.require_stable));
    }
  } else {
    for (const OffsetFetch::Topic& topic : *request.topics) {
      for (const int32_t partition : topic.partitions)
        reply.partitions.push_back(Lookup(group, {topic.name, partition}, request.require_stable));
    }
  }
  core_.Answer(token, std::move(reply));
  core_.End(group);
}

// ---- delete ----

void OffsetRequests::Delete(uint64_t token, const OffsetDelete& request) {
  Group* const group = core_.Find(request.group);
  OffsetDeleteReply reply;
  if (request.group.empty()) {
    reply.error = GroupError::kInvalidGroupId;
  } else if (group == nullptr) {
    reply.error = GroupError::kGroupIdNotFound;
  } else if (group->classic() != nullptr && group->HasMembers() && !group->classic()->uses_consumer_protocol()) {
    reply.error = GroupError::kNonEmptyGroup;  // which topics it uses is not known
  } else {
    for (const OffsetDelete::Topic& topic : request.topics) {
      const bool subscribed = IsSubscribedTo(*group, topic.name);
      for (const int32_t partition : topic.partitions) {
        const PartitionName name{topic.name, partition};
        reply.partitions.push_back(
            {topic.name, partition, subscribed ? GroupError::kGroupSubscribedToTopic : GroupError::kNone});
        const bool held = group->offsets.Find(name) != nullptr || group->offsets.HasPending(name);
        if (!subscribed && held) core_.Emit(OffsetRecord{{group->name, topic.name, partition}, std::nullopt});
      }
    }
  }
  core_.Answer(token, std::move(reply));
  core_.End(group);
}

void OffsetRequests::EraseAll(Group& group) {
  std::set<PartitionName> names;
  for (const auto& [name, entry] : group.offsets.committed()) names.insert(name);
  for (const auto& [producer, entries] : group.offsets.pending()) {
    for (const auto& [name, entry] : entries) names.insert(name);
  }
  for (const PartitionName& name : names) core_.Emit(OffsetRecord{{group.name, name.first, name.second}, std::nullopt});
}

void OffsetRequests::Forget(const TopicsDeleted& deleted) {
  const std::set<std::string> topics(deleted.topics.begin(), deleted.topics.end());
  std::vector<std::string> names;
  for (const auto& [name, group] : core_.groups()) names.push_back(name);
  for (const std::string& name : names) {
    Group& group = *core_.Find(name);
    std::set<PartitionName> gone;
    for (const auto& [partition, entry] : group.offsets.committed()) {
      if (topics.contains(partition.first)) gone.insert(partition);
    }
    for (const auto& [producer, entries] : group.offsets.pending()) {
      for (const auto& [partition, entry] : entries) {
        if (topics.contains(partition.first)) gone.insert(partition);
      }
    }
    for (const auto& [topic, partition] : gone) core_.Emit(OffsetRecord{{name, topic, partition}, std::nullopt});
    core_.End(&group);
  }
}

// ---- expiry (KIP-211) ----

bool OffsetRequests::Expired(const Group& group, const PartitionName& partition, const CommittedOffset& offset) const {
  if (group.offsets.HasPending(partition) || IsSubscribedTo(group, partition.first)) return false;
  if (offset.expire_time) return *offset.expire_time <= core_.now.wall;
  WallTime base = offset.commit_time;
  const auto* const classic = std::get_if<ClassicGroup>(&group.state);
  if (classic != nullptr && classic->protocol_type) {
    const bool empty = classic->state == ClassicState::kEmpty;
    const bool stable = classic->state == ClassicState::kStable && classic->topics_known;
    if (!empty && !stable) return false;  // its members may use any topic
    if (empty) base = classic->state_time.value_or(offset.commit_time);
  }
  return base + core_.options.offsets_retention <= core_.now.wall;
}

void OffsetRequests::Expire(Group& group) {
  std::vector<PartitionName> expired;
  for (const auto& [partition, entry] : group.offsets.committed()) {
    if (Expired(group, partition, entry.value)) expired.push_back(partition);
  }
  for (const auto& [topic, partition] : expired) core_.Emit(OffsetRecord{{group.name, topic, partition}, std::nullopt});
  const bool idle = group.classic() == nullptr || group.classic()->pending_members.empty();
  if (group.offsets.empty() && !group.HasMembers() && idle && !group.IsNothing()) core_.EmitTombstones(group);
  core_.End(&group);
}

}  // namespace chronik::groups
