// SPDX-License-Identifier: Apache-2.0
#include "kernel/groups/consumer_group.h"

#include <algorithm>

namespace chronik::groups {

size_t BytesOf(const std::string& id, const ConsumerMemberValue& member) {
  size_t bytes = id.size() + member.instance.value_or("").size() + member.rack.value_or("").size() +
                 member.client_id.size() + member.client_host.size() + member.topic_pattern.value_or("").size();
  for (const std::string& topic : member.topics) bytes += topic.size();
  return bytes;
}

PartitionSet ToSet(const std::vector<TopicPartitions>& topics) {
  PartitionSet set;
  for (const TopicPartitions& topic : topics) {
    for (const int32_t partition : topic.partitions) set.emplace(topic.topic, partition);
  }
  return set;
}

std::vector<TopicPartitions> ToTopics(const PartitionSet& partitions) {
  std::vector<TopicPartitions> topics;
  for (const auto& [topic, partition] : partitions) {
    if (topics.empty() || topics.back().topic != topic) topics.push_back({topic, {}});
    topics.back().partitions.push_back(partition);
  }
  return topics;
}

void ConsumerGroup::Apply(const ConsumerGroupRecord& record) {
  if (!record.value) return;  // the group's end; Core drops it
  epoch = record.value->epoch;
  metadata_hash = record.value->metadata_hash;
}

void ConsumerGroup::Apply(const ConsumerMemberRecord& record) {
  if (const auto old = members.find(record.member); old != members.end()) {
    bytes -= BytesOf(record.member, old->second);
    const auto instance = static_members.find(old->second.instance.value_or(""));
    if (instance != static_members.end() && instance->second == record.member) static_members.erase(instance);
  }
  if (!record.value) {
    members.erase(record.member);
    deadlines.erase(record.member);
    return;
  }
  members[record.member] = *record.value;
  bytes += BytesOf(record.member, *record.value);
  if (record.value->instance) static_members[*record.value->instance] = record.member;
}

void ConsumerGroup::Apply(const TargetEpochRecord& record) { target_epoch = record.value.value_or(0); }

void ConsumerGroup::Apply(const TargetMemberRecord& record) {
  if (record.value) {
    targets[record.member] = *record.value;
  } else {
    targets.erase(record.member);
  }
}

void ConsumerGroup::Disown(const std::string& member) {
  const auto current = currents.find(member);
  if (current == currents.end()) return;
  for (const auto* topics : {&current->second.assigned, &current->second.pending_revocation}) {
    for (const TopicPartition& partition : ToSet(*topics)) {
      const auto owner = owners.find(partition);
      if (owner != owners.end() && owner->second == member) owners.erase(owner);
    }
  }
}

void ConsumerGroup::Apply(const CurrentAssignmentRecord& record) {
  Disown(record.member);
  if (!record.value) {
    currents.erase(record.member);
    return;
  }
  currents[record.member] = *record.value;
  for (const auto* topics : {&record.value->assigned, &record.value->pending_revocation}) {
    for (const TopicPartition& partition : ToSet(*topics)) owners[partition] = record.member;
  }
}

void ConsumerGroup::Apply(const PatternRecord& record) {
  if (record.value) {
    patterns[record.pattern] = *record.value;
  } else {
    patterns.erase(record.pattern);
  }
}

CurrentAssignmentValue ConsumerGroup::Current(const std::string& member) const {
  const auto found = currents.find(member);
  return found == currents.end() ? CurrentAssignmentValue{} : found->second;
}

PartitionSet ConsumerGroup::Target(const std::string& member) const {
  const auto found = targets.find(member);
  return found == targets.end() ? PartitionSet{} : ToSet(found->second);
}

std::set<std::string> ConsumerGroup::SubscribedTopics(const ConsumerMemberValue& member) const {
  std::set<std::string> topics(member.topics.begin(), member.topics.end());
  const auto pattern = patterns.find(member.topic_pattern.value_or(""));
  if (pattern != patterns.end()) topics.insert(pattern->second.topics.begin(), pattern->second.topics.end());
  return topics;
}

bool ConsumerGroup::IsSubscribedTo(const std::string& topic) const {
  return std::ranges::any_of(members, [&](const auto& entry) {
    if (std::ranges::find(entry.second.topics, topic) != entry.second.topics.end()) return true;
    const auto pattern = patterns.find(entry.second.topic_pattern.value_or(""));
    return pattern != patterns.end() &&
           std::ranges::find(pattern->second.topics, topic) != pattern->second.topics.end();
  });
}

std::string_view ConsumerGroup::StateName() const {
  if (members.empty()) return "Empty";
  if (epoch > target_epoch) return "Assigning";
  const bool all_there = std::ranges::all_of(members, [&](const auto& entry) {
    const CurrentAssignmentValue current = Current(entry.first);
    return current.state == MemberState::kStable && current.epoch == target_epoch;
  });
  return all_there ? "Stable" : "Reconciling";
}

std::optional<Instant> ConsumerGroup::Earliest() const {
  std::optional<Instant> earliest;
  for (const auto& [id, member] : deadlines) {
    for (const auto& deadline : {member.session, member.rebalance}) {
      if (deadline && (!earliest || *deadline < *earliest)) earliest = deadline;
    }
  }
  return earliest;
}

}  // namespace chronik::groups
