// SPDX-License-Identifier: Apache-2.0
// Goal: classic groups join, rebalance, lose and replace members as Kafka's do, with the errors that clients expect.
// Method: requests to one coordinator whose log a second one replays (test_coordinator.h).
#include <gtest/gtest.h>

#include "kernel/groups/test_classic.h"

namespace chronik::groups {
namespace {

// ---- joining ----

TEST(JoinGroup, ChecksTheRequest) {
  TestCoordinator c;
  JoinGroup join = JoinOf("");
  join.group = "";
  EXPECT_EQ(c.Ask<JoinGroupReply>(join).error, GroupError::kInvalidGroupId);
  join = JoinOf("");
  join.session_timeout = 5999ms;
  EXPECT_EQ(c.Ask<JoinGroupReply>(join).error, GroupError::kInvalidSessionTimeout);
  join.session_timeout = 30min + 1ms;
  EXPECT_EQ(c.Ask<JoinGroupReply>(join).error, GroupError::kInvalidSessionTimeout);
  join = JoinOf("", {});
  EXPECT_EQ(c.Ask<JoinGroupReply>(join).error, GroupError::kInconsistentGroupProtocol);
  join = JoinOf("");
  join.protocol_type = "";
  EXPECT_EQ(c.Ask<JoinGroupReply>(join).error, GroupError::kInconsistentGroupProtocol);
  join = JoinOf("stranger");
  EXPECT_EQ(c.Ask<JoinGroupReply>(join).error, GroupError::kUnknownMemberId);
  join = JoinOf("");
  join.client.id = std::string(32767, 'c');
  EXPECT_EQ(c.Ask<JoinGroupReply>(join).error, GroupError::kInvalidRequest);
  EXPECT_EQ(c.coordinator().group_count(), 0u);
}

TEST(JoinGroup, ANewClientLearnsItsIdFirst) {
  TestCoordinator c;
  JoinGroup join = JoinOf("");
  join.knows_member_id_required = true;
  const auto first = c.Ask<JoinGroupReply>(join);
  EXPECT_EQ(first.error, GroupError::kMemberIdRequired);
  EXPECT_EQ(first.member, "client-u1");
  join.member = first.member;
  const uint64_t token = c.Send(join);
  EXPECT_FALSE(c.Take(token));
  c.Advance(3s);
  const auto joined = c.TakeAs<JoinGroupReply>(token);
  ASSERT_TRUE(joined);
  EXPECT_EQ(joined->member, first.member);
  EXPECT_EQ(joined->leader, first.member);
  EXPECT_EQ(joined->generation, 1);
  EXPECT_EQ(joined->protocol, "range");
  EXPECT_EQ(joined->protocol_type, "consumer");
  EXPECT_EQ(joined->members.size(), 1u);
}

TEST(JoinGroup, AnIdThatNobodyJoinsWithIsForgotten) {
  TestCoordinator c;
  JoinGroup join = JoinOf("");
  join.knows_member_id_required = true;
  const auto first = c.Ask<JoinGroupReply>(join);
  EXPECT_EQ(c.coordinator().group_count(), 1u);
  c.Advance(10s);
  EXPECT_EQ(c.coordinator().group_count(), 0u);
  join.member = first.member;
  EXPECT_EQ(c.Ask<JoinGroupReply>(join).error, GroupError::kUnknownMemberId);
}

TEST(JoinGroup, APendingMemberHoldsUpARebalanceUntilItIsForgotten) {
  TestCoordinator c;
  const auto members = MakeStable(c, {JoinOf("")});
  JoinGroup join = JoinOf("");
  join.knows_member_id_required = true;
  EXPECT_EQ(c.Ask<JoinGroupReply>(join).error, GroupError::kMemberIdRequired);
  EXPECT_EQ(Beat(c, members[0]), GroupError::kNone);
  const uint64_t leader = c.Send(JoinOf(members[0].id));
  EXPECT_FALSE(c.Take(leader));
  c.Advance(10s);
  EXPECT_EQ(c.TakeAs<JoinGroupReply>(leader)->generation, 2);
}

TEST(JoinGroup, APendingMemberMayLeave) {
  TestCoordinator c;
  const auto members = MakeStable(c, {JoinOf("")});
  JoinGroup join = JoinOf("");
  join.knows_member_id_required = true;
  const auto pending = c.Ask<JoinGroupReply>(join);
  const uint64_t leader = c.Send(JoinOf(members[0].id));
  EXPECT_EQ(Leave(c, pending.member).members[0].error, GroupError::kNone);
  EXPECT_EQ(c.TakeAs<JoinGroupReply>(leader)->generation, 2);
}

TEST(JoinGroup, OnlyTheLeaderLearnsOfTheOthers) {
  TestCoordinator c;
  const uint64_t one = c.Send(JoinOf(""));
  const uint64_t two = c.Send(JoinOf(""));
  c.Advance(6s);
  const auto first = c.TakeAs<JoinGroupReply>(one);
  const auto second = c.TakeAs<JoinGroupReply>(two);
  EXPECT_EQ(first->members.size(), 2u);
  EXPECT_EQ(first->members[0].metadata, Subscription({"t"}));
  EXPECT_TRUE(second->members.empty());
  EXPECT_EQ(second->leader, first->member);
}

TEST(JoinGroup, TheFirstRebalanceWaitsLongerWhileMembersCome) {
  TestCoordinator c;
  const uint64_t one = c.Send(JoinOf(""));
  c.Advance(2s);
  const uint64_t two = c.Send(JoinOf(""));
  c.Advance(2s);
  EXPECT_FALSE(c.Take(one));
  c.Advance(2s);
  EXPECT_TRUE(c.Take(one));
  EXPECT_TRUE(c.Take(two));
}

TEST(JoinGroup, TheFirstRebalanceWaitsNoLongerThanTheRebalanceTimeout) {
  TestCoordinator c;
  JoinGroup join = JoinOf("");
  join.rebalance_timeout = 7s;
  const uint64_t first = c.Send(join);
  for (int i = 0; i < 6; ++i) {
    EXPECT_FALSE(c.TakeAs<JoinGroupReply>(first));
    c.Advance(1s);
    c.Send(join);
  }
  c.Advance(1s);
  const auto joined = c.TakeAs<JoinGroupReply>(first);
  ASSERT_TRUE(joined);
  EXPECT_EQ(joined->members.size(), 7u);
}

TEST(JoinGroup, TheProtocolWithMostVotesWins) {
  TestCoordinator c;
  const uint64_t one = c.Send(JoinOf("", {"a", "b", "only mine"}));
  c.Send(JoinOf("", {"b", "a"}));
  c.Send(JoinOf("", {"b", "a"}));
  c.Advance(6s);
  EXPECT_EQ(c.TakeAs<JoinGroupReply>(one)->protocol, "b");
}

TEST(JoinGroup, MembersMustShareAProtocolAndItsType) {
  TestCoordinator c;
  c.Send(JoinOf("", {"a", "b"}));
  c.Send(JoinOf("", {"b", "c"}));
  EXPECT_EQ(c.Ask<JoinGroupReply>(JoinOf("", {"a", "c"})).error, GroupError::kInconsistentGroupProtocol);
  JoinGroup connect = JoinOf("", {"b"});
  connect.protocol_type = "connect";
  EXPECT_EQ(c.Ask<JoinGroupReply>(connect).error, GroupError::kInconsistentGroupProtocol);
}

TEST(JoinGroup, AFullGroupTakesNobodyMore) {
  Options options;
  options.max_group_size = 1;
  TestCoordinator c(options);
  const auto members = MakeStable(c, {JoinOf("")});
  EXPECT_EQ(c.Ask<JoinGroupReply>(JoinOf("")).error, GroupError::kGroupMaxSizeReached);
  const uint64_t again = c.Send(JoinOf(members[0].id));
  EXPECT_EQ(c.TakeAs<JoinGroupReply>(again)->error, GroupError::kNone);
}

TEST(JoinGroup, AFullGroupGivesOutNoMoreIds) {
  Options options;
  options.max_group_size = 2;
  TestCoordinator c(options);
  JoinGroup join = JoinOf("");
  join.knows_member_id_required = true;
  EXPECT_EQ(c.Ask<JoinGroupReply>(join).error, GroupError::kMemberIdRequired);
  EXPECT_EQ(c.Ask<JoinGroupReply>(join).error, GroupError::kMemberIdRequired);
  EXPECT_EQ(c.Ask<JoinGroupReply>(join).error, GroupError::kGroupMaxSizeReached);
}

TEST(JoinGroup, AGroupTakesSoMuchMemory) {
  Options options;
  options.max_group_bytes = 1000;
  TestCoordinator c(options);
  JoinGroup join = JoinOf("");
  join.protocols[0].metadata = std::string(800, 'x');
  const auto members = MakeStable(c, {join});
  EXPECT_EQ(c.Ask<JoinGroupReply>(join).error, GroupError::kGroupMaxSizeReached);
  join.member = members[0].id;
  join.protocols[0].metadata = std::string(900, 'x');
  const uint64_t token = c.Send(join);
  const auto joined = c.TakeAs<JoinGroupReply>(token);
  ASSERT_TRUE(joined);
  EXPECT_EQ(joined->error, GroupError::kNone);
  const Joined leader{joined->member, joined->generation};
  EXPECT_EQ(c.Ask<SyncGroupReply>(SyncOf(leader, {{leader.id, std::string(200, 'y')}})).error,
            GroupError::kMessageTooLarge);
}

TEST(JoinGroup, AFollowerWithNothingNewIsToldTheGeneration) {
  TestCoordinator c;
  const auto members = MakeStable(c, {JoinOf(""), JoinOf("")});
  const auto same = c.Ask<JoinGroupReply>(JoinOf(members[1].id));
  EXPECT_EQ(same.error, GroupError::kNone);
  EXPECT_EQ(same.generation, 1);
  EXPECT_EQ(StateOf(c), "Stable");
}

TEST(JoinGroup, AFollowerWithOtherTopicsBeginsARebalance) {
  TestCoordinator c;
  const auto members = MakeStable(c, {JoinOf(""), JoinOf("")});
  JoinGroup other = JoinOf(members[1].id);
  other.protocols[0].metadata = Subscription({"t", "s"});
  const uint64_t token = c.Send(other);
  EXPECT_FALSE(c.Take(token));
  EXPECT_EQ(Beat(c, members[0]), GroupError::kRebalanceInProgress);
}

TEST(JoinGroup, TheLeaderMayAskForARebalance) {
  TestCoordinator c;
  const auto members = MakeStable(c, {JoinOf(""), JoinOf("")});
  const uint64_t leader = c.Send(JoinOf(members[0].id));
  const uint64_t follower = c.Send(JoinOf(members[1].id));
  EXPECT_EQ(c.TakeAs<JoinGroupReply>(leader)->generation, 2);
  EXPECT_EQ(c.TakeAs<JoinGroupReply>(follower)->generation, 2);
}

TEST(JoinGroup, ALostAnswerIsToldAgainWhileTheGenerationCompletes) {
  TestCoordinator c;
  const uint64_t token = c.Send(JoinOf(""));
  c.Advance(3s);
  const auto first = c.TakeAs<JoinGroupReply>(token);
  const auto again = c.Ask<JoinGroupReply>(JoinOf(first->member));
  EXPECT_EQ(again.generation, first->generation);
  EXPECT_EQ(again.members, first->members);
}

TEST(JoinGroup, ANewMemberWaitsFiveMinutesAtMost) {
  TestCoordinator c;
  JoinGroup slow = JoinOf("");
  slow.rebalance_timeout = 20min;
  slow.session_timeout = 30min;
  MakeStable(c, {slow});
  const uint64_t waits = c.Send(JoinOf(""));  // for the other one, which takes its time
  c.Advance(5min - 1s);
  EXPECT_FALSE(c.Take(waits));
  c.Advance(1s);
  EXPECT_EQ(c.TakeAs<JoinGroupReply>(waits)->error, GroupError::kUnknownMemberId);
  EXPECT_EQ(StateOf(c), "PreparingRebalance");
}

// ---- rebalancing ----

TEST(Rebalance, EndsAsSoonAsAllHaveJoined) {
  TestCoordinator c;
  const auto members = MakeStable(c, {JoinOf(""), JoinOf("")});
  const uint64_t third = c.Send(JoinOf(""));
  EXPECT_EQ(Beat(c, members[0]), GroupError::kRebalanceInProgress);
  const uint64_t one = c.Send(JoinOf(members[0].id));
  EXPECT_FALSE(c.Take(third));
  const uint64_t two = c.Send(JoinOf(members[1].id));
  EXPECT_EQ(c.TakeAs<JoinGroupReply>(one)->members.size(), 3u);
  EXPECT_EQ(c.TakeAs<JoinGroupReply>(two)->generation, 2);
  EXPECT_EQ(c.TakeAs<JoinGroupReply>(third)->generation, 2);
}

TEST(Rebalance, LeavesBehindWhoDoesNotJoinInTime) {
  TestCoordinator c;
  JoinGroup join = JoinOf("");
  join.session_timeout = 20min;
  const auto members = MakeStable(c, {join, join});
  const uint64_t third = c.Send(join);
  join.member = members[1].id;
  const uint64_t two = c.Send(join);
  c.Advance(29s);
  EXPECT_EQ(Beat(c, members[0]), GroupError::kRebalanceInProgress);
  c.Advance(1s);
  const auto second = c.TakeAs<JoinGroupReply>(two);
  EXPECT_EQ(second->generation, 2);
  EXPECT_EQ(c.TakeAs<JoinGroupReply>(third)->leader, second->leader);
  EXPECT_NE(second->leader, members[0].id);  // the leader is gone
  EXPECT_EQ(Beat(c, members[0]), GroupError::kUnknownMemberId);
}

TEST(Rebalance, InterruptsThoseWhoWaitForTheirAssignment) {
  TestCoordinator c;
  const uint64_t one = c.Send(JoinOf(""));
  const uint64_t two = c.Send(JoinOf(""));
  c.Advance(6s);
  c.Take(one);
  const auto second = c.TakeAs<JoinGroupReply>(two);
  const uint64_t sync = c.Send(SyncOf({second->member, second->generation}));
  EXPECT_FALSE(c.Take(sync));
  c.Send(JoinOf(""));
  EXPECT_EQ(c.TakeAs<SyncGroupReply>(sync)->error, GroupError::kRebalanceInProgress);
}

TEST(Rebalance, RemovesWhoNeverAsksForItsAssignment) {
  TestCoordinator c;
  JoinGroup join = JoinOf("");
  join.session_timeout = 20min;
  const uint64_t one = c.Send(join);
  const uint64_t two = c.Send(join);
  c.Advance(6s);
  const auto first = c.TakeAs<JoinGroupReply>(one);
  const auto second = c.TakeAs<JoinGroupReply>(two);
  EXPECT_EQ(c.Ask<SyncGroupReply>(SyncOf({first->member, 1})).error, GroupError::kNone);
  EXPECT_EQ(StateOf(c), "Stable");
  c.Advance(30s);
  EXPECT_EQ(StateOf(c), "PreparingRebalance");
  EXPECT_EQ(Beat(c, {second->member, 1}), GroupError::kUnknownMemberId);
  EXPECT_EQ(Beat(c, {first->member, 1}), GroupError::kRebalanceInProgress);
}

TEST(Rebalance, OfAllWhoLeftMakesTheGroupEmptyAndSaysSoInTheLog) {
  TestCoordinator c;
  const auto members = MakeStable(c, {JoinOf("")});
  EXPECT_EQ(Leave(c, members[0].id).members[0].error, GroupError::kNone);
  EXPECT_EQ(StateOf(c), "Empty");
  const auto record = std::get<ClassicGroupRecord>(c.LastRecords().back());
  EXPECT_TRUE(record.value->members.empty());
  EXPECT_EQ(record.value->generation, 2);
  EXPECT_EQ(record.value->protocol_type, "consumer");
  EXPECT_FALSE(record.value->protocol);
  EXPECT_EQ(Beat(c, members[0]), GroupError::kUnknownMemberId);
}

TEST(Rebalance, CooperativeMembersRevokeInOneAndAssignInTheNext) {
  TestCoordinator c;
  const auto members = MakeStable(c, {JoinOf("", {"cooperative-sticky"})});
  const uint64_t second = c.Send(JoinOf("", {"cooperative-sticky"}));
  const uint64_t leader = c.Send(JoinOf(members[0].id, {"cooperative-sticky"}));
  const auto joined = c.TakeAs<JoinGroupReply>(leader);
  const auto newcomer = c.TakeAs<JoinGroupReply>(second);
  const Joined one{joined->member, 2};
  const Joined two{newcomer->member, 2};
  EXPECT_EQ(c.Ask<SyncGroupReply>(SyncOf(one, {{one.id, "t-0"}, {two.id, ""}})).assignment, "t-0");
  EXPECT_EQ(c.Ask<SyncGroupReply>(SyncOf(two)).assignment, "");
  // It has given up t-1 and joins again, with another view of what it owns: the second rebalance.
  JoinGroup revoked = JoinOf(one.id, {"cooperative-sticky"});
  revoked.protocols[0].metadata += "owns t-0";
  const uint64_t again = c.Send(revoked);
  EXPECT_EQ(Beat(c, two), GroupError::kRebalanceInProgress);
  const uint64_t two_again = c.Send(JoinOf(two.id, {"cooperative-sticky"}));
  EXPECT_EQ(c.TakeAs<JoinGroupReply>(again)->generation, 3);
  EXPECT_EQ(c.TakeAs<JoinGroupReply>(two_again)->generation, 3);
  EXPECT_EQ(c.Ask<SyncGroupReply>(SyncOf({one.id, 3}, {{one.id, "t-0"}, {two.id, "t-1"}})).assignment, "t-0");
  EXPECT_EQ(c.Ask<SyncGroupReply>(SyncOf({two.id, 3})).assignment, "t-1");
}

// ---- sync ----

TEST(SyncGroup, ChecksWhoAsks) {
  TestCoordinator c;
  EXPECT_EQ(c.Ask<SyncGroupReply>(SyncOf({"m", 1})).error, GroupError::kUnknownMemberId);
  const auto members = MakeStable(c, {JoinOf("")});
  EXPECT_EQ(c.Ask<SyncGroupReply>(SyncOf({"stranger", 1})).error, GroupError::kUnknownMemberId);
  EXPECT_EQ(c.Ask<SyncGroupReply>(SyncOf({members[0].id, 2})).error, GroupError::kIllegalGeneration);
  SyncGroup sync = SyncOf(members[0]);
  sync.protocol_type = "connect";
  EXPECT_EQ(c.Ask<SyncGroupReply>(sync).error, GroupError::kInconsistentGroupProtocol);
  sync.protocol_type = "consumer";
  sync.protocol = "sticky";
  EXPECT_EQ(c.Ask<SyncGroupReply>(sync).error, GroupError::kInconsistentGroupProtocol);
  sync.protocol = "range";
  EXPECT_EQ(c.Ask<SyncGroupReply>(sync).assignment, "for " + members[0].id);
  c.Send(JoinOf(""));
  EXPECT_EQ(c.Ask<SyncGroupReply>(sync).error, GroupError::kRebalanceInProgress);
}

TEST(SyncGroup, FollowersWaitForTheLeader) {
  TestCoordinator c;
  const uint64_t one = c.Send(JoinOf(""));
  const uint64_t two = c.Send(JoinOf(""));
  c.Advance(6s);
  const auto first = c.TakeAs<JoinGroupReply>(one);
  const auto second = c.TakeAs<JoinGroupReply>(two);
  const uint64_t follower = c.Send(SyncOf({second->member, 1}));
  EXPECT_FALSE(c.Take(follower));
  const auto leader = c.Ask<SyncGroupReply>(SyncOf({first->member, 1}, {{second->member, "two"}, {"stranger", "x"}}));
  EXPECT_EQ(leader.assignment, "");
  EXPECT_EQ(c.TakeAs<SyncGroupReply>(follower)->assignment, "two");
}

TEST(SyncGroup, IsAnsweredOnceTheAssignmentIsCommitted) {
  TestCoordinator c;
  const uint64_t one = c.Send(JoinOf(""));
  c.Advance(3s);
  const auto first = c.TakeAs<JoinGroupReply>(one);
  c.HoldCommits();
  const uint64_t sync = c.Send(SyncOf({first->member, 1}, {{first->member, "one"}}));
  const uint64_t beat = c.Send(Heartbeat{"g", first->member, {}, 1});
  EXPECT_FALSE(c.Take(sync));
  EXPECT_FALSE(c.Take(beat));
  c.Commit();
  EXPECT_EQ(c.TakeAs<SyncGroupReply>(sync)->assignment, "one");
  EXPECT_EQ(c.TakeAs<HeartbeatReply>(beat)->error, GroupError::kNone);
}

TEST(SyncGroup, FailsIfTheAssignmentIsNotCommitted) {
  TestCoordinator c;
  const uint64_t one = c.Send(JoinOf(""));
  c.Advance(3s);
  const auto first = c.TakeAs<JoinGroupReply>(one);
  c.HoldCommits();
  const uint64_t sync = c.Send(SyncOf({first->member, 1}, {{first->member, "one"}}));
  c.Fail(GroupError::kCoordinatorNotAvailable);
  EXPECT_EQ(c.TakeAs<SyncGroupReply>(sync)->error, GroupError::kCoordinatorNotAvailable);
  EXPECT_EQ(c.coordinator().group_count(), 0u);
}

// ---- heartbeats and sessions ----

TEST(Heartbeat, ChecksWhoBeats) {
  TestCoordinator c;
  EXPECT_EQ(Beat(c, {"m", 1}), GroupError::kUnknownMemberId);
  const auto members = MakeStable(c, {JoinOf("")});
  EXPECT_EQ(Beat(c, members[0]), GroupError::kNone);
  EXPECT_EQ(Beat(c, {"stranger", 1}), GroupError::kUnknownMemberId);
  EXPECT_EQ(Beat(c, {members[0].id, 0}), GroupError::kIllegalGeneration);
  EXPECT_EQ(Beat(c, {members[0].id, 2}), GroupError::kIllegalGeneration);
}

TEST(Heartbeat, IsFineWhileTheAssignmentIsAwaited) {
  TestCoordinator c;
  const uint64_t one = c.Send(JoinOf(""));
  c.Advance(3s);
  const auto first = c.TakeAs<JoinGroupReply>(one);
  EXPECT_EQ(Beat(c, {first->member, 1}), GroupError::kNone);
}

TEST(Session, EndsWithoutHeartbeats) {
  TestCoordinator c;
  const auto members = MakeStable(c, {JoinOf(""), JoinOf("")});
  for (int i = 0; i < 4; ++i) {
    c.Advance(4s);
    if (i < 2) {
      EXPECT_EQ(Beat(c, members[0]), GroupError::kNone);
    }
  }
  EXPECT_EQ(Beat(c, members[0]), GroupError::kRebalanceInProgress);
  EXPECT_EQ(Beat(c, members[1]), GroupError::kUnknownMemberId);
}

TEST(Session, GoesOnWhileAJoinWaits) {
  TestCoordinator c;
  JoinGroup slow = JoinOf("");
  slow.rebalance_timeout = 5min;
  slow.session_timeout = 10min;
  JoinGroup quick = JoinOf("");
  const auto members = MakeStable(c, {slow, quick});
  quick.member = members[1].id;
  quick.protocols[0].metadata = Subscription({"s"});
  const uint64_t waits = c.Send(quick);
  c.Advance(4min);  // its session is of 10 seconds
  slow.member = members[0].id;
  c.Send(slow);
  EXPECT_EQ(c.TakeAs<JoinGroupReply>(waits)->error, GroupError::kNone);
}

TEST(Session, OfTheLastMemberEndsTheGroup) {
  TestCoordinator c;
  MakeStable(c, {JoinOf("")});
  c.Advance(10s);
  EXPECT_EQ(StateOf(c), "Empty");
}

}  // namespace
}  // namespace chronik::groups
