// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "kernel/groups/assignor.h"
#include "kernel/groups/consumer_protocol.h"
#include "kernel/groups/topic_pattern.h"

namespace chronik::groups {

// A pattern is resolved when it is new and when the topics have changed since; the record says what it stands for, so
// that a coordinator that moved does not see a change where there is none.
void ConsumerProtocol::RefreshPatterns(Group& group) {
  ConsumerGroup& consumer = *group.consumer();
  std::set<std::string> used;
  for (const auto& [id, member] : consumer.members) {
    if (member.topic_pattern) used.insert(*member.topic_pattern);
  }
  std::vector<std::string> unused;
  for (const auto& [pattern, value] : consumer.patterns) {
    if (!used.contains(pattern)) unused.push_back(pattern);
  }
  for (const std::string& pattern : unused) {
    core_.Emit(PatternRecord{group.name, pattern, std::nullopt});
    consumer.checked_patterns.erase(pattern);
  }
  const int64_t version = topics_.Version();
  std::optional<std::vector<std::string>> names;
  for (const std::string& pattern : used) {
    const auto checked = consumer.checked_patterns.find(pattern);
    if (checked != consumer.checked_patterns.end() && checked->second == version) continue;
    if (!names) names = topics_.Names();
    const auto matching = MatchTopics(pattern, *names);
    const std::vector<std::string> found = matching ? *matching : std::vector<std::string>();  // was checked before
    consumer.checked_patterns[pattern] = version;
    const auto known = consumer.patterns.find(pattern);
    if (known == consumer.patterns.end() || known->second.topics != found)
      core_.Emit(PatternRecord{group.name, pattern, PatternValue{found, version, core_.now.wall}});
  }
}

// FNV-1a over what an assignment depends on. Kafka's hash is another one; a group that comes from there is assigned
// anew once.
int64_t ConsumerProtocol::MetadataHash(const ConsumerGroup& group) const {
  std::set<std::string> names;
  for (const auto& [id, member] : group.members) names.merge(group.SubscribedTopics(member));
  uint64_t hash = 0xcbf29ce484222325;
  const auto add = [&](const void* data, size_t size) {
    for (size_t i = 0; i < size; ++i) hash = (hash ^ static_cast<const uint8_t*>(data)[i]) * 0x100000001b3;
  };
  bool any = false;
  for (const std::string& name : names) {
    const std::optional<Topics::Topic> topic = topics_.Find(name);
    if (!topic) continue;
    any = true;
    add(topic->id.bytes.data(), topic->id.bytes.size());
    add(&topic->partitions, sizeof topic->partitions);
  }
  return any ? static_cast<int64_t>(hash) : 0;
}

void ConsumerProtocol::RefreshEpoch(Group& group, bool subscriptions_changed) {
  ConsumerGroup& consumer = *group.consumer();
  const int64_t version = topics_.Version();
  if (!subscriptions_changed && consumer.checked_version == version) return;
  consumer.checked_version = version;
  const int64_t hash = MetadataHash(consumer);
  if (!subscriptions_changed && hash == consumer.metadata_hash) return;
  core_.Emit(ConsumerGroupRecord{group.name, ConsumerGroupValue{consumer.epoch + 1, hash}});
}

std::string ConsumerProtocol::PreferredAssignor(const ConsumerGroup& group) const {
  std::map<std::string, size_t> votes;
  for (const auto& [id, member] : group.members) {
    if (member.assignor && IsAssignor(*member.assignor)) ++votes[*member.assignor];
  }
  std::string best = core_.options.default_assignor;
  size_t most = votes.contains(best) ? votes.at(best) : 0;
  for (const auto& [assignor, count] : votes) {
    if (count <= most) continue;
    best = assignor;
    most = count;
  }
  return best;
}

void ConsumerProtocol::AssignTargets(Group& group) {
  ConsumerGroup& consumer = *group.consumer();
  if (consumer.epoch <= consumer.target_epoch) return;
  AssignorInput input;
  for (const auto& [id, member] : consumer.members) {
    std::set<TopicId>& wanted = input.subscriptions[id];
    for (const std::string& name : consumer.SubscribedTopics(member)) {
      const std::optional<Topics::Topic> topic = topics_.Find(name);
      if (!topic) continue;
      wanted.insert(topic->id);
      input.partitions[topic->id] = topic->partitions;
    }
    input.before[id] = consumer.Target(id);
  }
  for (const auto& [id, partitions] : Assign(PreferredAssignor(consumer), input)) {
    const bool same = consumer.targets.contains(id) && partitions == input.before.at(id);
    if (!same) core_.Emit(TargetMemberRecord{group.name, id, ToTopics(partitions)});
  }
  core_.Emit(TargetEpochRecord{group.name, consumer.epoch});
}

// ---- ConsumerGroupDescribe ----

std::vector<NamedPartitions> ConsumerProtocol::Named(const std::vector<TopicPartitions>& topics) const {
  std::vector<NamedPartitions> named;
  for (const TopicPartitions& t : topics) {
    const std::optional<Topics::Topic> topic = topics_.Find(t.topic);
    named.push_back({t.topic, topic ? topic->name : "", t.partitions});
  }
  return named;
}

ConsumerGroupDescribeReply::Group ConsumerProtocol::Describe(const std::string& name) {
  ConsumerGroupDescribeReply::Group described;
  described.id = name;
  Group* const group = core_.Find(name);
  if (group == nullptr || group->consumer() == nullptr) {
    described.error = GroupError::kGroupIdNotFound;
    return described;
  }
  const ConsumerGroup& consumer = *group->consumer();
  described.state = consumer.StateName();
  described.epoch = consumer.epoch;
  described.assignment_epoch = consumer.target_epoch;
  described.assignor = PreferredAssignor(consumer);
  for (const auto& [id, member] : consumer.members) {
    const CurrentAssignmentValue current = consumer.Current(id);
    const auto target = consumer.targets.find(id);
    described.members.push_back(
        {id, member.instance, member.rack, current.epoch, member.client_id, member.client_host, member.topics,
         member.topic_pattern, Named(current.assigned),
         Named(target == consumer.targets.end() ? std::vector<TopicPartitions>() : target->second)});
  }
  return described;
}

}  // namespace chronik::groups
