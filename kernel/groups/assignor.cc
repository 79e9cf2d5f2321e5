// SPDX-License-Identifier: Apache-2.0
#include "kernel/groups/assignor.h"

#include <algorithm>
#include <vector>

namespace chronik::groups {
namespace {

using Load = std::pair<size_t, std::string>;  // how many partitions, whose

// The uniform assignor's work in progress.
class Balance {
 public:
  explicit Balance(const AssignorInput& input) : input_(input) {
    for (const auto& [member, topics] : input.subscriptions) {
      assigned_[member];
      for (const TopicId& topic : topics) subscribers_[topic].push_back(member);
    }
  }

  // What is still wanted stays where it is, but of two owners one.
  void KeepOld() {
    for (const auto& [member, partitions] : input_.before) {
      const auto wants = input_.subscriptions.find(member);
      if (wants == input_.subscriptions.end()) continue;
      for (const TopicPartition& partition : partitions) {
        const auto count = input_.partitions.find(partition.first);
        const bool exists = count != input_.partitions.end() && partition.second < count->second;
        if (exists && wants->second.contains(partition.first) && owners_.emplace(partition, member).second)
          assigned_[member].insert(partition);
      }
    }
  }

  // All members want the same: nobody keeps more than a fair share, the rest goes to those with less.
  void ShareEqually() {
    size_t total = 0;
    for (const auto& [topic, count] : input_.partitions) total += static_cast<size_t>(count);
    const size_t share = total / assigned_.size();
    size_t with_one_more = total % assigned_.size();
    std::map<std::string, size_t> quota;
    std::vector<Load> by_load;
    for (const auto& [member, partitions] : assigned_) by_load.emplace_back(partitions.size(), member);
    std::ranges::stable_sort(by_load, [](const Load& a, const Load& b) { return a.first > b.first; });
    for (const auto& [load, member] : by_load) {
      quota[member] = share + (with_one_more > 0 ? 1 : 0);
      if (with_one_more > 0) --with_one_more;
      PartitionSet& has = assigned_[member];
      while (has.size() > quota[member]) {
        owners_.erase(*std::prev(has.end()));
        has.erase(std::prev(has.end()));
      }
    }
    auto taker = quota.begin();
    for (const TopicPartition& partition : Unassigned()) {
      while (assigned_[taker->first].size() >= taker->second) ++taker;
      Give(partition, taker->first);
    }
  }

  // Members want different topics: the least loaded takes what is free, then single partitions move downhill. Each move
  // lessens the sum of squares of the loads, so this ends.
  void ShareByLoad() {
    for (const TopicPartition& partition : Unassigned()) Give(partition, LeastLoaded(partition.first));
    for (bool moved = true; moved;) {
      moved = false;
      for (const auto& [topic, members] : subscribers_) {
        while (MoveOne(topic)) moved = true;
      }
    }
  }

  AssignorOutput Take() { return std::move(assigned_); }

 private:
  std::vector<TopicPartition> Unassigned() const {
    std::vector<TopicPartition> free;
    for (const auto& [topic, count] : input_.partitions) {
      if (!subscribers_.contains(topic)) continue;
      for (int32_t partition = 0; partition < count; ++partition) {
        if (!owners_.contains({topic, partition})) free.emplace_back(topic, partition);
      }
    }
    return free;
  }

  void Give(const TopicPartition& partition, const std::string& member) {
    owners_[partition] = member;
    assigned_[member].insert(partition);
  }

  const std::string& LeastLoaded(const TopicId& topic) const {
    return *std::ranges::min_element(subscribers_.at(topic), {},
                                     [&](const std::string& member) { return assigned_.at(member).size(); });
  }

  // A partition of this topic from the most loaded who has one to the least loaded who wants one.
  bool MoveOne(const TopicId& topic) {
    const std::string to = LeastLoaded(topic);
    const std::string* from = nullptr;
    for (const std::string& member : subscribers_.at(topic)) {
      const PartitionSet& has = assigned_.at(member);
      const auto first = has.lower_bound({topic, 0});
      if (first == has.end() || first->first != topic) continue;
      if (from == nullptr || has.size() > assigned_.at(*from).size()) from = &member;
    }
    if (from == nullptr || assigned_.at(*from).size() <= assigned_.at(to).size() + 1) return false;
    const TopicPartition partition = *assigned_.at(*from).lower_bound({topic, 0});
    assigned_.at(*from).erase(partition);
    Give(partition, to);
    return true;
  }

  const AssignorInput& input_;
  AssignorOutput assigned_;
  std::map<TopicPartition, std::string> owners_;
  std::map<TopicId, std::vector<std::string>> subscribers_;
};

}  // namespace

AssignorOutput AssignUniform(const AssignorInput& input) {
  if (input.subscriptions.empty()) return {};
  Balance balance(input);
  balance.KeepOld();
  const std::set<TopicId>& first = input.subscriptions.begin()->second;
  const bool all_same =
      std::ranges::all_of(input.subscriptions, [&](const auto& entry) { return entry.second == first; }) &&
      first.size() == input.partitions.size();
  if (all_same) {
    balance.ShareEqually();
  } else {
    balance.ShareByLoad();
  }
  return balance.Take();
}

AssignorOutput AssignRange(const AssignorInput& input) {
  AssignorOutput output;
  std::map<TopicId, std::vector<std::string>> subscribers;
  for (const auto& [member, topics] : input.subscriptions) {
    output[member];
    for (const TopicId& topic : topics) subscribers[topic].push_back(member);
  }
  for (const auto& [topic, members] : subscribers) {
    const auto found = input.partitions.find(topic);
    if (found == input.partitions.end()) continue;
    const auto count = static_cast<size_t>(found->second);
    size_t next = 0;
    for (size_t i = 0; i < members.size(); ++i) {
      const size_t share = count / members.size() + (i < count % members.size() ? 1 : 0);
      for (size_t end = next + share; next < end; ++next) output[members[i]].emplace(topic, static_cast<int32_t>(next));
    }
  }
  return output;
}

}  // namespace chronik::groups
