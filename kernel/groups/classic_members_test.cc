// SPDX-License-Identifier: Apache-2.0
// Goal: members of classic groups leave, are replaced and outlive their coordinator as Kafka's do; what admins are
// told. Method: requests to one coordinator whose log a second one replays (test_coordinator.h).
#include <gtest/gtest.h>

#include "kernel/groups/test_classic.h"

namespace chronik::groups {
namespace {

// ---- leaving ----

TEST(LeaveGroup, OfManyAnswersForEach) {
  TestCoordinator c;
  const auto members = MakeStable(c, {JoinOf(""), StaticJoinOf("i"), JoinOf("")});
  const auto reply =
      c.Ask<LeaveGroupReply>(LeaveGroup{"g", {{members[0].id, {}}, {"", "i"}, {"stranger", {}}, {"", "j"}}});
  EXPECT_EQ(reply.error, GroupError::kNone);
  ASSERT_EQ(reply.members.size(), 4u);
  EXPECT_EQ(reply.members[0].error, GroupError::kNone);
  EXPECT_EQ(reply.members[1].error, GroupError::kNone);
  EXPECT_EQ(reply.members[2].error, GroupError::kUnknownMemberId);
  EXPECT_EQ(reply.members[3].error, GroupError::kUnknownMemberId);
  EXPECT_EQ(Beat(c, members[2]), GroupError::kRebalanceInProgress);
  EXPECT_EQ(Leave(c, "stranger").members[0].error, GroupError::kUnknownMemberId);
}

TEST(LeaveGroup, OfAnUnknownGroupKnowsNobody) {
  TestCoordinator c;
  EXPECT_EQ(Leave(c, "m").members[0].error, GroupError::kUnknownMemberId);
}

TEST(LeaveGroup, OfAnotherProcessOfTheInstanceIsFenced) {
  TestCoordinator c;
  const auto members = MakeStable(c, {StaticJoinOf("i")});
  EXPECT_EQ(Leave(c, "stranger", "i").members[0].error, GroupError::kFencedInstanceId);
  EXPECT_EQ(Leave(c, members[0].id, "i").members[0].error, GroupError::kNone);
}

TEST(LeaveGroup, AnswersAWaitingJoin) {
  TestCoordinator c;
  const uint64_t token = c.Send(JoinOf(""));
  const auto described = c.Ask<DescribeGroupsReply>(DescribeGroups{{"g"}});
  Leave(c, described.groups[0].members[0].id);
  EXPECT_EQ(c.TakeAs<JoinGroupReply>(token)->error, GroupError::kUnknownMemberId);
}

// ---- static members ----

TEST(StaticMember, ANewProcessTakesItsPlaceWithoutARebalance) {
  TestCoordinator c;
  const auto members = MakeStable(c, {JoinOf(""), StaticJoinOf("i")});
  const auto replaced = c.Ask<JoinGroupReply>(StaticJoinOf("i"));
  EXPECT_EQ(replaced.error, GroupError::kNone);
  EXPECT_EQ(replaced.generation, 1);
  EXPECT_NE(replaced.member, members[1].id);
  EXPECT_TRUE(replaced.members.empty());
  SyncGroup sync = SyncOf({replaced.member, 1});
  sync.instance = "i";
  EXPECT_EQ(c.Ask<SyncGroupReply>(sync).assignment, "for " + members[1].id);
  EXPECT_EQ(Beat(c, members[0]), GroupError::kNone);
  EXPECT_EQ(Beat(c, members[1], "i"), GroupError::kFencedInstanceId);
  sync.member = members[1].id;
  EXPECT_EQ(c.Ask<SyncGroupReply>(sync).error, GroupError::kFencedInstanceId);
  EXPECT_EQ(c.Ask<JoinGroupReply>(StaticJoinOf("i", members[1].id)).error, GroupError::kFencedInstanceId);
}

TEST(StaticMember, ALeaderThatComesBackIsNotToldThatItLeads) {
  TestCoordinator c;
  const auto members = MakeStable(c, {StaticJoinOf("i"), StaticJoinOf("j")});
  const auto replaced = c.Ask<JoinGroupReply>(StaticJoinOf("i"));
  EXPECT_EQ(replaced.leader, members[0].id);
  EXPECT_NE(replaced.leader, replaced.member);
  EXPECT_FALSE(replaced.skip_assignment);
}

TEST(StaticMember, ALeaderThatComesBackMaySkipTheAssignment) {
  TestCoordinator c;
  MakeStable(c, {StaticJoinOf("i"), StaticJoinOf("j")});
  JoinGroup join = StaticJoinOf("i");
  join.knows_skip_assignment = true;
  const auto leader = c.Ask<JoinGroupReply>(join);
  EXPECT_EQ(leader.leader, leader.member);
  EXPECT_TRUE(leader.skip_assignment);
  EXPECT_EQ(leader.members.size(), 2u);
  join = StaticJoinOf("j");
  join.knows_skip_assignment = true;
  EXPECT_FALSE(c.Ask<JoinGroupReply>(join).skip_assignment);
}

TEST(StaticMember, AnotherProtocolNeedsARebalance) {
  TestCoordinator c;
  JoinGroup one = StaticJoinOf("i");
  one.protocols = {{"a", "x"}, {"b", "x"}};
  MakeStable(c, {one});
  one.protocols = {{"b", "x"}};
  const uint64_t token = c.Send(one);
  const auto joined = c.TakeAs<JoinGroupReply>(token);
  ASSERT_TRUE(joined);
  EXPECT_EQ(joined->generation, 2);
  EXPECT_EQ(joined->protocol, "b");
}

TEST(StaticMember, AWaitingOldProcessIsFenced) {
  TestCoordinator c;
  const uint64_t old = c.Send(StaticJoinOf("i"));
  const uint64_t young = c.Send(StaticJoinOf("i"));
  EXPECT_EQ(c.TakeAs<JoinGroupReply>(old)->error, GroupError::kFencedInstanceId);
  c.Advance(6s);
  EXPECT_EQ(c.TakeAs<JoinGroupReply>(young)->error, GroupError::kNone);
}

TEST(StaticMember, IsMissedOnlyWhenItsSessionEnds) {
  TestCoordinator c;
  JoinGroup gone = StaticJoinOf("i");
  gone.session_timeout = 2min;
  const auto members = MakeStable(c, {JoinOf(""), gone});
  const uint64_t leader = c.Send(JoinOf(members[0].id));
  c.Advance(30s);  // the rebalance is over; it did not take part and stays
  const auto joined = c.TakeAs<JoinGroupReply>(leader);
  ASSERT_TRUE(joined);
  EXPECT_EQ(joined->members.size(), 2u);
}

TEST(StaticMember, NoRebalanceEndsBeforeOneOfThemIsBack) {
  TestCoordinator c;
  JoinGroup join = StaticJoinOf("i");
  join.session_timeout = 10min;
  const auto members = MakeStable(c, {join, JoinOf("")});
  Leave(c, members[1].id);
  EXPECT_EQ(StateOf(c), "PreparingRebalance");
  c.Advance(2min);
  EXPECT_EQ(StateOf(c), "PreparingRebalance");
  join.member = members[0].id;
  const uint64_t token = c.Send(join);
  EXPECT_EQ(c.TakeAs<JoinGroupReply>(token)->generation, 2);
}

// ---- a coordinator that moves ----

TEST(Move, KeepsMembersAndForcesNoRebalance) {
  TestCoordinator c;
  const auto members = MakeStable(c, {JoinOf(""), StaticJoinOf("i")});
  c.Advance(9s);  // almost the end of their sessions
  c.Fail();
  c.Advance(9s);  // they have new ones
  EXPECT_EQ(Beat(c, members[0]), GroupError::kNone);
  EXPECT_EQ(Beat(c, members[1], "i"), GroupError::kNone);
  EXPECT_EQ(c.Ask<SyncGroupReply>(SyncOf(members[0])).assignment, "for " + members[0].id);
  EXPECT_EQ(c.Ask<JoinGroupReply>(JoinOf(members[1].id)).generation, 1);
  c.Advance(10s);
  EXPECT_EQ(StateOf(c), "Empty");
}

TEST(Move, MissesWhoStaysSilentAfterwards) {
  TestCoordinator c;
  MakeStable(c, {JoinOf("")});
  c.Fail();
  c.Advance(10s);
  EXPECT_EQ(StateOf(c), "Empty");
}

TEST(Move, AnswersWhoWaits) {
  TestCoordinator c;
  const uint64_t join = c.Send(JoinOf(""));
  c.Fail(GroupError::kNotCoordinator);
  EXPECT_EQ(c.TakeAs<JoinGroupReply>(join)->error, GroupError::kNotCoordinator);
}

TEST(Move, OfAGroupThatHasBecomeTooLargeRebalancesIt) {
  Options options;
  TestCoordinator c(options);
  MakeStable(c, {JoinOf(""), JoinOf("")});
  options.max_group_size = 1;
  const TestTopics topics;
  Coordinator small(options, topics, [] { return "x"; });
  for (const Append& append : c.log()) {
    for (const EncodedRecord& r : append.records) ASSERT_TRUE(small.Replay(AsBytes(r.key), AsBytes(*r.value)).ok());
  }
  small.Start(c.now());
  EXPECT_EQ(small.DurableState().at("group g"), "rebalancing");
}

TEST(Move, OfAPartitionWithAnUnreadableRecordIsRefused) {
  TestCoordinator c;
  const std::string key("\0\2\0\1g", 5);
  const std::string value("\0\7", 2);
  EXPECT_EQ(c.coordinator().Replay(AsBytes(key), AsBytes(value)).error().code, ErrorCode::kUnsupportedVersion);
}

// ---- admin ----

TEST(DescribeGroups, TellsMembersMetadataAndAssignment) {
  TestCoordinator c;
  const auto members = MakeStable(c, {StaticJoinOf("i")});
  const auto reply = c.Ask<DescribeGroupsReply>(DescribeGroups{{"g", "none"}});
  ASSERT_EQ(reply.groups.size(), 2u);
  const auto& group = reply.groups[0];
  EXPECT_EQ(group.state, "Stable");
  EXPECT_EQ(group.protocol, "range");
  EXPECT_EQ(group.protocol_type, "consumer");
  ASSERT_EQ(group.members.size(), 1u);
  EXPECT_EQ(group.members[0].instance, "i");
  EXPECT_EQ(group.members[0].client_id, "client");
  EXPECT_EQ(group.members[0].client_host, "/host");
  EXPECT_EQ(group.members[0].metadata, Subscription({"t"}));
  EXPECT_EQ(group.members[0].assignment, "for " + members[0].id);
  EXPECT_EQ(reply.groups[1].error, GroupError::kGroupIdNotFound);
  EXPECT_EQ(reply.groups[1].state, "Dead");
}

TEST(ListGroups, FiltersByStateAndType) {
  TestCoordinator c;
  MakeStable(c, {JoinOf("")});
  OffsetCommit simple = CommitOf("t", 1, 1);
  simple.group = "simple";
  c.Ask<OffsetCommitReply>(simple);
  EXPECT_EQ(c.Ask<ListGroupsReply>(ListGroups{}).groups.size(), 2u);
  const auto stable = c.Ask<ListGroupsReply>(ListGroups{{"stable"}, {}});
  ASSERT_EQ(stable.groups.size(), 1u);
  EXPECT_EQ(stable.groups[0].id, "g");
  EXPECT_EQ(stable.groups[0].type, "classic");
  EXPECT_EQ(c.Ask<ListGroupsReply>(ListGroups{{}, {"Classic"}}).groups.size(), 2u);
  EXPECT_EQ(c.Ask<ListGroupsReply>(ListGroups{{}, {"consumer"}}).groups.size(), 0u);
}

TEST(DeleteGroups, OnlyWithoutMembers) {
  TestCoordinator c;
  const auto members = MakeStable(c, {JoinOf("")});
  const auto before = c.Ask<DeleteGroupsReply>(DeleteGroups{{"g", "none", ""}});
  EXPECT_EQ(before.groups[0].error, GroupError::kNonEmptyGroup);
  EXPECT_EQ(before.groups[1].error, GroupError::kGroupIdNotFound);
  EXPECT_EQ(before.groups[2].error, GroupError::kInvalidGroupId);
  Leave(c, members[0].id);
  c.Ask<OffsetCommitReply>(CommitOf("t", 1, 1));
  c.Ask<OffsetCommitReply>(TxnOffsetCommit{CommitOf("t", 2, 1), ProducerId(9), 1});
  EXPECT_EQ(c.Ask<DeleteGroupsReply>(DeleteGroups{{"g"}}).groups[0].error, GroupError::kNone);
  EXPECT_EQ(c.coordinator().group_count(), 0u);
  EXPECT_EQ(c.log().back().records.size(), 3u);  // both offsets and the group
  c.Fail();
  EXPECT_EQ(c.coordinator().group_count(), 0u);
}

}  // namespace
}  // namespace chronik::groups
