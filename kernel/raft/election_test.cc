// SPDX-License-Identifier: Apache-2.0
// Goal: who may become leader, when, and who must not be disturbed. Method: one replica and hand-written messages
// where the exact answer matters, a quiet cluster where the outcome does. P<n> = pitfalls that other systems fell
// into.
#include <gtest/gtest.h>

#include <set>

#include "kernel/raft/single.h"
#include "kernel/raft/test_cluster.h"

namespace chronik::raft {
namespace {

TEST(Election, TheOnlyVoterLeadsOnceItsVoteIsOnDisk) {
  Single one(1);
  one.Go(CampaignNow{});
  EXPECT_EQ(one.group.soft_state().role, Role::kCandidate);
  ASSERT_EQ(one.out.persist.size(), 1u);
  EXPECT_EQ(one.out.persist[0].hard_state, (HardState{Term(1), ReplicaId(1), LogIndex(0)}));
  one.Done();
  EXPECT_EQ(one.group.soft_state().role, Role::kLeader);
  ASSERT_EQ(one.out.persist.size(), 1u);
  EXPECT_EQ(one.out.persist[0].entries[0].kind, EntryKind::kNoop);
  EXPECT_FALSE(one.group.leader_is_confirmed());
  one.Done();
  EXPECT_TRUE(one.group.leader_is_confirmed());
  EXPECT_EQ(one.out.committed, LogIndex(1));
}

TEST(Election, TimeoutsAreRandomBetweenOneAndTwo) {
  std::set<int> seen;
  for (uint64_t seed = 0; seed < 100; ++seed) {
    Options options;
    options.random_seed = seed;
    Single replica(3, options);
    int ticks = 0;
    while (replica.group.soft_state().role == Role::kFollower) {
      replica.Go(Tick{});
      ASSERT_LT(++ticks, 20);
    }
    EXPECT_GE(ticks, 10);
    seen.insert(ticks);
  }
  EXPECT_GE(seen.size(), 8u);
}

TEST(Election, PreVoteChangesNoTermAndPersistsNothing) {
  Single replica(3);
  replica.Go(CampaignNow{});
  EXPECT_EQ(replica.group.soft_state().role, Role::kPreCandidate);
  EXPECT_EQ(replica.group.hard_state().term, Term(0));
  EXPECT_TRUE(replica.out.persist.empty());
  EXPECT_EQ(replica.Now<VoteRequest>().size(), 2u);
  EXPECT_EQ(replica.out.messages[0].term, Term(1));
  replica.From(2, 1, VoteResponse{.pre = true, .granted = true});
  EXPECT_EQ(replica.group.soft_state().role, Role::kCandidate);
}

TEST(Election, VoteAndVoteRequestsWaitForTheDisk) {  // P5
  Single candidate(3);
  candidate.Go(CampaignNow{});
  candidate.From(2, 1, VoteResponse{.pre = true, .granted = true});
  EXPECT_TRUE(candidate.Now<VoteRequest>().empty());
  EXPECT_EQ(candidate.After<VoteRequest>().size(), 2u);
  // The own vote does not count before it is durable: one answer of three is no majority yet.
  candidate.From(2, 1, VoteResponse{.pre = false, .granted = true});
  EXPECT_EQ(candidate.group.soft_state().role, Role::kCandidate);
  candidate.Done();
  EXPECT_EQ(candidate.group.soft_state().role, Role::kLeader);

  Single voter(3);
  voter.From(2, 1, VoteRequest{.pre = false, .transfer = false, .last = {}});
  EXPECT_TRUE(voter.Now<VoteResponse>().empty());
  ASSERT_EQ(voter.After<VoteResponse>().size(), 1u);
  EXPECT_EQ(voter.out.messages_after[0].first, voter.out.persist[0].sequence);
  EXPECT_EQ(voter.out.persist[0].hard_state->vote, ReplicaId(2));
}

TEST(Election, OneVoteATermAlsoAcrossARestart) {
  InitialState initial;
  initial.hard_state = {Term(4), ReplicaId(2), LogIndex(0)};
  Single voter(3, {}, initial);
  voter.From(3, 4, VoteRequest{.pre = false, .transfer = false, .last = At(9, 4)});
  ASSERT_EQ(voter.Now<VoteResponse>().size(), 1u);
  EXPECT_FALSE(voter.Now<VoteResponse>()[0].granted);
  voter.From(2, 4, VoteRequest{.pre = false, .transfer = false, .last = At(9, 4)});  // asked again: the same answer
  ASSERT_EQ(voter.Now<VoteResponse>().size(), 1u);
  EXPECT_TRUE(voter.Now<VoteResponse>()[0].granted);
}

TEST(Election, OnlyACandidateWithAnUpToDateLogGetsAVote) {  // paper 5.4.1
  const struct {
    EntryId candidate;
    bool granted;
  } cases[] = {{At(3, 2), true}, {At(4, 2), true}, {At(2, 2), false}, {At(9, 1), false}, {At(1, 3), true}};
  for (const auto& c : cases) {
    for (const bool pre : {true, false}) {
      Single voter(3, {}, StartWith(3, {Entry(1, 1, 0, 0), Entry(2, 2, 0, 1), Entry(3, 2, 1, 1)}));
      voter.From(2, 4, VoteRequest{.pre = pre, .transfer = false, .last = c.candidate});
      auto answers = voter.Now<VoteResponse>();
      for (const VoteResponse& late : voter.After<VoteResponse>()) answers.push_back(late);
      ASSERT_EQ(answers.size(), 1u);
      EXPECT_EQ(answers[0].granted, c.granted) << c.candidate.index << " " << c.candidate.term << " pre " << pre;
    }
  }
}

TEST(Election, WhoHearsALeaderDoesNotEvenLearnTheTerm) {  // P21, thesis 4.2.3
  Single follower(3);
  follower.From(2, 5, HeartbeatRequest{LogIndex(0), 0});
  for (const bool pre : {true, false}) {
    follower.From(3, 9, VoteRequest{.pre = pre, .transfer = false, .last = At(99, 8)});
    EXPECT_TRUE(follower.out.messages.empty() && follower.out.messages_after.empty());
    EXPECT_EQ(follower.group.hard_state().term, Term(5));
  }
  follower.From(3, 6, VoteRequest{.pre = false, .transfer = true, .last = At(99, 5)});  // the leader asked for this one
  EXPECT_EQ(follower.After<VoteResponse>().size(), 1u);
}

TEST(Election, WhoIsAheadTellsTheOldLeader) {  // P21: or it could neither follow nor win
  Single ahead(3, {}, StartWith(7, {}));
  ahead.From(2, 5, HeartbeatRequest{LogIndex(0), 0});
  ASSERT_EQ(ahead.out.messages.size(), 1u);
  EXPECT_EQ(ahead.out.messages[0].term, Term(7));
  ahead.From(2, 6, VoteRequest{.pre = true, .transfer = false, .last = At(9, 5)});
  ASSERT_EQ(ahead.Now<VoteResponse>().size(), 1u);
  EXPECT_FALSE(ahead.Now<VoteResponse>()[0].granted);
  EXPECT_EQ(ahead.out.messages[0].term, Term(7));

  Single asker(3, {}, StartWith(5, {}));
  asker.Go(CampaignNow{});
  asker.From(2, 7, VoteResponse{.pre = true, .granted = false});  // a refusal's term counts
  EXPECT_EQ(asker.group.hard_state().term, Term(7));
  EXPECT_EQ(asker.group.soft_state().role, Role::kFollower);
}

TEST(Election, APreCandidateHasNoLeaderAndNoOldVotes) {  // P21
  Single replica(3);
  replica.From(2, 1, HeartbeatRequest{LogIndex(0), 0});
  replica.Go(CampaignNow{});
  EXPECT_EQ(replica.group.soft_state().leader, ReplicaId{});
  replica.From(3, 1, VoteResponse{.pre = true, .granted = false});
  replica.Go(CampaignNow{});
  replica.From(2, 2, VoteResponse{.pre = true, .granted = true});  // the refusal of before does not count against it
  EXPECT_EQ(replica.group.soft_state().role, Role::kCandidate);
}

TEST(Election, LearnersNeverCampaignAndTheirVotesDoNotCount) {
  InitialState initial;
  initial.configuration = {{ReplicaId(2), ReplicaId(3)}, {ReplicaId(1)}};
  Single learner(0, {}, initial);
  learner.Go(Tick{100});
  learner.Go(CampaignNow{});
  learner.From(2, 1, TimeoutNow{});
  EXPECT_EQ(learner.group.soft_state().role, Role::kFollower);
  EXPECT_TRUE(learner.out.messages.empty() && learner.out.messages_after.empty());
  EXPECT_EQ(learner.group.hard_state(), (HardState{Term(1), ReplicaId{}, LogIndex(0)}));  // the message's term, no vote

  InitialState with_learner;
  with_learner.configuration = {{ReplicaId(1), ReplicaId(2), ReplicaId(3)}, {ReplicaId(4)}};
  Single voter(0, {}, with_learner);
  voter.Go(CampaignNow{});
  EXPECT_TRUE(voter.Now<VoteRequest>(4).empty());
  voter.From(4, 1, VoteResponse{.pre = true, .granted = true});
  EXPECT_EQ(voter.group.soft_state().role, Role::kPreCandidate);
}

TEST(Election, ALeaderThatNobodyAnswersStepsDown) {
  TestCluster cluster(3, 0, 1);
  const uint64_t leader = cluster.ElectLeader();
  cluster.Isolate(leader);
  EXPECT_TRUE(cluster.RunUntil([&] { return cluster.group(leader).soft_state().role != Role::kLeader; }, 300));
  EXPECT_TRUE(cluster.RunUntil([&] { return cluster.Leader().has_value() && *cluster.Leader() != leader; }));
}

TEST(Election, AReplicaThatComesBackDisturbsNobody) {  // pre-vote: its term has not run away
  TestCluster cluster(3, 0, 2);
  const uint64_t leader = cluster.ElectLeader();
  const Term term = cluster.group(leader).soft_state().term;
  const uint64_t other = leader % 3 + 1;
  cluster.Isolate(other);
  cluster.Advance(1000);
  EXPECT_EQ(cluster.group(other).hard_state().term, term);
  cluster.Heal();
  cluster.Advance(1000);
  EXPECT_EQ(cluster.Leader(), leader);
  EXPECT_EQ(cluster.group(leader).soft_state().term, term);
}

TEST(Election, APartialPartitionKeepsTheLeader) {  // P22: one link is cut, both ends reach the third
  TestCluster cluster(3, 0, 3);
  const uint64_t leader = cluster.ElectLeader();
  const Term term = cluster.group(leader).soft_state().term;
  const uint64_t other = leader % 3 + 1;
  cluster.Cut(leader, other);
  cluster.Cut(other, leader);
  cluster.Advance(2000);
  EXPECT_EQ(cluster.Leader(), leader);
  EXPECT_EQ(cluster.group(leader).soft_state().term, term);
}

TEST(Election, ALostConnectionToTheLeaderStartsOneSoon) {
  TestCluster cluster(3, 0, 4);
  const uint64_t leader = cluster.ElectLeader();
  cluster.Crash(leader);
  cluster.Advance(2);  // a connection ends after what it carried
  for (uint64_t id = 1; id <= 3; ++id) {
    if (id != leader) cluster.Step(id, PeerLost{ReplicaId(leader)});
  }
  const uint64_t begin = cluster.now();
  cluster.ElectLeader();
  // An election timeout alone would have been ten ticks.
  EXPECT_LT(cluster.now() - begin, 6 * TestCluster::kUnitsPerTick);
}

// Split votes and followers that hear of the loss one after the other cost rounds, but those follow soon.
TEST(Election, ALostConnectionRarelyCostsAnElectionTimeout) {
  int slow = 0;
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    TestCluster cluster(3, 0, seed);
    cluster.faults.max_message_delay = TestCluster::kUnitsPerTick / 2;
    cluster.faults.max_write_delay = TestCluster::kUnitsPerTick / 2;
    const uint64_t leader = cluster.ElectLeader();
    ASSERT_TRUE(cluster.Propose(leader, 1, 10).ok());
    cluster.Crash(leader);
    cluster.Advance(TestCluster::kUnitsPerTick);
    const uint64_t begin = cluster.now();
    for (uint64_t id = 1; id <= 3; ++id) {
      if (id == leader) continue;
      cluster.Step(id, PeerLost{ReplicaId(leader)});
      cluster.Advance(cluster.Random(TestCluster::kUnitsPerTick));
    }
    cluster.ElectLeader();
    slow += cluster.now() - begin > 10 * TestCluster::kUnitsPerTick ? 1 : 0;
  }
  EXPECT_LE(slow, 2);
}

TEST(Election, ALostConnectionToALivingLeaderChangesNothing) {
  TestCluster cluster(3, 0, 5);
  const uint64_t leader = cluster.ElectLeader();
  const Term term = cluster.group(leader).soft_state().term;
  cluster.Step(leader % 3 + 1, PeerLost{ReplicaId(leader)});
  cluster.Advance(500);
  EXPECT_EQ(cluster.Leader(), leader);
  EXPECT_EQ(cluster.group(leader).soft_state().term, term);
}

TEST(Transfer, WaitsForCatchUpAndRefusesProposalsMeanwhile) {
  Single leader(3);
  leader.Lead();
  leader.Done();
  leader.Accept(2, 1);
  leader.Go(TransferLeadership{ReplicaId(3)});  // has nothing yet
  EXPECT_TRUE(leader.Now<TimeoutNow>().empty());
  EXPECT_EQ(leader.Propose(1, 10).error().code, ErrorCode::kNotLeader);
  leader.Accept(3, 1);
  EXPECT_EQ(leader.Now<TimeoutNow>(3).size(), 1u);
  EXPECT_FALSE(leader.Propose(1, 10).ok());
  // The target never wins: after an election timeout the leader goes on.
  for (int i = 0; i < 10; ++i) {
    leader.Go(Tick{});
    leader.From(2, 1, HeartbeatResponse{0});
  }
  EXPECT_TRUE(leader.Propose(1, 10).ok());
}

TEST(Transfer, IsGivenUpAloudAndAskedForAgainUntilThen) {
  Single leader(3);
  leader.Lead();
  leader.Done();
  leader.Accept(2, 1);
  leader.Go(TransferLeadership{ReplicaId(2)});
  EXPECT_EQ(leader.Now<TimeoutNow>(2).size(), 1u);
  leader.From(2, 1, HeartbeatResponse{0});  // it lives and has not taken over: the request may be lost
  EXPECT_EQ(leader.Now<TimeoutNow>(2).size(), 1u);
  for (int i = 0; i < 9; ++i) EXPECT_FALSE(leader.Go(Tick{}).transfer_failed.has_value());
  EXPECT_EQ(leader.Go(Tick{}).transfer_failed, ReplicaId(2));
  leader.From(2, 1, HeartbeatResponse{0});
  EXPECT_TRUE(leader.Now<TimeoutNow>(2).empty());
}

TEST(Transfer, GoesToVotersOnly) {
  InitialState initial;
  initial.configuration = {{ReplicaId(1), ReplicaId(2)}, {ReplicaId(4)}};
  Single leader(0, {}, initial);
  EXPECT_EQ(leader.Go(TransferLeadership{ReplicaId(2)}).transfer_failed, ReplicaId(2));  // nothing to hand over
  leader.Lead();
  EXPECT_EQ(leader.Go(TransferLeadership{ReplicaId(4)}).transfer_failed, ReplicaId(4));
  EXPECT_EQ(leader.Go(TransferLeadership{ReplicaId(9)}).transfer_failed, ReplicaId(9));
  EXPECT_FALSE(leader.Go(TransferLeadership{ReplicaId(2)}).transfer_failed.has_value());
  EXPECT_EQ(leader.Go(TransferLeadership{ReplicaId(4)}).transfer_failed, ReplicaId(4));  // the one before goes on
  EXPECT_EQ(leader.Propose(1, 1).error().code, ErrorCode::kNotLeader);
}

TEST(Priority, WhoHasALowerOneWaitsLonger) {
  const auto ticks_until_campaign = [](uint32_t priority, uint64_t seed) {
    Options options;
    options.random_seed = seed;
    options.priority = priority;
    Single replica(3, options);
    int ticks = 0;
    while (replica.group.soft_state().role == Role::kFollower && ticks < 100) {
      replica.Go(Tick{});
      ++ticks;
    }
    return ticks;
  };
  for (uint64_t seed = 0; seed < 50; ++seed) {
    EXPECT_EQ(ticks_until_campaign(1, seed), ticks_until_campaign(0, seed) + 5);
    EXPECT_EQ(ticks_until_campaign(2, seed), ticks_until_campaign(0, seed) + 10);
  }
  // At a broken connection too, and the preferred one is surely first.
  for (uint64_t seed = 0; seed < 50; ++seed) {
    Options options;
    options.random_seed = seed;
    Single second(3, options);
    second.group.SetPriority(1);
    second.From(2, 1, HeartbeatRequest{LogIndex(0), 0});
    second.Go(PeerLost{ReplicaId(2)});
    second.Go(Tick{3});
    EXPECT_EQ(second.group.soft_state().role, Role::kFollower);
    second.Go(Tick{3});
    EXPECT_EQ(second.group.soft_state().role, Role::kPreCandidate);
  }
}

TEST(Campaign, NowMeansAPreVoteAtOnceAndNothingForALeader) {
  Single replica(3);
  replica.Go(CampaignNow{});
  EXPECT_EQ(replica.group.soft_state().role, Role::kPreCandidate);
  replica.Go(CampaignNow{});  // asks again
  EXPECT_EQ(replica.Now<VoteRequest>().size(), 2u);
  replica.From(2, 1, VoteResponse{.pre = true, .granted = true});
  replica.Go(CampaignNow{});  // a candidate goes on
  EXPECT_EQ(replica.group.soft_state().role, Role::kCandidate);
  EXPECT_EQ(replica.group.hard_state().term, Term(1));
  replica.Done();
  replica.From(2, 1, VoteResponse{.pre = false, .granted = true});
  replica.Go(CampaignNow{});
  EXPECT_EQ(replica.group.soft_state().role, Role::kLeader);
  EXPECT_TRUE(replica.out.messages.empty());
}

TEST(Transfer, MovesLeadershipWithoutATimeout) {
  TestCluster cluster(3, 0, 6);
  const uint64_t leader = cluster.ElectLeader();
  const uint64_t target = leader % 3 + 1;
  ASSERT_TRUE(cluster.Propose(leader, 3, 100).ok());
  cluster.Step(leader, TransferLeadership{ReplicaId(target)});
  const uint64_t begin = cluster.now();
  EXPECT_TRUE(cluster.RunUntil([&] { return cluster.Leader() == target; }));
  EXPECT_LT(cluster.now() - begin, 3 * TestCluster::kUnitsPerTick);
}

TEST(Messages, WrongOnesAreIgnored) {  // P25
  Single replica(3);
  const auto ignored = [&](Message message) {
    replica.Go(std::move(message));
    return replica.out.messages.empty() && replica.out.messages_after.empty() && replica.out.persist.empty();
  };
  const VoteRequest ask{.pre = false, .transfer = false, .last = {}};
  EXPECT_TRUE(ignored({ReplicaId(2), ReplicaId(7), Term(1), ask}));  // to somebody else
  EXPECT_TRUE(ignored({ReplicaId(1), ReplicaId(1), Term(1), ask}));  // from itself
  EXPECT_TRUE(ignored({ReplicaId(0), ReplicaId(1), Term(1), ask}));
  EXPECT_TRUE(ignored({ReplicaId(2), ReplicaId(1), Term(0), ask}));
  EXPECT_TRUE(ignored({ReplicaId(2), ReplicaId(1), Term(1ull << 31), ask}));  // no Kafka leader epoch
  EXPECT_TRUE(ignored({ReplicaId(2), ReplicaId(1), Term(UINT64_MAX), ask}));
  EXPECT_EQ(replica.group.hard_state().term, Term(0));
  replica.Lead();
  replica.Accept(2, 99);  // more than the leader has
  replica.Accept(9, 1);   // from a stranger
  EXPECT_EQ(replica.group.commit_index(), LogIndex(0));
  replica.Append(2, 1, {}, Offset(0), {Entry(1, 1, 0, 5)});  // a second leader of this term
  EXPECT_EQ(replica.group.soft_state().role, Role::kLeader);
}

TEST(ElectionDeathTest, TheTermMustStayAKafkaLeaderEpoch) {
  Single replica(1, {}, StartWith(INT32_MAX, {}));
  EXPECT_DEATH(replica.Go(CampaignNow{}), "no Kafka leader epoch");
}

// --- how rarely a replica may be ticked

// Every tick that is said to change nothing changes nothing, and the one after them does what single ticks do.
TEST(Ticks, ManyInOneAreTheSameAsOneByOne) {
  Options options;
  options.heartbeat_ticks = 4;
  options.election_ticks = 40;
  options.idle_heartbeat_ticks = 12;
  for (const bool leads : {false, true}) {
    Single lumped(3, options);
    Single single(3, options);
    if (leads) {
      lumped.Lead();
      single.Lead();
    }
    for (int i = 0; i < 5 && lumped.group.soft_state() == single.group.soft_state(); ++i) {
      const uint32_t due = lumped.group.ticks_until_due();
      ASSERT_GT(due, 0u);
      if (due > 1) {
        lumped.Go(Tick{due - 1});
        EXPECT_TRUE(lumped.out.messages.empty() && lumped.out.persist.empty() && !lumped.out.soft_state);
      }
      for (uint32_t t = 1; t < due; ++t) {
        single.Go(Tick{});
        EXPECT_TRUE(single.out.messages.empty() && !single.out.soft_state) << "tick " << t << " of " << due;
      }
      lumped.Go(Tick{});
      single.Go(Tick{});
      EXPECT_EQ(lumped.out.messages.size(), single.out.messages.size());
      EXPECT_EQ(lumped.out.soft_state, single.out.soft_state);
      EXPECT_EQ(lumped.group.ticks_until_due(), single.group.ticks_until_due());
    }
  }
}

TEST(Ticks, ALeaderBeatsOnceHoweverManyTicksCome) {
  Single leader(3);
  leader.Lead();
  leader.Go(Tick{5});
  EXPECT_EQ(leader.Now<HeartbeatRequest>().size(), 2u);
}

TEST(Ticks, ALeaderWhoseFollowersKnowEverythingBeatsLessOften) {
  Options options;
  options.heartbeat_ticks = 2;
  options.election_ticks = 20;
  options.idle_heartbeat_ticks = 6;
  Single leader(3, options);
  leader.Lead();
  leader.Done();
  EXPECT_EQ(leader.group.ticks_between_beats(), 2u) << "nobody has its first entry";
  leader.Accept(2, 1);
  EXPECT_EQ(leader.group.ticks_between_beats(), 2u) << "node 3 has not";
  leader.Accept(3, 1);
  EXPECT_EQ(leader.group.ticks_between_beats(), 6u);
  ASSERT_TRUE(leader.Propose(1, 10).ok());
  EXPECT_EQ(leader.group.ticks_between_beats(), 2u);
  leader.Done();
  leader.Accept(2, 2);
  leader.Accept(3, 2);
  EXPECT_EQ(leader.group.ticks_between_beats(), 6u);
  leader.Go(PeerLost{ReplicaId(3)});
  EXPECT_EQ(leader.group.ticks_between_beats(), 2u) << "node 3 may have lost what it was sent";
}

// Whoever looks at every so many ticks must not be in step with the check of the quorum, and see nobody for ever.
TEST(Ticks, AFollowerThatAnswersIsSeenAtEveryTick) {
  Options options;
  options.election_ticks = 12;
  options.heartbeat_ticks = 3;
  Single leader(3, options);
  leader.Lead();
  leader.Done();
  leader.Accept(2, 1);
  const auto active = [&](size_t i) { return leader.group.peers()[i].recently_active; };
  int silent = 0;
  for (int i = 0; i < 60; ++i) {
    leader.Go(Tick{});
    if (!leader.Now<HeartbeatRequest>().empty()) leader.From(2, 1, HeartbeatResponse{});
    EXPECT_TRUE(active(0)) << "tick " << i;
    silent += active(1) ? 0 : 1;
  }
  EXPECT_GE(silent, 60 - 2 * 12) << "node 3 never answered";
}

}  // namespace
}  // namespace chronik::raft
