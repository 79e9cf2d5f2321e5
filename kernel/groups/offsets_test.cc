// SPDX-License-Identifier: Apache-2.0
// Goal: committed offsets are kept, told, deleted and expired as Kafka does it, inside of transactions and outside.
// Method: requests to one coordinator whose log a second one replays (test_coordinator.h).
#include <gtest/gtest.h>

#include "kernel/groups/test_coordinator.h"

namespace chronik::groups {
namespace {

GroupError CommitError(TestCoordinator& c, const OffsetCommit& commit) {
  const auto reply = c.Ask<OffsetCommitReply>(commit);
  EXPECT_EQ(reply.partitions.size(), 1u);
  return reply.partitions.empty() ? GroupError::kNone : reply.partitions[0].error;
}

OffsetFetchReply::Partition FetchOne(TestCoordinator& c, const std::string& topic, int32_t partition,
                                     bool require_stable = false) {
  const auto reply = c.Ask<OffsetFetchReply>(FetchOf(topic, partition, require_stable));
  EXPECT_EQ(reply.partitions.size(), 1u);
  return reply.partitions.empty() ? OffsetFetchReply::Partition{} : reply.partitions[0];
}

TxnOffsetCommit TxnOf(int64_t producer, const std::string& topic, int32_t partition, int64_t offset) {
  return {CommitOf(topic, partition, offset), ProducerId(producer), 4};
}

EndTransaction EndOf(int64_t producer, bool commit) { return {ProducerId(producer), 4, 7, commit}; }

// A stable group of one member; its id and generation.
std::pair<std::string, int32_t> StableGroup(TestCoordinator& c, const JoinGroup& join = JoinOf("")) {
  const uint64_t token = c.Send(join);
  c.Advance(3s);
  const auto joined = c.TakeAs<JoinGroupReply>(token);
  EXPECT_TRUE(joined);
  SyncGroup sync;
  sync.group = "g";
  sync.member = joined->member;
  sync.instance = join.instance;
  sync.generation = joined->generation;
  sync.assignments = {{joined->member, "assigned"}};
  EXPECT_EQ(c.Ask<SyncGroupReply>(sync).error, GroupError::kNone);
  return {joined->member, joined->generation};
}

TEST(OffsetCommit, OfAConsumerWithoutAGroupMakesASimpleGroup) {
  TestCoordinator c;
  EXPECT_EQ(CommitError(c, CommitOf("t", 1, 42)), GroupError::kNone);
  const auto fetched = FetchOne(c, "t", 1);
  EXPECT_EQ(fetched.offset, 42);
  EXPECT_EQ(fetched.leader_epoch, 3);
  EXPECT_EQ(fetched.metadata, "m");
  const auto listed = c.Ask<ListGroupsReply>(ListGroups{});
  ASSERT_EQ(listed.groups.size(), 1u);
  EXPECT_EQ(listed.groups[0].state, "Empty");
  EXPECT_EQ(listed.groups[0].protocol_type, "");
}

TEST(OffsetCommit, AnUnknownPartitionIsFetchedAsMinusOne) {
  TestCoordinator c;
  const auto fetched = FetchOne(c, "t", 1);
  EXPECT_EQ(fetched.offset, -1);
  EXPECT_EQ(fetched.leader_epoch, -1);
  EXPECT_EQ(fetched.error, GroupError::kNone);
}

TEST(OffsetCommit, MetadataHasALimitOfItsOwnForEachPartition) {
  TestCoordinator c;
  OffsetCommit commit = CommitOf("t", 1, 42);
  commit.topics[0].partitions[0].metadata = std::string(4096, 'x');
  commit.topics[0].partitions.push_back({2, 43, 3, std::string(4097, 'x')});
  const auto reply = c.Ask<OffsetCommitReply>(commit);
  EXPECT_EQ(reply.partitions[0].error, GroupError::kNone);
  EXPECT_EQ(reply.partitions[1].error, GroupError::kOffsetMetadataTooLarge);
  EXPECT_EQ(FetchOne(c, "t", 1).offset, 42);
  EXPECT_EQ(FetchOne(c, "t", 2).offset, -1);
}

TEST(OffsetCommit, AGroupHoldsSoManyOffsets) {
  Options options;
  options.max_group_offsets = 1;
  TestCoordinator c(options);
  EXPECT_EQ(CommitError(c, CommitOf("t", 1, 42)), GroupError::kNone);
  EXPECT_EQ(CommitError(c, CommitOf("t", 2, 42)), GroupError::kInvalidCommitOffsetSize);
  EXPECT_EQ(CommitError(c, CommitOf("t", 1, 43)), GroupError::kNone);
}

TEST(OffsetCommit, WithAGenerationNeedsTheGroup) {
  TestCoordinator c;
  OffsetCommit commit = CommitOf("t", 1, 42);
  commit.generation = 3;
  commit.member = "m";
  commit.version = 9;
  EXPECT_EQ(CommitError(c, commit), GroupError::kGroupIdNotFound);
  commit.version = 8;
  EXPECT_EQ(CommitError(c, commit), GroupError::kIllegalGeneration);
  commit.group = "";
  EXPECT_EQ(CommitError(c, commit), GroupError::kInvalidGroupId);
}

TEST(OffsetCommit, ToAGroupWithMembersNeedsMemberAndGeneration) {
  TestCoordinator c;
  const auto [member, generation] = StableGroup(c);
  OffsetCommit commit = CommitOf("t", 1, 42);
  EXPECT_EQ(CommitError(c, commit), GroupError::kUnknownMemberId);
  commit.member = member;
  commit.generation = generation;
  EXPECT_EQ(CommitError(c, commit), GroupError::kNone);
  commit.generation = generation + 1;
  EXPECT_EQ(CommitError(c, commit), GroupError::kIllegalGeneration);
  commit.generation = generation;
  commit.member = "stranger";
  EXPECT_EQ(CommitError(c, commit), GroupError::kUnknownMemberId);
  commit.member = member;
  commit.instance = "i";
  EXPECT_EQ(CommitError(c, commit), GroupError::kUnknownMemberId);
}

TEST(OffsetCommit, KeepsTheMemberAlive) {
  TestCoordinator c;
  const auto [member, generation] = StableGroup(c);
  OffsetCommit commit = CommitOf("t", 1, 42);
  commit.member = member;
  commit.generation = generation;
  for (int i = 0; i < 5; ++i) {
    c.Advance(8s);
    EXPECT_EQ(CommitError(c, commit), GroupError::kNone);
  }
  c.Advance(11s);
  EXPECT_EQ(CommitError(c, commit), GroupError::kUnknownMemberId);
}

TEST(OffsetCommit, WaitsForTheAssignmentOfItsGeneration) {
  TestCoordinator c;
  const uint64_t token = c.Send(JoinOf(""));
  c.Advance(3s);
  const auto joined = c.TakeAs<JoinGroupReply>(token);
  OffsetCommit commit = CommitOf("t", 1, 42);
  commit.member = joined->member;
  commit.generation = joined->generation;
  EXPECT_EQ(CommitError(c, commit), GroupError::kRebalanceInProgress);
}

TEST(OffsetCommit, OfAnOlderStaticProcessIsFenced) {
  TestCoordinator c;
  const auto [member, generation] = StableGroup(c, StaticJoinOf("i"));
  const auto replaced = c.Ask<JoinGroupReply>(StaticJoinOf("i"));
  EXPECT_EQ(replaced.error, GroupError::kNone);
  OffsetCommit commit = CommitOf("t", 1, 42);
  commit.member = member;
  commit.instance = "i";
  commit.generation = generation;
  EXPECT_EQ(CommitError(c, commit), GroupError::kFencedInstanceId);
}

TEST(OffsetFetch, OfAllTopics) {
  TestCoordinator c;
  CommitError(c, CommitOf("t", 1, 42));
  CommitError(c, CommitOf("s", 0, 7));
  OffsetFetch all;
  all.group = "g";
  const auto reply = c.Ask<OffsetFetchReply>(all);
  ASSERT_EQ(reply.partitions.size(), 2u);
  EXPECT_EQ(reply.partitions[0].topic, "s");
  EXPECT_EQ(reply.partitions[1].offset, 42);
}

TEST(OffsetFetch, NeverTellsWhatIsNotCommittedYet) {
  TestCoordinator c;
  CommitError(c, CommitOf("t", 1, 42));
  OffsetCommit other = CommitOf("t", 1, 12);
  other.group = "another";
  CommitError(c, other);
  c.HoldCommits();
  const uint64_t commit = c.Send(CommitOf("t", 1, 43));
  const uint64_t fetch = c.Send(FetchOf("t", 1));
  OffsetFetch of_other = FetchOf("t", 1);
  of_other.group = "another";
  EXPECT_EQ(c.Ask<OffsetFetchReply>(of_other).partitions[0].offset, 12);  // nothing is under way there
  EXPECT_FALSE(c.Take(commit));
  EXPECT_FALSE(c.Take(fetch));
  c.Commit();
  EXPECT_EQ(c.TakeAs<OffsetFetchReply>(fetch)->partitions[0].offset, 43);
  EXPECT_EQ(c.TakeAs<OffsetCommitReply>(commit)->partitions[0].error, GroupError::kNone);
}

TEST(OffsetFetch, AfterALostAppendTellsTheOldOffset) {
  TestCoordinator c;
  CommitError(c, CommitOf("t", 1, 42));
  c.HoldCommits();
  const uint64_t commit = c.Send(CommitOf("t", 1, 43));
  const uint64_t fetch = c.Send(FetchOf("t", 1));
  c.Fail(GroupError::kNotCoordinator);
  EXPECT_EQ(c.TakeAs<OffsetCommitReply>(commit)->partitions[0].error, GroupError::kNotCoordinator);
  EXPECT_EQ(c.TakeAs<OffsetFetchReply>(fetch)->error, GroupError::kNotCoordinator);
  c.Commit();
  EXPECT_EQ(FetchOne(c, "t", 1).offset, 42);
}

TEST(TxnOffsetCommit, IsPendingUntilTheTransactionCommits) {
  TestCoordinator c;
  CommitError(c, CommitOf("t", 1, 42));
  c.Ask<OffsetCommitReply>(TxnOf(9, "t", 1, 50));
  EXPECT_EQ(c.log().back().producer, ProducerId(9));
  EXPECT_EQ(c.log().back().producer_epoch, 4);
  EXPECT_EQ(FetchOne(c, "t", 1).offset, 42);
  EXPECT_EQ(FetchOne(c, "t", 1, true).error, GroupError::kUnstableOffsetCommit);
  EXPECT_EQ(FetchOne(c, "t", 2, true).error, GroupError::kNone);
  EXPECT_EQ(c.Ask<EndTransactionReply>(EndOf(9, true)).error, GroupError::kNone);
  EXPECT_TRUE(c.log().back().marker->commit);
  EXPECT_EQ(c.log().back().marker->coordinator_epoch, 7);
  EXPECT_EQ(FetchOne(c, "t", 1, true).offset, 50);
}

TEST(TxnOffsetCommit, IsForgottenWhenTheTransactionAborts) {
  TestCoordinator c;
  c.Ask<OffsetCommitReply>(TxnOf(9, "t", 1, 50));
  EXPECT_EQ(c.coordinator().group_count(), 1u);
  c.Ask<EndTransactionReply>(EndOf(9, false));
  EXPECT_EQ(FetchOne(c, "t", 1, true).offset, -1);
  EXPECT_EQ(c.coordinator().group_count(), 0u);
}

TEST(TxnOffsetCommit, OfTwoProducersEndEachByItself) {
  TestCoordinator c;
  c.Ask<OffsetCommitReply>(TxnOf(9, "t", 1, 50));
  c.Ask<OffsetCommitReply>(TxnOf(8, "t", 1, 60));
  c.Ask<EndTransactionReply>(EndOf(9, true));
  EXPECT_EQ(FetchOne(c, "t", 1).offset, 50);
  EXPECT_EQ(FetchOne(c, "t", 1, true).error, GroupError::kUnstableOffsetCommit);
  c.Ask<EndTransactionReply>(EndOf(8, false));
  EXPECT_EQ(FetchOne(c, "t", 1, true).offset, 50);
}

TEST(TxnOffsetCommit, DoesNotUndoALaterCommitOutsideOfIt) {
  TestCoordinator c;
  c.Ask<OffsetCommitReply>(TxnOf(9, "t", 1, 50));
  CommitError(c, CommitOf("t", 1, 70));
  c.Ask<EndTransactionReply>(EndOf(9, true));
  EXPECT_EQ(FetchOne(c, "t", 1).offset, 70);
}

TEST(TxnOffsetCommit, OfAnOpenTransactionSurvivesAMove) {
  TestCoordinator c;
  c.Ask<OffsetCommitReply>(TxnOf(9, "t", 1, 50));
  c.Fail();
  EXPECT_EQ(FetchOne(c, "t", 1, true).error, GroupError::kUnstableOffsetCommit);
  c.Ask<EndTransactionReply>(EndOf(9, true));
  c.Fail();
  EXPECT_EQ(FetchOne(c, "t", 1, true).offset, 50);
}

TEST(TxnOffsetCommit, ChecksTheMemberIfOneIsNamed) {
  TestCoordinator c;
  const auto [member, generation] = StableGroup(c);
  TxnOffsetCommit commit = TxnOf(9, "t", 1, 50);
  EXPECT_EQ(c.Ask<OffsetCommitReply>(commit).partitions[0].error, GroupError::kNone);  // an old client
  commit.commit.member = "stranger";
  commit.commit.generation = generation;
  EXPECT_EQ(c.Ask<OffsetCommitReply>(commit).partitions[0].error, GroupError::kUnknownMemberId);
  commit.commit.member = member;
  commit.commit.generation = generation + 1;
  EXPECT_EQ(c.Ask<OffsetCommitReply>(commit).partitions[0].error, GroupError::kIllegalGeneration);
  commit.commit.generation = generation;
  EXPECT_EQ(c.Ask<OffsetCommitReply>(commit).partitions[0].error, GroupError::kNone);
  commit.commit.group = "another";
  EXPECT_EQ(c.Ask<OffsetCommitReply>(commit).partitions[0].error, GroupError::kIllegalGeneration);
}

TEST(OffsetDelete, RemovesAnOffsetAndWhatIsPendingForIt) {
  TestCoordinator c;
  CommitError(c, CommitOf("t", 1, 42));
  c.Ask<OffsetCommitReply>(TxnOf(9, "t", 1, 50));
  const auto reply = c.Ask<OffsetDeleteReply>(OffsetDelete{"g", {{"t", {1, 2}}}});
  EXPECT_EQ(reply.error, GroupError::kNone);
  EXPECT_EQ(reply.partitions.size(), 2u);
  EXPECT_EQ(c.log().back().records.size(), 1u);  // nothing for what was not there
  EXPECT_EQ(FetchOne(c, "t", 1, true).offset, -1);
  c.Ask<EndTransactionReply>(EndOf(9, true));
  EXPECT_EQ(FetchOne(c, "t", 1, true).offset, -1);
}

TEST(OffsetDelete, IsRefusedForTopicsThatMembersUse) {
  TestCoordinator c;
  CommitError(c, CommitOf("t", 1, 42));
  CommitError(c, CommitOf("s", 1, 42));
  StableGroup(c);
  const auto reply = c.Ask<OffsetDeleteReply>(OffsetDelete{"g", {{"t", {1}}, {"s", {1}}}});
  EXPECT_EQ(reply.partitions[0].error, GroupError::kGroupSubscribedToTopic);
  EXPECT_EQ(reply.partitions[1].error, GroupError::kNone);
  EXPECT_EQ(FetchOne(c, "t", 1).offset, 42);
  EXPECT_EQ(FetchOne(c, "s", 1).offset, -1);
}

TEST(OffsetDelete, IsRefusedIfTheMembersTopicsAreNotKnown) {
  TestCoordinator c;
  JoinGroup join = JoinOf("");
  join.protocol_type = "connect";
  StableGroup(c, join);
  EXPECT_EQ(c.Ask<OffsetDeleteReply>(OffsetDelete{"g", {{"t", {1}}}}).error, GroupError::kNonEmptyGroup);
  EXPECT_EQ(c.Ask<OffsetDeleteReply>(OffsetDelete{"none", {{"t", {1}}}}).error, GroupError::kGroupIdNotFound);
}

TEST(TopicsDeleted, RemovesTheirOffsetsInAllGroups) {
  TestCoordinator c;
  CommitError(c, CommitOf("t", 1, 42));
  CommitError(c, CommitOf("s", 1, 43));
  OffsetCommit other = CommitOf("t", 2, 44);
  other.group = "h";
  CommitError(c, other);
  c.Ask<OffsetCommitReply>(TxnOf(9, "t", 3, 50));
  c.Tell(TopicsDeleted{{"t"}});
  EXPECT_EQ(FetchOne(c, "t", 1).offset, -1);
  EXPECT_EQ(FetchOne(c, "s", 1).offset, 43);
  EXPECT_EQ(FetchOne(c, "t", 3, true).error, GroupError::kNone);
  EXPECT_EQ(c.coordinator().group_count(), 1u);
}

TEST(Expiry, OffsetsOfASimpleGroupExpireByTheirCommitTime) {
  TestCoordinator c;
  CommitError(c, CommitOf("t", 1, 42));
  c.Advance(24h * 3);
  CommitError(c, CommitOf("t", 2, 42));
  c.Advance(24h * 4 - 1h);
  EXPECT_EQ(FetchOne(c, "t", 1).offset, 42);
  c.Advance(1h + 10min);
  EXPECT_EQ(FetchOne(c, "t", 1).offset, -1);
  EXPECT_EQ(FetchOne(c, "t", 2).offset, 42);
  c.Advance(24h * 3);
  EXPECT_EQ(c.coordinator().group_count(), 0u);
}

TEST(Expiry, OffsetsOfAnEmptyGroupExpireByTheTimeSinceItIsEmpty) {
  TestCoordinator c;
  const auto [member, generation] = StableGroup(c);
  OffsetCommit commit = CommitOf("t", 1, 42);
  commit.member = member;
  commit.generation = generation;
  CommitError(c, commit);
  for (Duration gone = 0s; gone < 24h * 8; gone += 9s) {
    c.checks_replay = false;
    c.Advance(9s);
    ASSERT_EQ(c.Ask<HeartbeatReply>(Heartbeat{"g", member, {}, generation}).error, GroupError::kNone);
  }
  c.checks_replay = true;
  EXPECT_EQ(FetchOne(c, "t", 1).offset, 42);  // long ago, but a member is subscribed to it
  c.Ask<LeaveGroupReply>(LeaveGroup{"g", {{member, std::nullopt}}});
  c.Advance(24h * 7 - 1h);
  EXPECT_EQ(FetchOne(c, "t", 1).offset, 42);
  c.Advance(1h + 20min);
  EXPECT_EQ(FetchOne(c, "t", 1).offset, -1);
  EXPECT_EQ(c.coordinator().group_count(), 0u);
  EXPECT_TRUE(std::holds_alternative<ClassicGroupRecord>(c.LastRecords().back()));  // its tombstone
}

TEST(Expiry, OffsetsOfTopicsThatNoMemberUsesExpire) {
  TestCoordinator c;
  CommitError(c, CommitOf("s", 1, 41));
  CommitError(c, CommitOf("t", 1, 42));
  JoinGroup join = JoinOf("");
  join.session_timeout = 30min;
  const auto [member, generation] = StableGroup(c, join);
  for (int i = 0; i < 7 * 24 * 3 + 2; ++i) {
    c.Advance(20min);
    ASSERT_EQ(c.Ask<HeartbeatReply>(Heartbeat{"g", member, {}, generation}).error, GroupError::kNone);
  }
  EXPECT_EQ(FetchOne(c, "s", 1).offset, -1);
  EXPECT_EQ(FetchOne(c, "t", 1).offset, 42);
}

TEST(Expiry, ARetentionOfTheCommitItselfCounts) {
  TestCoordinator c;
  OffsetCommit commit = CommitOf("t", 1, 42);
  commit.version = 3;
  commit.retention = 1h;
  CommitError(c, commit);
  c.Advance(50min);
  EXPECT_EQ(FetchOne(c, "t", 1).offset, 42);
  c.Advance(20min);
  EXPECT_EQ(FetchOne(c, "t", 1).offset, -1);
}

TEST(Expiry, SparesWhatATransactionHolds) {
  TestCoordinator c;
  CommitError(c, CommitOf("t", 1, 42));
  c.Ask<OffsetCommitReply>(TxnOf(9, "t", 1, 50));
  c.Advance(24h * 8);
  EXPECT_EQ(FetchOne(c, "t", 1).offset, 42);
}

}  // namespace
}  // namespace chronik::groups
