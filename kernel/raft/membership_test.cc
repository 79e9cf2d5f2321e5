// SPDX-License-Identifier: Apache-2.0
// Goal: a group changes its members without ever having two majorities that do not know of each other, and without
// losing its way when leaders change. Method: one replica and hand-written messages for the rules, clusters for the
// outcome. Snapshots stand here as well: they bring new members in.
#include <gtest/gtest.h>

#include "kernel/raft/single.h"
#include "kernel/raft/test_cluster.h"

namespace chronik::raft {
namespace {

std::vector<ReplicaId> Nodes(std::initializer_list<uint64_t> ids) {
  std::vector<ReplicaId> out;
  for (const uint64_t id : ids) out.emplace_back(id);
  return out;
}

Result<LogIndex> Change(Single& leader, std::initializer_list<uint64_t> voters,
                        std::initializer_list<uint64_t> learners = {}) {
  return *leader.Go(ChangeConfiguration{Nodes(voters), Nodes(learners)}).configuration_change;
}

// Leads voters {1, 2, 3} in term 1 with its no-op committed.
void LeadConfirmed(Single& leader) {
  leader.Lead();
  leader.Done();
  leader.Accept(2, 1);
  leader.Accept(3, 1);
  ASSERT_TRUE(leader.group.leader_is_confirmed());
}

EntryMeta ConfigurationEntry(uint64_t index, uint64_t term, const Configuration& c) {
  return {LogIndex(index), Term(term), Offset(0), 0, static_cast<uint32_t>(EncodedSize(c)), EntryKind::kConfiguration};
}

TEST(Change, IsRefusedWhenItMustBe) {
  Single leader(3);
  EXPECT_EQ(Change(leader, {1, 2}).error().code, ErrorCode::kNotLeader);
  leader.Lead();
  EXPECT_EQ(Change(leader, {1, 2}).error().code, ErrorCode::kOverloaded);  // nothing of its term is committed
  leader.Done();
  leader.Accept(2, 1);
  EXPECT_EQ(Change(leader, {}).error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(Change(leader, {1, 1, 2}).error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(Change(leader, {1, 2}, {2}).error().code, ErrorCode::kInvalidArgument);
  leader.Go(TransferLeadership{ReplicaId(3)});
  EXPECT_EQ(Change(leader, {1, 2}).error().code, ErrorCode::kNotLeader);
  leader.Go(TransferLeadership{ReplicaId(1)});  // to itself: goes on
  EXPECT_EQ(leader.out.transfer_failed, ReplicaId(3));
  EXPECT_TRUE(leader.out.persist.empty());
  EXPECT_EQ(*Change(leader, {3, 2, 1}), LogIndex(0));  // is so already
  EXPECT_TRUE(leader.out.persist.empty());
  EXPECT_EQ(*Change(leader, {2, 1}), LogIndex(2));
  EXPECT_EQ(Change(leader, {1, 2, 3}).error().code, ErrorCode::kOverloaded);  // one at a time
  chronik::raft::Propose own_kind;
  own_kind.entries.push_back({EntryKind::kConfiguration, 0, 10});
  EXPECT_EQ(leader.Go(own_kind).proposed->error().code, ErrorCode::kInvalidArgument);
}

TEST(Change, HoldsFromTheMomentItIsAppended) {
  Single leader(3);
  LeadConfirmed(leader);
  ASSERT_TRUE(Change(leader, {1, 2}).ok());
  const Configuration joint{Nodes({1, 2, 3}), {}, ConfigurationPhase::kJoint, Nodes({1, 2}), {}};
  EXPECT_EQ(leader.out.configuration, joint);
  ASSERT_EQ(leader.out.persist.size(), 1u);
  EXPECT_EQ(leader.out.persist[0].configurations, std::vector<Configuration>{joint});
  EXPECT_EQ(leader.out.persist[0].entries[0].bytes, EncodedSize(joint));
  leader.Done();
  leader.Accept(3, 2);  // a majority of the old ones, none of the new ones
  EXPECT_EQ(leader.group.commit_index(), LogIndex(1));
  leader.Accept(2, 2);
  EXPECT_EQ(leader.group.commit_index(), LogIndex(2));
  // C_new follows by itself, goes to its members only, and needs those only.
  EXPECT_EQ(leader.out.configuration, (Configuration{Nodes({1, 2}), {}}));
  EXPECT_FALSE(leader.out.settled.has_value());
  EXPECT_EQ(leader.Now<AppendRequest>(2).size(), 1u);
  EXPECT_TRUE(leader.Now<AppendRequest>(3).empty());
  leader.Done();
  leader.Accept(2, 3);
  EXPECT_EQ(leader.out.settled, (Configuration{Nodes({1, 2}), {}}));
  EXPECT_EQ(leader.group.uncommitted_bytes(), 0u);
}

TEST(Change, IsRolledBackWithItsEntry) {
  Single replica(3);
  const Configuration alone{Nodes({2}), {}};
  Output& out = replica.From(
      2, 1, AppendRequest{{}, Offset(0), {Entry(1, 1, 0, 0), ConfigurationEntry(2, 1, alone)}, {}, {}, {alone}});
  EXPECT_EQ(out.configuration, alone);
  EXPECT_EQ(out.persist[0].configurations, std::vector<Configuration>{alone});
  replica.Append(3, 2, At(1, 1), Offset(0), {Entry(2, 2, 0, 1)});
  EXPECT_EQ(replica.out.configuration, (Configuration{Nodes({1, 2, 3}), {}}));
  EXPECT_EQ(replica.group.configuration(), *replica.out.configuration);
}

TEST(Change, EntriesAndConfigurationsThatDoNotFitAreIgnored) {
  Single replica(3);
  const Configuration fine{Nodes({2}), {}};
  const auto send = [&](std::vector<EntryMeta> entries, std::vector<Configuration> configurations) {
    replica.From(2, 1, AppendRequest{{}, Offset(0), std::move(entries), {}, {}, std::move(configurations)});
    return replica.out.persist.empty() || replica.out.persist[0].entries.empty();
  };
  EXPECT_TRUE(send({ConfigurationEntry(1, 1, fine)}, {}));
  EXPECT_TRUE(send({Entry(1, 1, 0, 1)}, {fine}));
  EXPECT_TRUE(send({}, {fine}));
  EXPECT_TRUE(send({ConfigurationEntry(1, 1, fine)}, {Configuration{}}));
  EXPECT_TRUE(send({ConfigurationEntry(1, 1, fine)}, {fine, fine}));
  EXPECT_EQ(replica.group.last_index(), LogIndex(0));
  EXPECT_FALSE(send({ConfigurationEntry(1, 1, fine)}, {fine}));
}

TEST(Change, OnlyWhatIsNewOfARepeatedRequestIsAppended) {
  Single replica(3);
  const Configuration first{Nodes({1, 2, 3}), Nodes({4})};
  const Configuration second{Nodes({1, 2, 3}), Nodes({5})};
  const EntryMeta one = ConfigurationEntry(1, 1, first);
  const EntryMeta two = ConfigurationEntry(2, 1, second);
  replica.From(2, 1, AppendRequest{{}, Offset(0), {one}, {}, {}, {first}});
  replica.From(2, 1, AppendRequest{{}, Offset(0), {one, two}, {}, {}, {first, second}});
  ASSERT_EQ(replica.out.persist.size(), 1u);
  EXPECT_EQ(replica.out.persist[0].entries, std::vector<EntryMeta>{two});
  EXPECT_EQ(replica.out.persist[0].configurations, std::vector<Configuration>{second});
  EXPECT_EQ(replica.group.configuration(), second);
}

TEST(Change, ARestartKnowsTheUncommittedOnesAndTheirRollBack) {
  InitialState initial = StartWith(1, {Entry(1, 1, 0, 0), ConfigurationEntry(2, 1, {Nodes({2}), {}})}, 1);
  initial.configuration = {Nodes({1, 2, 3}), {}};
  initial.later_configurations = {{LogIndex(2), {Nodes({2}), {}}}};
  Single replica(3, {}, initial);
  EXPECT_EQ(replica.group.configuration(), (Configuration{Nodes({2}), {}}));
  replica.Append(3, 2, At(1, 1), Offset(0), {Entry(2, 2, 0, 1)});
  EXPECT_EQ(replica.group.configuration(), (Configuration{Nodes({1, 2, 3}), {}}));
}

TEST(Change, ANewVoterCountsOnceItHasCaughtUp) {
  Single leader(3);
  LeadConfirmed(leader);
  ASSERT_TRUE(Change(leader, {1, 2, 3, 4}).ok());
  EXPECT_EQ(leader.group.configuration().phase, ConfigurationPhase::kCatchingUp);
  EXPECT_EQ(leader.Now<AppendRequest>(4).size(), 1u);  // a probe at once
  leader.Done();
  leader.Accept(2, 2);
  EXPECT_EQ(leader.group.commit_index(), LogIndex(2));  // a majority of three, the learner does not count
  leader.Accept(4, 1);
  EXPECT_EQ(leader.group.configuration().phase, ConfigurationPhase::kCatchingUp);
  leader.Accept(4, 2);
  EXPECT_TRUE(leader.group.configuration().joint());
  EXPECT_EQ(leader.group.last_index(), LogIndex(3));
}

TEST(Change, ASilentLearnerIsNotPromotedAndTheChangeCanBeReplaced) {
  Single leader(3);
  LeadConfirmed(leader);
  ASSERT_TRUE(Change(leader, {1, 2, 4}).ok());
  leader.Done();
  leader.Accept(2, 2);
  for (int i = 0; i < 50; ++i) {
    leader.Go(Tick{});
    leader.From(2, 1, HeartbeatResponse{0});
  }
  EXPECT_EQ(leader.group.configuration().phase, ConfigurationPhase::kCatchingUp);
  ASSERT_TRUE(Change(leader, {1, 2, 5}).ok());  // another one, then
  EXPECT_EQ(leader.group.configuration().next_voters, Nodes({1, 2, 5}));
  leader.Done();
  leader.Accept(2, 3);
  ASSERT_TRUE(Change(leader, {1, 2, 3}).ok());  // or none
  EXPECT_EQ(leader.group.configuration(), (Configuration{Nodes({1, 2, 3}), {}}));
}

TEST(Change, ALeaderThatIsRemovedLeadsUntilThatIsCommittedAndDoesNotCountItself) {
  Single leader(3);
  LeadConfirmed(leader);
  ASSERT_TRUE(Change(leader, {2, 3}).ok());
  leader.Done();
  leader.Accept(2, 2);
  EXPECT_EQ(leader.group.commit_index(), LogIndex(1));  // 1 and 2 of the old ones, but only 2 of the new ones
  leader.Accept(3, 2);
  leader.Done();
  leader.Accept(2, 3);
  EXPECT_EQ(leader.group.soft_state().role, Role::kLeader);
  leader.Accept(3, 3);
  EXPECT_EQ(leader.out.settled, (Configuration{Nodes({2, 3}), {}}));
  EXPECT_EQ(leader.group.soft_state().role, Role::kFollower);
  EXPECT_EQ(leader.Now<TimeoutNow>().size(), 1u);
  leader.Go(Tick{100});
  EXPECT_TRUE(leader.out.messages.empty());
}

TEST(Change, ANewLeaderCompletesWhatItFinds) {
  const Configuration joint{Nodes({1, 2, 3}), {}, ConfigurationPhase::kJoint, Nodes({1, 2, 4}), {}};
  InitialState initial = StartWith(1, {Entry(1, 1, 0, 0), ConfigurationEntry(2, 1, joint)}, 2);
  initial.configuration = {Nodes({1, 2, 3}), {}};
  initial.later_configurations = {{LogIndex(2), joint}};
  Single leader(3, {}, initial);
  leader.Lead();  // 1 and 2 are a majority of both
  EXPECT_EQ(leader.group.last_index(), LogIndex(3));
  leader.Done();
  leader.Accept(2, 3);  // its own term's first entry is committed: now, not earlier
  EXPECT_EQ(leader.out.configuration, (Configuration{Nodes({1, 2, 4}), {}}));
}

// 2 and 3 were told to leave and know it, 1 is to stay and has not heard: its log is too old for their votes, so one of
// them must win first (thesis 4.2.2).
TEST(Change, WhoIsBeingRemovedMayLeadUntilThatIsCommitted) {
  const Configuration joint{Nodes({1, 2, 3}), {}, ConfigurationPhase::kJoint, Nodes({2}), {}};
  const Configuration settled{Nodes({2}), {}};
  InitialState initial =
      StartWith(1, {Entry(1, 1, 0, 0), ConfigurationEntry(2, 1, joint), ConfigurationEntry(3, 1, settled)}, 2);
  initial.configuration = {Nodes({1, 2, 3}), {}};
  initial.later_configurations = {{LogIndex(2), joint}, {LogIndex(3), settled}};
  Single leaving(3, {}, initial);
  leaving.Go(CampaignNow{});
  ASSERT_EQ(leaving.Now<VoteRequest>().size(), 1u);
  EXPECT_EQ(leaving.group.soft_state().role, Role::kPreCandidate);
  leaving.From(2, 2, VoteResponse{.pre = true, .granted = true});
  leaving.Done();
  EXPECT_EQ(leaving.group.soft_state().role, Role::kCandidate);  // its own vote does not count
  leaving.From(2, 2, VoteResponse{.pre = false, .granted = true});
  ASSERT_EQ(leaving.group.soft_state().role, Role::kLeader);
  leaving.Done();
  leaving.Accept(2, 4);
  EXPECT_EQ(leaving.group.soft_state().role, Role::kFollower);
  leaving.Go(CampaignNow{});  // never again
  EXPECT_EQ(leaving.group.soft_state().role, Role::kFollower);
}

TEST(Change, AJointElectionNeedsBothMajorities) {  // P20
  InitialState initial;
  initial.configuration = {Nodes({1, 2, 3}), {}, ConfigurationPhase::kJoint, Nodes({3, 4, 5}), {}};
  Single candidate(0, {}, initial);
  candidate.Go(CampaignNow{});
  EXPECT_EQ(candidate.Now<VoteRequest>().size(), 4u);
  candidate.From(2, 1, VoteResponse{.pre = true, .granted = true});
  candidate.From(4, 1, VoteResponse{.pre = true, .granted = true});
  EXPECT_EQ(candidate.group.soft_state().role, Role::kPreCandidate);  // three of five, one of {3, 4, 5}
  candidate.From(5, 1, VoteResponse{.pre = true, .granted = true});
  EXPECT_EQ(candidate.group.soft_state().role, Role::kCandidate);
  candidate.Done();
  candidate.From(4, 1, VoteResponse{.pre = false, .granted = false});
  EXPECT_EQ(candidate.group.soft_state().role, Role::kCandidate);
  candidate.From(5, 1, VoteResponse{.pre = false, .granted = false});  // one half is lost, so all is
  EXPECT_EQ(candidate.group.soft_state().role, Role::kFollower);
}

TEST(Change, WhoeverComesBackStartsAfresh) {  // P26
  Single leader(3);
  LeadConfirmed(leader);
  const auto pass = [&](std::initializer_list<uint64_t> peers) {
    for (int i = 0; i < 3; ++i) {
      leader.Done();
      for (const uint64_t peer : peers) leader.Accept(peer, leader.group.last_index().value);
    }
  };
  ASSERT_TRUE(Change(leader, {1, 2}).ok());
  pass({2});
  ASSERT_EQ(leader.group.configuration(), (Configuration{Nodes({1, 2}), {}}));
  ASSERT_TRUE(Change(leader, {1, 2, 3}).ok());
  for (const PeerStatus& peer : leader.group.peers()) {
    if (peer.peer == ReplicaId(3)) {
      EXPECT_EQ(peer.match, LogIndex(0));
    }
  }
  leader.Done();
  leader.Accept(2, leader.group.last_index().value);
  leader.Go(Tick{});
  EXPECT_EQ(leader.Now<HeartbeatRequest>(3).at(0).commit, LogIndex(0));
}

TEST(Snapshot, IsInstalledAsOneUnitInTheOrderOfWrites) {
  Single replica(3, {}, StartWith(1, {Entry(1, 1, 0, 0), Entry(2, 1, 0, 5)}));
  replica.Append(2, 1, At(2, 1), Offset(5), {Entry(3, 1, 5, 1)});
  const uint64_t write = replica.last_sequence;  // under way
  const Configuration members{Nodes({1, 2, 4}), {}};
  replica.From(2, 2, InstallSnapshot{At(9, 2), Offset(40), members});
  ASSERT_TRUE(replica.out.pull_snapshot.has_value());
  replica.Go(SnapshotReady{At(9, 2), Offset(40), members});
  ASSERT_EQ(replica.out.persist.size(), 1u);
  ASSERT_TRUE(replica.out.persist[0].reset.has_value());
  EXPECT_EQ(replica.out.persist[0].reset->last, At(9, 2));
  EXPECT_EQ(replica.out.persist[0].hard_state, (HardState{Term(2), ReplicaId{}, LogIndex(9)}));  // P13
  EXPECT_EQ(replica.out.committed, LogIndex(9));
  EXPECT_EQ(replica.out.configuration, members);
  EXPECT_EQ(replica.group.next_offset(), Offset(40));
  EXPECT_EQ(replica.group.TermAt(LogIndex(9)), Term(2));
  ASSERT_EQ(replica.out.messages_after.size(), 1u);
  EXPECT_EQ(replica.After<AppendResponse>(2).at(0).match, LogIndex(9));
  replica.Go(StorageDone{write});
  EXPECT_EQ(replica.group.durable_index(), LogIndex(0));  // that was about the old log
  replica.Done();
  EXPECT_EQ(replica.group.durable_index(), LogIndex(9));
  replica.Append(2, 2, At(9, 2), Offset(40), {Entry(10, 2, 40, 2)}, 10);
  EXPECT_EQ(replica.group.last_index(), LogIndex(10));
}

TEST(Snapshot, IsDroppedWhenEntriesWereFaster) {
  Single replica(3);
  const Configuration members{Nodes({1, 2, 3}), {}};
  replica.From(2, 1, InstallSnapshot{At(2, 1), Offset(1), members});
  ASSERT_TRUE(replica.out.pull_snapshot.has_value());
  replica.Append(2, 1, {}, Offset(0), {Entry(1, 1, 0, 0), Entry(2, 1, 0, 1), Entry(3, 1, 1, 1)});
  replica.Done();
  replica.Go(SnapshotReady{At(2, 1), Offset(1), members});
  EXPECT_TRUE(replica.out.persist.empty());
  EXPECT_EQ(replica.group.last_index(), LogIndex(3));
  replica.Go(SnapshotReady{At(7, 9), Offset(1), members});  // of a term nobody had
  replica.Go(SnapshotReady{At(7, 1), Offset(1), {}});
  EXPECT_TRUE(replica.out.persist.empty());
}

TEST(Snapshot, IsOfferedWithTheConfigurationThatHeldThere) {
  Single leader(3);
  LeadConfirmed(leader);
  ASSERT_TRUE(Change(leader, {1, 2, 3}, {4}).ok());
  leader.Done();
  leader.Accept(2, 2);
  ASSERT_TRUE(leader.Propose(1, 10).ok());
  leader.Done();
  leader.Accept(2, 3);
  ASSERT_TRUE(Change(leader, {1, 2, 3}, {4, 5}).ok());  // not committed
  leader.group.TruncatedPrefix(LogIndex(4), Offset(1));
  leader.Refuse(4, At(0, 0), 2);
  ASSERT_EQ(leader.Now<InstallSnapshot>(4).size(), 1u);
  EXPECT_EQ(leader.Now<InstallSnapshot>(4)[0].configuration, (Configuration{Nodes({1, 2, 3}), Nodes({4})}));
  EXPECT_EQ(leader.group.ConfigurationAtIndex(LogIndex(3)), (Configuration{Nodes({1, 2, 3}), Nodes({4})}));
}

TEST(Cluster, ReplacesAllItsMembersUnderLoad) {
  TestCluster cluster(3, 0, 11, {}, 3);
  const auto leader = [&] { return cluster.ElectLeader(); };
  for (int i = 0; i < 50; ++i) ASSERT_TRUE(cluster.Propose(leader(), 1, 100).ok());
  cluster.Advance(50);
  cluster.DropPrefix(leader(), LogIndex(30));
  ASSERT_TRUE(cluster.Change(leader(), Nodes({4, 5, 6}), {}).ok());
  const auto replaced = [&] {
    if (cluster.Leader()) (void)cluster.Propose(*cluster.Leader(), 1, 100).ok();
    return cluster.settled() > 0 && cluster.Leader().value_or(0) >= 4;
  };
  ASSERT_TRUE(cluster.RunUntil(replaced, 1000)) << cluster.Describe();
  for (uint64_t id = 1; id <= 3; ++id) cluster.Crash(id);
  EXPECT_TRUE(cluster.RunUntil([&] { return cluster.Converged(); }, 500)) << cluster.Describe();
  EXPECT_GT(cluster.node(4).installed + cluster.node(5).installed + cluster.node(6).installed, 0u);
}

}  // namespace
}  // namespace chronik::raft
