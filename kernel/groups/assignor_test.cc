// SPDX-License-Identifier: Apache-2.0
// Goal: assignments are complete, even and stable; a member gives up before others get; patterns match whole names at a
// bounded cost. Method: directed cases, and random groups held against these rules.
#include "kernel/groups/assignor.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <ranges>

#include "kernel/groups/reconcile.h"
#include "kernel/groups/topic_pattern.h"

namespace chronik::groups {
namespace {

TopicId TopicOf(uint8_t n) {
  TopicId id;
  id.bytes[0] = n;
  return id;
}

// Every partition that somebody wants has one owner, who wants it.
void ExpectComplete(const AssignorInput& input, const AssignorOutput& output) {
  std::map<TopicPartition, std::string> owners;
  ASSERT_EQ(output.size(), input.subscriptions.size());
  for (const auto& [member, partitions] : output) {
    for (const TopicPartition& partition : partitions) {
      EXPECT_TRUE(input.subscriptions.at(member).contains(partition.first));
      EXPECT_LT(partition.second, input.partitions.at(partition.first));
      EXPECT_TRUE(owners.emplace(partition, member).second) << "two owners";
    }
  }
  size_t wanted = 0;
  for (const auto& [topic, count] : input.partitions) {
    const bool by_any =
        std::ranges::any_of(input.subscriptions, [&, &id = topic](const auto& s) { return s.second.contains(id); });
    wanted += by_any ? static_cast<size_t>(count) : 0;
  }
  EXPECT_EQ(owners.size(), wanted);
}

size_t Moved(const AssignorInput& input, const AssignorOutput& output) {
  size_t moved = 0;
  for (const auto& [member, partitions] : input.before) {
    for (const TopicPartition& partition : partitions)
      moved += output.contains(member) && !output.at(member).contains(partition) ? 1 : 0;
  }
  return moved;
}

TEST(UniformAssignor, GivesEverybodyAsMany) {
  AssignorInput input;
  input.partitions = {{TopicOf(1), 7}, {TopicOf(2), 4}};
  for (const char* member : {"a", "b", "c"}) input.subscriptions[member] = {TopicOf(1), TopicOf(2)};
  const AssignorOutput output = AssignUniform(input);
  ExpectComplete(input, output);
  for (const auto& [member, partitions] : output) {
    EXPECT_GE(partitions.size(), 3u);
    EXPECT_LE(partitions.size(), 4u);
  }
}

TEST(UniformAssignor, MovesOnlyWhatANewMemberNeeds) {
  AssignorInput input;
  input.partitions = {{TopicOf(1), 9}};
  for (const char* member : {"a", "b"}) input.subscriptions[member] = {TopicOf(1)};
  input.before = AssignUniform(input);
  input.subscriptions["c"] = {TopicOf(1)};
  const AssignorOutput output = AssignUniform(input);
  ExpectComplete(input, output);
  EXPECT_EQ(output.at("c").size(), 3u);
  EXPECT_EQ(Moved(input, output), 3u);
}

TEST(UniformAssignor, MovesNothingOfThoseWhoStay) {
  AssignorInput input;
  input.partitions = {{TopicOf(1), 9}};
  for (const char* member : {"a", "b", "c"}) input.subscriptions[member] = {TopicOf(1)};
  input.before = AssignUniform(input);
  input.subscriptions.erase("b");
  const AssignorOutput output = AssignUniform(input);
  ExpectComplete(input, output);
  EXPECT_EQ(Moved(input, output), 0u);
}

TEST(UniformAssignor, NobodyGetsWhatItDoesNotWant) {
  AssignorInput input;
  input.partitions = {{TopicOf(1), 6}, {TopicOf(2), 2}};
  input.subscriptions = {{"a", {TopicOf(1), TopicOf(2)}}, {"b", {TopicOf(1)}}, {"c", {}}};
  const AssignorOutput output = AssignUniform(input);
  ExpectComplete(input, output);
  EXPECT_EQ(output.at("a").size(), 4u);
  EXPECT_EQ(output.at("b").size(), 4u);
  EXPECT_TRUE(output.at("c").empty());
}

TEST(RangeAssignor, NeighboursGoTogetherInEveryTopic) {
  AssignorInput input;
  input.partitions = {{TopicOf(1), 5}, {TopicOf(2), 5}};
  for (const char* member : {"a", "b"}) input.subscriptions[member] = {TopicOf(1), TopicOf(2)};
  const AssignorOutput output = AssignRange(input);
  ExpectComplete(input, output);
  for (const uint8_t topic : {1, 2}) {
    for (const int32_t partition : {0, 1, 2}) EXPECT_TRUE(output.at("a").contains({TopicOf(topic), partition}));
    for (const int32_t partition : {3, 4}) EXPECT_TRUE(output.at("b").contains({TopicOf(topic), partition}));
  }
}

TEST(RangeAssignor, SomeGetNothingOfASmallTopic) {
  AssignorInput input;
  input.partitions = {{TopicOf(1), 1}};
  for (const char* member : {"a", "b"}) input.subscriptions[member] = {TopicOf(1), TopicOf(9)};
  const AssignorOutput output = AssignRange(input);
  EXPECT_EQ(output.at("a").size(), 1u);
  EXPECT_TRUE(output.at("b").empty());
}

// In a history of groups that grow, shrink and change their topics.
TEST(Assignors, KeepTheirPromisesInRandomGroups) {
  std::mt19937 random(7);
  const auto below = [&](size_t n) { return random() % n; };
  for (int round = 0; round < 300; ++round) {
    const bool all_the_same = below(2) == 0;
    AssignorInput input;
    for (int step = 0; step < 8; ++step) {
      const size_t topics = 1 + below(4);
      input.partitions.clear();
      input.subscriptions.clear();
      for (size_t t = 1; t <= topics; ++t)
        input.partitions[TopicOf(static_cast<uint8_t>(t))] = static_cast<int32_t>(below(12));
      for (size_t m = 0; m <= below(6); ++m) {
        std::set<TopicId>& wants = input.subscriptions["m" + std::to_string(below(8))];
        for (const auto& [topic, count] : input.partitions) {
          if (all_the_same || below(2) == 0) wants.insert(topic);
        }
      }
      const AssignorOutput uniform = AssignUniform(input);
      ExpectComplete(input, uniform);
      ExpectComplete(input, AssignRange(input));
      if (all_the_same) {
        const auto size = [](const auto& entry) { return entry.second.size(); };
        const auto [least, most] = std::ranges::minmax(uniform | std::views::transform(size));
        EXPECT_LE(most, least + 1);
      }
      input.before = uniform;
      EXPECT_EQ(Moved(input, AssignUniform(input)), 0u) << "again, with nothing new";
    }
  }
}

// ---- reconciling ----

const auto kAllFree = [](const TopicPartition&) { return true; };

TEST(Reconcile, GivesUpBeforeItGets) {
  const PartitionSet old = {{TopicOf(1), 0}, {TopicOf(1), 1}};
  const PartitionSet target = {{TopicOf(1), 0}, {TopicOf(1), 2}};
  const CurrentAssignmentValue current{3, 2, MemberState::kStable, ToTopics(old), {}};
  const CurrentAssignmentValue told = Reconcile({current, 4, target, std::nullopt, kAllFree});
  EXPECT_EQ(told.state, MemberState::kUnrevokedPartitions);
  EXPECT_EQ(told.epoch, 3);
  EXPECT_EQ(ToSet(told.assigned), (PartitionSet{{TopicOf(1), 0}}));
  EXPECT_EQ(ToSet(told.pending_revocation), (PartitionSet{{TopicOf(1), 1}}));
  EXPECT_EQ(Reconcile({told, 4, target, std::nullopt, kAllFree}), told);  // it has not said so
  EXPECT_EQ(Reconcile({told, 4, target, old, kAllFree}), told);           // it still has it
  const CurrentAssignmentValue done = Reconcile({told, 4, target, ToSet(told.assigned), kAllFree});
  EXPECT_EQ(done.state, MemberState::kStable);
  EXPECT_EQ(done.epoch, 4);
  EXPECT_EQ(done.previous_epoch, 3);
  EXPECT_EQ(ToSet(done.assigned), target);
}

TEST(Reconcile, WaitsForWhatOthersStillHave) {
  const PartitionSet target = {{TopicOf(1), 0}, {TopicOf(1), 1}};
  const auto first_is_free = [](const TopicPartition& partition) { return partition.second == 0; };
  const CurrentAssignmentValue waits = Reconcile({{}, 4, target, PartitionSet{}, first_is_free});
  EXPECT_EQ(waits.state, MemberState::kUnreleasedPartitions);
  EXPECT_EQ(waits.epoch, 4);
  EXPECT_EQ(ToSet(waits.assigned), (PartitionSet{{TopicOf(1), 0}}));
  EXPECT_EQ(Reconcile({waits, 4, target, std::nullopt, first_is_free}), waits);
  const CurrentAssignmentValue done = Reconcile({waits, 4, target, std::nullopt, kAllFree});
  EXPECT_EQ(done.state, MemberState::kStable);
  EXPECT_EQ(ToSet(done.assigned), target);
}

// ---- patterns ----

TEST(TopicPattern, MatchesWholeNames) {
  const auto found = MatchTopics("foo.*|bar", {"foo", "foo-1", "a-foo", "bar", "bars"});
  ASSERT_TRUE(found.ok()) << found.error();
  EXPECT_EQ(*found, (std::vector<std::string>{"foo", "foo-1", "bar"}));
}

TEST(TopicPattern, RefusesWhatItCannotBound) {
  EXPECT_FALSE(MatchTopics("(", {}).ok());
  EXPECT_FALSE(MatchTopics("(a)\\1", {}).ok());                // a back-reference takes exponential time
  EXPECT_FALSE(MatchTopics("((a{100}){100}){100}", {}).ok());  // a program of millions of instructions
  EXPECT_FALSE(MatchTopics(std::string(kMaxPatternBytes + 1, 'a'), {}).ok());
}

TEST(TopicPattern, TakesLinearTime) {
  const auto found = MatchTopics("(a*)*b", {std::string(249, 'a')});
  ASSERT_TRUE(found.ok());
  EXPECT_TRUE(found->empty());
}

}  // namespace
}  // namespace chronik::groups
