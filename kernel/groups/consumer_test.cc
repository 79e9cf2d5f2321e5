// SPDX-License-Identifier: Apache-2.0
// Goal: consumer groups (KIP-848) join, reconcile, fence and forget members as Kafka's do. Method: heartbeats to one
// coordinator whose log a second one replays (test_coordinator.h).
#include <gtest/gtest.h>

#include "kernel/groups/assignor.h"
#include "kernel/groups/test_coordinator.h"

namespace chronik::groups {
namespace {

using HeartbeatOf = ConsumerGroupHeartbeat;
using BeatReply = ConsumerGroupHeartbeatReply;

HeartbeatOf JoinConsumer(const std::string& member, std::vector<std::string> topics = {"t"}) {
  HeartbeatOf beat;
  beat.group = "g";
  beat.member = member;
  beat.client = {"client", "/host"};
  beat.rebalance_timeout = 60s;
  beat.topics = std::move(topics);
  beat.owned.emplace();
  return beat;
}

HeartbeatOf BeatOf(const std::string& member, int32_t epoch) {
  HeartbeatOf beat;
  beat.group = "g";
  beat.member = member;
  beat.client = {"client", "/host"};
  beat.epoch = epoch;
  return beat;
}

HeartbeatOf BeatOwning(const std::string& member, int32_t epoch, const PartitionSet& owned) {
  HeartbeatOf beat = BeatOf(member, epoch);
  beat.owned = ToTopics(owned);
  return beat;
}

class Consumers : public testing::Test {
 protected:
  Consumers() { c.topics.Set("t", 4); }

  BeatReply Beat(const HeartbeatOf& beat) { return c.Ask<BeatReply>(beat); }
  GroupError ErrorOf(const HeartbeatOf& beat) { return Beat(beat).error; }
  TopicPartition T(int32_t partition) { return {c.topics.Find("t")->id, partition}; }
  std::string State() { return Described().state; }
  ConsumerGroupDescribeReply::Group Described() {
    return c.Ask<ConsumerGroupDescribeReply>(ConsumerGroupDescribe{{"g"}}).groups[0];
  }
  PartitionSet Join(const std::string& member) { return ToSet(Beat(JoinConsumer(member)).assignment.value()); }

  TestCoordinator c;
};

TEST_F(Consumers, TheFirstMemberGetsEverything) {
  const BeatReply reply = Beat(JoinConsumer("a"));
  EXPECT_EQ(reply.error, GroupError::kNone);
  EXPECT_EQ(reply.member, "a");
  EXPECT_EQ(reply.epoch, 1);
  EXPECT_EQ(reply.heartbeat_interval, 5s);
  EXPECT_EQ(ToSet(*reply.assignment), (PartitionSet{T(0), T(1), T(2), T(3)}));
  EXPECT_EQ(State(), "Stable");
  const BeatReply next = Beat(BeatOf("a", 1));
  EXPECT_EQ(next.epoch, 1);
  EXPECT_FALSE(next.assignment);
}

TEST_F(Consumers, AMemberWithoutAnIdGetsOne) { EXPECT_EQ(Beat(JoinConsumer("")).member, "u1"); }

TEST_F(Consumers, ChecksTheRequest) {
  HeartbeatOf beat = JoinConsumer("a");
  beat.group = "";
  EXPECT_EQ(ErrorOf(beat), GroupError::kInvalidGroupId);
  beat = JoinConsumer("a");
  beat.rebalance_timeout.reset();
  EXPECT_EQ(ErrorOf(beat), GroupError::kInvalidRequest);
  beat = JoinConsumer("a");
  beat.topics.reset();
  EXPECT_EQ(ErrorOf(beat), GroupError::kInvalidRequest);
  beat = JoinConsumer("a");
  beat.owned = ToTopics({T(0)});
  EXPECT_EQ(ErrorOf(beat), GroupError::kInvalidRequest);
  beat = JoinConsumer("a");
  beat.instance = "";
  EXPECT_EQ(ErrorOf(beat), GroupError::kInvalidRequest);
  beat = JoinConsumer("a");
  beat.assignor = "mine";
  EXPECT_EQ(ErrorOf(beat), GroupError::kUnsupportedAssignor);
  EXPECT_EQ(ErrorOf(BeatOf("", 1)), GroupError::kInvalidRequest);
  EXPECT_EQ(ErrorOf(BeatOf("a", -3)), GroupError::kInvalidRequest);
  EXPECT_EQ(ErrorOf(BeatOf("a", -2)), GroupError::kInvalidRequest);
  EXPECT_EQ(ErrorOf(BeatOf("a", 1)), GroupError::kGroupIdNotFound);
  EXPECT_EQ(c.coordinator().group_count(), 0u);
  Join("a");
  EXPECT_EQ(ErrorOf(BeatOf("b", 1)), GroupError::kUnknownMemberId);
}

TEST_F(Consumers, AFullGroupTakesNobodyMore) {
  Options options;
  options.max_consumer_group_size = 1;
  TestCoordinator small(options);
  EXPECT_EQ(small.Ask<BeatReply>(JoinConsumer("a")).error, GroupError::kNone);
  EXPECT_EQ(small.Ask<BeatReply>(JoinConsumer("b")).error, GroupError::kGroupMaxSizeReached);
  EXPECT_EQ(small.Ask<BeatReply>(JoinConsumer("a")).error, GroupError::kNone);
}

TEST_F(Consumers, AGroupTakesSoMuchMemory) {
  Options options;
  options.max_group_bytes = 1000;
  TestCoordinator small(options);
  EXPECT_EQ(small.Ask<BeatReply>(JoinConsumer("a", {std::string(600, 'x')})).error, GroupError::kNone);
  EXPECT_EQ(small.Ask<BeatReply>(JoinConsumer("b", {std::string(600, 'x')})).error, GroupError::kGroupMaxSizeReached);
}

TEST_F(Consumers, ANewMemberGetsWhatOthersHaveGivenUp) {
  const PartitionSet all = Join("a");
  const BeatReply b = Beat(JoinConsumer("b"));
  EXPECT_EQ(b.epoch, 2);
  EXPECT_TRUE(b.assignment->empty());  // a has it all
  EXPECT_EQ(State(), "Reconciling");
  const BeatReply a = Beat(BeatOf("a", 1));
  EXPECT_EQ(a.epoch, 1);
  const PartitionSet keeps = ToSet(a.assignment.value());
  EXPECT_EQ(keeps.size(), 2u);
  EXPECT_FALSE(Beat(BeatOf("b", 2)).assignment);
  EXPECT_FALSE(Beat(BeatOwning("a", 1, all)).assignment);  // not yet
  EXPECT_FALSE(Beat(BeatOf("b", 2)).assignment);
  EXPECT_EQ(Beat(BeatOwning("a", 1, keeps)).epoch, 2);
  const BeatReply gets = Beat(BeatOf("b", 2));
  ASSERT_TRUE(gets.assignment);
  PartitionSet both = ToSet(*gets.assignment);
  EXPECT_EQ(both.size(), 2u);
  both.insert(keeps.begin(), keeps.end());
  EXPECT_EQ(both, all);
  EXPECT_EQ(State(), "Stable");
}

TEST_F(Consumers, WhoDoesNotGiveUpInTimeIsOut) {
  const PartitionSet all = Join("a");
  Beat(JoinConsumer("b"));
  Beat(BeatOf("a", 1));
  for (int i = 0; i < 6; ++i) {
    EXPECT_EQ(ErrorOf(BeatOwning("a", 1, all)), GroupError::kNone);
    EXPECT_EQ(ErrorOf(BeatOf("b", 2)), GroupError::kNone);
    c.Advance(10s);
  }
  EXPECT_EQ(ErrorOf(BeatOwning("a", 1, all)), GroupError::kUnknownMemberId);
  EXPECT_EQ(ToSet(Beat(BeatOf("b", 2)).assignment.value()), all);
}

TEST_F(Consumers, AMemberThatFallsSilentIsOut) {
  Join("a");
  c.Advance(44s);
  EXPECT_EQ(ErrorOf(BeatOf("a", 1)), GroupError::kNone);
  c.Advance(45s);
  EXPECT_EQ(ErrorOf(BeatOf("a", 1)), GroupError::kUnknownMemberId);
  EXPECT_EQ(State(), "Empty");
}

TEST_F(Consumers, AMemberMayLeave) {
  Join("a");
  Beat(JoinConsumer("b"));
  const BeatReply left = Beat(BeatOf("a", -1));
  EXPECT_EQ(left.error, GroupError::kNone);
  EXPECT_EQ(left.epoch, -1);
  EXPECT_EQ(ErrorOf(BeatOf("a", -1)), GroupError::kUnknownMemberId);
  EXPECT_EQ(ToSet(Beat(BeatOf("b", 2)).assignment.value()).size(), 4u);
}

TEST_F(Consumers, AnEpochThatIsNotTheMembersIsFenced) {
  Join("a");
  EXPECT_EQ(ErrorOf(BeatOf("a", 2)), GroupError::kFencedMemberEpoch);
  Beat(JoinConsumer("b"));
  const PartitionSet keeps = ToSet(Beat(BeatOf("a", 1)).assignment.value());
  EXPECT_EQ(Beat(BeatOwning("a", 1, keeps)).epoch, 2);
  // The answer may have been lost: it comes with the epoch before, and nothing that it must not have.
  const BeatReply again = Beat(BeatOwning("a", 1, keeps));
  EXPECT_EQ(again.epoch, 2);
  EXPECT_EQ(ToSet(again.assignment.value()), keeps);
  EXPECT_EQ(ErrorOf(BeatOf("a", 1)), GroupError::kFencedMemberEpoch);
  EXPECT_EQ(ErrorOf(BeatOwning("a", 1, {T(0), T(1), T(2), T(3)})), GroupError::kFencedMemberEpoch);
  c.topics.Set("t", 5);
  Beat(BeatOf("a", 2));
  EXPECT_EQ(ErrorOf(BeatOwning("a", 1, {})), GroupError::kFencedMemberEpoch);
}

TEST_F(Consumers, AMemberThatJoinsAgainHasNothing) {
  Join("a");
  const BeatReply again = Beat(JoinConsumer("a"));
  EXPECT_EQ(again.error, GroupError::kNone);
  EXPECT_EQ(again.epoch, 1);
  EXPECT_EQ(again.assignment->at(0).partitions.size(), 4u);
}

TEST_F(Consumers, MorePartitionsAreAssignedAtTheNextHeartbeat) {
  Join("a");
  c.topics.Set("t", 6);
  const BeatReply reply = Beat(BeatOf("a", 1));
  EXPECT_EQ(reply.epoch, 2);
  EXPECT_EQ(ToSet(*reply.assignment).size(), 6u);
  c.topics.Set("unrelated", 1);
  EXPECT_EQ(Beat(BeatOf("a", 2)).epoch, 2);
}

TEST_F(Consumers, PartitionsOfADeletedTopicAreGivenUp) {
  Join("a");
  c.topics.Remove("t");
  EXPECT_TRUE(Beat(BeatOf("a", 1)).assignment->empty());
  EXPECT_EQ(Beat(BeatOwning("a", 1, {})).epoch, 2);
}

TEST_F(Consumers, ASubscriptionMayChange) {
  c.topics.Set("s", 1);
  const PartitionSet of_t = Join("a");
  HeartbeatOf beat = BeatOf("a", 1);
  beat.topics = {"s"};
  EXPECT_TRUE(Beat(beat).assignment->empty());
  const BeatReply reply = Beat(BeatOwning("a", 1, {}));
  EXPECT_EQ(reply.epoch, 2);
  EXPECT_EQ(ToSet(*reply.assignment), (PartitionSet{{c.topics.Find("s")->id, 0}}));
}

TEST_F(Consumers, TheAssignorIsChosenByVote) {
  HeartbeatOf a = JoinConsumer("a");
  a.assignor = "range";
  Beat(a);
  EXPECT_EQ(Described().assignor, "range");
  Beat(JoinConsumer("b"));
  HeartbeatOf d = JoinConsumer("d");
  d.assignor = "uniform";
  Beat(d);
  EXPECT_EQ(Described().assignor, "uniform");  // one vote each; that is the default
}

// ---- patterns ----

TEST_F(Consumers, APatternStandsForTheTopicsThatMatch) {
  c.topics.Set("tea", 1);
  HeartbeatOf beat = JoinConsumer("a", {});
  beat.topic_pattern = "t.*";
  EXPECT_EQ(ToSet(Beat(beat).assignment.value()).size(), 5u);
  c.topics.Set("toast", 2);
  const BeatReply more = Beat(BeatOf("a", 1));
  EXPECT_EQ(more.epoch, 2);
  EXPECT_EQ(ToSet(*more.assignment).size(), 7u);
  HeartbeatOf without = BeatOf("a", 2);
  without.topic_pattern = "";
  Beat(without);
  EXPECT_FALSE(Described().members[0].topic_pattern);
  EXPECT_EQ(Beat(BeatOwning("a", 2, {})).epoch, 3);
}

TEST_F(Consumers, ABadPatternIsRefusedWithAReason) {
  HeartbeatOf beat = JoinConsumer("a", {});
  beat.topic_pattern = "(";
  const BeatReply reply = Beat(beat);
  EXPECT_EQ(reply.error, GroupError::kInvalidRegularExpression);
  EXPECT_FALSE(reply.message.empty());
}

// ---- static members ----

TEST_F(Consumers, AStaticMemberMayLeaveForAWhile) {
  HeartbeatOf old = JoinConsumer("a");
  old.instance = "i";
  const PartitionSet all = ToSet(Beat(old).assignment.value());
  HeartbeatOf young = JoinConsumer("b");
  young.instance = "i";
  EXPECT_EQ(ErrorOf(young), GroupError::kUnreleasedInstanceId);
  HeartbeatOf leaves = BeatOf("a", -2);
  leaves.instance = "i";
  EXPECT_EQ(Beat(leaves).epoch, -2);
  EXPECT_TRUE(Beat(JoinConsumer("c")).assignment->empty());  // it is still there
  const BeatReply back = Beat(young);
  EXPECT_EQ(back.error, GroupError::kNone);
  EXPECT_EQ(ToSet(*back.assignment).size(), 2u);
  HeartbeatOf beat = BeatOf("a", 1);
  beat.instance = "i";
  EXPECT_EQ(ErrorOf(beat), GroupError::kFencedInstanceId);
  beat.epoch = -1;
  EXPECT_EQ(ErrorOf(beat), GroupError::kFencedInstanceId);
  EXPECT_EQ(Described().members.size(), 2u);
}

TEST_F(Consumers, AStaticMemberThatIsBackInTimeChangesNothingForOthers) {
  HeartbeatOf old = JoinConsumer("a");
  old.instance = "i";
  Beat(old);
  HeartbeatOf leaves = BeatOf("a", -2);
  leaves.instance = "i";
  Beat(leaves);
  HeartbeatOf young = JoinConsumer("b");
  young.instance = "i";
  EXPECT_EQ(Beat(young).epoch, 1);
  EXPECT_EQ(Described().epoch, 1);
}

TEST_F(Consumers, AStaticMemberThatStaysAwayIsOut) {
  HeartbeatOf old = JoinConsumer("a");
  old.instance = "i";
  Beat(old);
  HeartbeatOf leaves = BeatOf("a", -2);
  leaves.instance = "i";
  Beat(leaves);
  c.Advance(45s);
  EXPECT_EQ(State(), "Empty");
}

// ---- offsets, admin, moves ----

TEST_F(Consumers, OffsetsNeedTheMembersEpoch) {
  Join("a");
  OffsetCommit commit = CommitOf("t", 1, 42);
  EXPECT_EQ(c.Ask<OffsetCommitReply>(commit).partitions[0].error, GroupError::kUnknownMemberId);
  commit.member = "a";
  commit.generation = 1;
  EXPECT_EQ(c.Ask<OffsetCommitReply>(commit).partitions[0].error, GroupError::kNone);
  commit.generation = 2;
  EXPECT_EQ(c.Ask<OffsetCommitReply>(commit).partitions[0].error, GroupError::kStaleMemberEpoch);
  commit.version = 8;
  EXPECT_EQ(c.Ask<OffsetCommitReply>(commit).partitions[0].error, GroupError::kUnsupportedVersion);
  OffsetFetch fetch = FetchOf("t", 1);
  EXPECT_EQ(c.Ask<OffsetFetchReply>(fetch).partitions[0].offset, 42);
  fetch.member = "a";
  fetch.member_epoch = 1;
  EXPECT_EQ(c.Ask<OffsetFetchReply>(fetch).partitions[0].offset, 42);
  fetch.member_epoch = 2;
  EXPECT_EQ(c.Ask<OffsetFetchReply>(fetch).error, GroupError::kStaleMemberEpoch);
  fetch.member = "b";
  EXPECT_EQ(c.Ask<OffsetFetchReply>(fetch).error, GroupError::kUnknownMemberId);
  EXPECT_EQ(c.Ask<OffsetDeleteReply>(OffsetDelete{"g", {{"t", {1}}}}).partitions[0].error,
            GroupError::kGroupSubscribedToTopic);
}

TEST_F(Consumers, TheGroupIsListedDescribedAndDeleted) {
  const PartitionSet all = Join("a");
  const auto listed = c.Ask<ListGroupsReply>(ListGroups{{}, {"consumer"}});
  ASSERT_EQ(listed.groups.size(), 1u);
  EXPECT_EQ(listed.groups[0].state, "Stable");
  const auto group = Described();
  ASSERT_EQ(group.members.size(), 1u);
  EXPECT_EQ(group.epoch, 1);
  EXPECT_EQ(group.assignment_epoch, 1);
  EXPECT_EQ(group.members[0].topics, (std::vector<std::string>{"t"}));
  EXPECT_EQ(group.members[0].assignment[0].name, "t");
  EXPECT_EQ(group.members[0].target[0].partitions.size(), 4u);
  EXPECT_EQ(c.Ask<DescribeGroupsReply>(DescribeGroups{{"g"}}).groups[0].error, GroupError::kGroupIdNotFound);
  EXPECT_EQ(c.Ask<DeleteGroupsReply>(DeleteGroups{{"g"}}).groups[0].error, GroupError::kNonEmptyGroup);
  Beat(BeatOf("a", -1));
  EXPECT_EQ(c.Ask<DeleteGroupsReply>(DeleteGroups{{"g"}}).groups[0].error, GroupError::kNone);
  EXPECT_EQ(c.coordinator().group_count(), 0u);
}

TEST_F(Consumers, AnEmptyGroupExpires) {
  Join("a");
  Beat(BeatOf("a", -1));
  c.Advance(20min);
  EXPECT_EQ(c.coordinator().group_count(), 0u);
}

TEST_F(Consumers, AMoveKeepsMembersAndForcesNothing) {
  const PartitionSet all = Join("a");
  Beat(JoinConsumer("b"));
  const PartitionSet keeps = ToSet(Beat(BeatOf("a", 1)).assignment.value());
  c.Advance(40s);
  c.Fail();
  c.Advance(40s);
  EXPECT_EQ(Beat(BeatOwning("a", 1, keeps)).epoch, 2);
  EXPECT_EQ(ToSet(Beat(BeatOf("b", 2)).assignment.value()).size(), 2u);
  EXPECT_EQ(Described().epoch, 2);
}

TEST_F(Consumers, AMoveKeepsTheTimeToGiveUpWithinBounds) {
  const PartitionSet all = Join("a");
  Beat(JoinConsumer("b"));
  Beat(BeatOf("a", 1));
  c.Fail();
  for (int i = 0; i < 6; ++i) {
    EXPECT_EQ(ErrorOf(BeatOwning("a", 1, all)), GroupError::kNone);
    c.Advance(10s);
  }
  EXPECT_EQ(ErrorOf(BeatOwning("a", 1, all)), GroupError::kUnknownMemberId);
}

TEST_F(Consumers, ALostHeartbeatIsAsIfItHadNotBeen) {
  Join("a");
  c.HoldCommits();
  const uint64_t token = c.Send(JoinConsumer("b"));
  c.Fail();
  c.Commit();
  EXPECT_EQ(c.TakeAs<BeatReply>(token)->error, GroupError::kNotCoordinator);
  EXPECT_EQ(Described().epoch, 1);
  EXPECT_EQ(Described().members.size(), 1u);
}

// ---- the other protocol ----

TEST_F(Consumers, AndClassicMembersDoNotMix) {
  Join("a");
  EXPECT_EQ(c.Ask<JoinGroupReply>(JoinOf("")).error, GroupError::kInconsistentGroupProtocol);
  JoinGroup other = JoinOf("");
  other.group = "h";
  c.Send(other);
  HeartbeatOf beat = JoinConsumer("b");
  beat.group = "h";
  EXPECT_EQ(ErrorOf(beat), GroupError::kGroupIdNotFound);
}

TEST_F(Consumers, AGroupWithoutMembersMayChangeItsProtocol) {
  const uint64_t classic = c.Send(JoinOf(""));
  c.Ask<OffsetCommitReply>([] {
    OffsetCommit other = CommitOf("t", 1, 42);
    other.group = "other";
    return other;
  }());
  c.Advance(3s);
  const auto joined = c.TakeAs<JoinGroupReply>(classic);
  c.Ask<LeaveGroupReply>(LeaveGroup{"g", {{joined->member, {}}}});
  c.Ask<OffsetCommitReply>(CommitOf("t", 1, 42));
  Join("a");
  EXPECT_EQ(c.Ask<OffsetFetchReply>(FetchOf("t", 1)).partitions[0].offset, 42);
  Beat(BeatOf("a", -1));
  const uint64_t again = c.Send(JoinOf(""));
  c.Advance(3s);
  EXPECT_EQ(c.TakeAs<JoinGroupReply>(again)->error, GroupError::kNone);
  EXPECT_EQ(c.Ask<OffsetFetchReply>(FetchOf("t", 1)).partitions[0].offset, 42);
}

}  // namespace
}  // namespace chronik::groups
