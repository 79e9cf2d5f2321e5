// SPDX-License-Identifier: Apache-2.0
// The state of one consumer group (KIP-848): a function of its records, but for the deadlines. The group's epoch grows
// with every change of members, subscriptions or topics; the target assignment is computed for an epoch; each member
// moves to it by itself, giving up partitions before others get them, and is then at that epoch.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "kernel/base/clock.h"
#include "kernel/base/ids.h"
#include "kernel/groups/record.h"

namespace chronik::groups {

using TopicPartition = std::pair<TopicId, int32_t>;
using PartitionSet = std::set<TopicPartition>;

size_t BytesOf(const std::string& id, const ConsumerMemberValue& member);
PartitionSet ToSet(const std::vector<TopicPartitions>& topics);
std::vector<TopicPartitions> ToTopics(const PartitionSet& partitions);  // ascending

inline constexpr int32_t kJoiningEpoch = 0;
inline constexpr int32_t kLeavingEpoch = -1;
inline constexpr int32_t kStaticLeavingEpoch = -2;  // a static member that will be back before its session ends

struct ConsumerMemberDeadlines {
  std::optional<Instant> session;
  std::optional<Instant> rebalance;  // to give up what it must give up
};

struct ConsumerGroup {
  int32_t epoch = 0;
  int64_t metadata_hash = 0;
  int32_t target_epoch = 0;
  // By member. Compaction may leave them in any order, so none waits for another.
  std::map<std::string, ConsumerMemberValue> members;
  std::map<std::string, std::vector<TopicPartitions>> targets;
  std::map<std::string, CurrentAssignmentValue> currents;
  std::map<std::string, PatternValue> patterns;  // resolved

  // Derived.
  std::map<std::string, std::string> static_members;  // instance to member
  std::map<TopicPartition, std::string> owners;       // assigned to, or not yet given up by
  std::map<std::string, ConsumerMemberDeadlines> deadlines;
  size_t bytes = 0;  // of what the members sent
  // Which version of the topics was looked at; nullopt: none by this coordinator.
  std::optional<int64_t> checked_version;
  std::map<std::string, int64_t> checked_patterns;

  void Apply(const ConsumerGroupRecord& record);
  void Apply(const ConsumerMemberRecord& record);
  void Apply(const TargetEpochRecord& record);
  void Apply(const TargetMemberRecord& record);
  void Apply(const CurrentAssignmentRecord& record);
  void Apply(const PatternRecord& record);
  void Apply(const PartitionMetadataRecord& /*of Kafka before 4.1; nothing in it is needed*/) {}

  CurrentAssignmentValue Current(const std::string& member) const;
  PartitionSet Target(const std::string& member) const;
  // The names it is subscribed to, those of its pattern included.
  std::set<std::string> SubscribedTopics(const ConsumerMemberValue& member) const;
  bool IsSubscribedTo(const std::string& topic) const;
  std::string_view StateName() const;
  std::optional<Instant> Earliest() const;

 private:
  void Disown(const std::string& member);
};

}  // namespace chronik::groups
