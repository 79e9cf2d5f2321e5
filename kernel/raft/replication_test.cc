// SPDX-License-Identifier: Apache-2.0
// Goal: what is sent, what is acknowledged when, and what may be called committed. Method: one replica and
// hand-written messages and completions, in the very order that once broke another system (P<n>); small clusters where
// two sides matter.
#include <gtest/gtest.h>

#include "kernel/raft/single.h"
#include "kernel/raft/test_cluster.h"

namespace chronik::raft {
namespace {

TEST(Commit, TheOnlyVoterCommitsWhatIsOnDiskOnly) {  // P2
  Single one(1);
  one.Go(CampaignNow{});
  one.Done();
  one.Done();
  ASSERT_TRUE(one.Propose(3, 100).ok());
  EXPECT_EQ(one.group.commit_index(), LogIndex(1));
  EXPECT_EQ(one.group.uncommitted_bytes(), 100u);
  one.Done();
  EXPECT_EQ(one.out.committed, LogIndex(2));
  EXPECT_EQ(one.group.uncommitted_bytes(), 0u);
  EXPECT_EQ(one.group.next_offset(), Offset(3));
}

TEST(Commit, BecomingLeaderMakesNothingDurable) {  // P3
  Single replica(3);
  replica.Append(2, 1, {}, Offset(0), {Entry(1, 1, 0, 0), Entry(2, 1, 0, 4)});
  const uint64_t tail = replica.last_sequence;  // never completes before the election is over
  replica.Go(CampaignNow{});
  replica.From(3, 2, VoteResponse{.pre = true, .granted = true});
  // Its vote is written behind the tail, so that one is complete with it; the no-op is not.
  EXPECT_GT(replica.last_sequence, tail);
  replica.Done();
  replica.From(3, 2, VoteResponse{.pre = false, .granted = true});
  ASSERT_EQ(replica.group.soft_state().role, Role::kLeader);
  EXPECT_EQ(replica.group.durable_index(), LogIndex(2));
  EXPECT_EQ(replica.group.last_index(), LogIndex(3));
  replica.Accept(2, 3);
  replica.Accept(3, 3);
  EXPECT_EQ(replica.group.commit_index(), LogIndex(0));  // two others have it; not beyond the own disk
  replica.Done();
  EXPECT_EQ(replica.group.commit_index(), LogIndex(3));
}

TEST(Commit, EntriesOfEarlierTermsAreNotCounted) {  // P6, paper figure 8
  Single leader(3, {}, StartWith(2, {Entry(1, 1, 0, 0), Entry(2, 2, 0, 1)}));
  leader.Lead();  // term 3; its no-op is entry 3
  leader.Done();
  leader.Accept(2, 2);
  EXPECT_EQ(leader.group.commit_index(), LogIndex(0));
  EXPECT_FALSE(leader.group.leader_is_confirmed());
  leader.Accept(2, 3);
  EXPECT_EQ(leader.group.commit_index(), LogIndex(3));
}

TEST(Storage, CompletionsCountOnceAndCoverAllBefore) {  // P4
  Single one(1);
  one.Go(CampaignNow{});
  one.Done();
  one.Done();
  const uint64_t base = one.last_sequence;
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(one.Propose(1, 1).ok());
  one.Go(StorageDone{base + 2});
  EXPECT_EQ(one.group.commit_index(), LogIndex(3));
  one.Go(StorageDone{base + 1});  // overtaken
  EXPECT_EQ(one.group.commit_index(), LogIndex(3));
  one.Go(StorageDone{base + 3});
  EXPECT_EQ(one.group.commit_index(), LogIndex(4));
}

TEST(Storage, ACompletionSpeaksOnlyForItsOwnEntries) {  // P7: the same entry goes, and comes back
  Single replica(3);
  replica.Append(2, 1, {}, Offset(0), {Entry(1, 1, 0, 0), Entry(2, 1, 0, 1), Entry(3, 1, 1, 1)});
  const uint64_t first = replica.last_sequence;
  replica.Append(3, 2, At(1, 1), Offset(0), {Entry(2, 2, 0, 9)});
  const uint64_t second = replica.last_sequence;
  replica.Append(2, 3, At(1, 1), Offset(0), {Entry(2, 1, 0, 1), Entry(3, 1, 1, 1)});
  const uint64_t third = replica.last_sequence;
  replica.Go(StorageDone{first});
  EXPECT_EQ(replica.group.durable_index(), LogIndex(1));  // 2 and 3 are there, but about to be overwritten
  replica.Go(StorageDone{second});
  EXPECT_EQ(replica.group.durable_index(), LogIndex(1));
  replica.Go(StorageDone{third});
  EXPECT_EQ(replica.group.durable_index(), LogIndex(3));
}

TEST(Storage, AnEmptyAppendWaitsForNothingThatIsNotUnderWay) {  // P8
  Single replica(3, {}, StartWith(1, {Entry(1, 1, 0, 0)}));
  replica.Append(2, 1, At(1, 1), Offset(0), {});
  ASSERT_EQ(replica.Now<AppendResponse>().size(), 1u);
  EXPECT_EQ(replica.Now<AppendResponse>()[0].match, LogIndex(1));
  replica.Append(2, 1, At(1, 1), Offset(0), {Entry(2, 1, 0, 1)});
  EXPECT_TRUE(replica.Now<AppendResponse>().empty());
  replica.Append(2, 1, At(2, 1), Offset(1), {});  // about an entry that is not on disk yet
  EXPECT_TRUE(replica.Now<AppendResponse>().empty());
  ASSERT_EQ(replica.After<AppendResponse>().size(), 1u);
  EXPECT_EQ(replica.out.messages_after[0].first, replica.last_sequence);
}

TEST(Storage, AFailureEndsEverything) {
  Single leader(3);
  leader.Lead();
  leader.Go(ReadBarrier{5});
  leader.Go(StorageFailed{});
  EXPECT_EQ(leader.group.soft_state().role, Role::kFollower);
  EXPECT_EQ(leader.out.barriers_failed, std::vector<uint64_t>{5});
  EXPECT_FALSE(leader.Propose(1, 1).ok());
  leader.Go(Tick{1000});
  leader.Go(CampaignNow{});
  leader.From(2, 9, VoteRequest{.pre = false, .transfer = false, .last = At(99, 8)});
  leader.Append(2, 9, {}, Offset(0), {});
  EXPECT_TRUE(leader.out.messages.empty() && leader.out.messages_after.empty() && leader.out.persist.empty());
}

TEST(Follower, RefusesOffsetsThatDoNotContinueItsOwn) {
  Single replica(3, {}, StartWith(1, {Entry(1, 1, 0, 0), Entry(2, 1, 0, 5)}));
  replica.Append(2, 1, At(2, 1), Offset(6), {Entry(3, 1, 6, 1)});
  EXPECT_TRUE(replica.out.persist.empty());
  ASSERT_EQ(replica.Now<AppendResponse>().size(), 1u);
  EXPECT_TRUE(replica.Now<AppendResponse>()[0].rejected);
  EXPECT_EQ(replica.group.offset_conflicts(), 1u);
  // Entries that contradict each other make no sense at all.
  replica.Append(2, 1, At(2, 1), Offset(5), {Entry(3, 1, 5, 1), Entry(4, 1, 7, 1)});
  replica.Append(2, 1, At(2, 1), Offset(5), {Entry(3, 1, 5, 1), Entry(5, 1, 6, 1)});
  replica.Append(2, 1, At(2, 1), Offset(5), {Entry(3, 2, 5, 1)});  // of a term beyond the sender's
  EXPECT_EQ(replica.group.last_index(), LogIndex(2));
}

TEST(Follower, AnOffsetConflictIsRetriedOnlyWithHeartbeats) {
  Single leader(3);
  leader.Lead();
  leader.Done();
  leader.Accept(2, 1);
  ASSERT_TRUE(leader.Propose(1, 10).ok());
  const auto refuse = [&](uint64_t previous) {
    leader.Refuse(2, At(previous, 1), previous);
    return leader.Now<AppendRequest>(2).size();
  };
  leader.From(2, 1, HeartbeatResponse{0});
  leader.From(2, 1, HeartbeatResponse{0});  // an empty append at 2, which is refused
  EXPECT_EQ(refuse(2), 1u);                 // it tries from what is known to match
  EXPECT_EQ(refuse(1), 0u);                 // and is refused there as well: no storm
  leader.From(2, 1, HeartbeatResponse{0});
  EXPECT_EQ(leader.Now<AppendRequest>(2).size(), 1u);
}

TEST(Follower, CommitsNeitherBeyondTheMatchNorBeyondItsLog) {  // P10, P26
  Single replica(3, {}, StartWith(1, {Entry(1, 1, 0, 0), Entry(2, 1, 0, 1), Entry(3, 1, 1, 1)}));
  replica.Append(2, 2, At(1, 1), Offset(0), {}, 3);  // 2 and 3 are not compared yet
  EXPECT_EQ(replica.group.commit_index(), LogIndex(1));
  replica.From(2, 2, HeartbeatRequest{LogIndex(9), 0});
  EXPECT_EQ(replica.group.commit_index(), LogIndex(1));
  EXPECT_EQ(replica.Now<HeartbeatResponse>().size(), 1u);
  // A suffix that is committed cannot be replaced, whoever asks.
  replica.From(2, 2, HeartbeatRequest{LogIndex(2), 0});
  replica.Append(2, 3, At(1, 1), Offset(0), {Entry(2, 3, 0, 1)});
  EXPECT_EQ(replica.group.TermAt(LogIndex(2)), Term(1));
}

TEST(Follower, ALateSnapshotOfferDoesNotUndoWhatWasAcknowledged) {
  Single replica(3, {}, StartWith(1, {Entry(1, 1, 0, 0), Entry(2, 1, 0, 1), Entry(3, 1, 1, 1)}));
  replica.From(2, 1, InstallSnapshot{At(2, 1), Offset(1), {{ReplicaId(2)}, {}}});
  EXPECT_FALSE(replica.out.pull_snapshot.has_value());
  EXPECT_EQ(replica.group.last_index(), LogIndex(3));
  EXPECT_EQ(replica.group.commit_index(), LogIndex(2));
  replica.From(2, 1, InstallSnapshot{At(7, 1), Offset(9), {{ReplicaId(2)}, {}}});
  EXPECT_TRUE(replica.out.pull_snapshot.has_value());
}

TEST(Leader, HeartbeatsCarryNoCommitThatTheReceiverMayLack) {  // P26
  Single leader(3);
  leader.Lead();
  leader.Done();
  leader.Accept(2, 1);
  ASSERT_EQ(leader.group.commit_index(), LogIndex(1));
  leader.Go(Tick{});
  EXPECT_EQ(leader.Now<HeartbeatRequest>(2).at(0).commit, LogIndex(1));
  EXPECT_EQ(leader.Now<HeartbeatRequest>(3).at(0).commit, LogIndex(0));
}

TEST(Leader, WindowsLimitMessagesAndBytes) {
  Options options;
  options.max_append_bytes = 100;
  options.max_inflight_messages = 3;
  options.max_inflight_bytes = 250;
  Single leader(3, options);
  leader.Lead();
  leader.Done();
  leader.Accept(2, 1);
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(leader.Propose(1, 10).ok());
  // The first three left at once, the rest waits and then leaves together.
  leader.Accept(2, 4);
  ASSERT_EQ(leader.Now<AppendRequest>(2).size(), 1u);
  EXPECT_EQ(leader.Now<AppendRequest>(2)[0].entries.size(), 2u);
  leader.Accept(2, 6);
  ASSERT_TRUE(leader.Propose(1, 500).ok());  // larger than a message may be, and than the window: goes alone
  EXPECT_EQ(leader.Now<AppendRequest>(2).size(), 1u);
  ASSERT_TRUE(leader.Propose(1, 10).ok());
  EXPECT_TRUE(leader.Now<AppendRequest>(2).empty());
}

TEST(Leader, ByteWindowAloneHoldsBackAndOpensAsAnswersCome) {
  Options options;
  options.max_inflight_bytes = 100;
  Single leader(3, options);
  leader.Lead();
  leader.Done();
  leader.Accept(2, 1);
  for (const size_t sent : {1u, 1u, 0u}) {  // 60, 120 bytes: the window is full once it is reached
    ASSERT_TRUE(leader.Propose(1, 60).ok());
    EXPECT_EQ(leader.Now<AppendRequest>(2).size(), sent);
  }
  leader.Accept(2, 2);
  ASSERT_EQ(leader.Now<AppendRequest>(2).size(), 1u);
  EXPECT_EQ(leader.Now<AppendRequest>(2)[0].entries.at(0).index, LogIndex(4));
  // A refusal empties the window: everything goes again, one message first.
  leader.Refuse(2, At(2, 1), 3);
  ASSERT_EQ(leader.Now<AppendRequest>(2).size(), 1u);
  EXPECT_EQ(leader.Now<AppendRequest>(2)[0].previous, At(2, 1));
}

TEST(Leader, UncommittedBytesAreBoundedButOneProposalAlwaysPasses) {
  Options options;
  options.max_uncommitted_bytes = 100;
  Single one(1, options);
  one.Go(CampaignNow{});
  one.Done();
  one.Done();
  EXPECT_TRUE(one.Propose(1, 5000).ok());
  EXPECT_EQ(one.Propose(1, 1).error().code, ErrorCode::kOverloaded);
  EXPECT_TRUE(one.out.persist.empty());
  one.Done();
  EXPECT_TRUE(one.Propose(1, 99).ok());
  EXPECT_TRUE(one.Propose(1, 1).ok());
  EXPECT_FALSE(one.Propose(1, 1).ok());
}

TEST(Leader, SkipsWholeTermsOnConflict) {
  // The leader: terms 1, then 3 from entry 2 on. The follower: terms 1 1 2 2 2 ... It takes two questions, not eight.
  std::vector<EntryMeta> mine{Entry(1, 1, 0, 0)};
  for (uint64_t i = 2; i <= 10; ++i) mine.push_back(Entry(i, 3, static_cast<int64_t>(i) - 2, 1));
  Single leader(3, {}, StartWith(3, mine));
  leader.Lead();
  leader.Refuse(2, At(10, 2), 10);
  ASSERT_EQ(leader.Now<AppendRequest>(2).size(), 1u);
  EXPECT_EQ(leader.Now<AppendRequest>(2)[0].previous, At(1, 1));
}

TEST(Leader, HasTheDriverReadWhatItNoLongerRemembers) {
  Single leader(3, {}, StartWith(1, {Entry(1, 1, 0, 0), Entry(2, 1, 0, 7), Entry(3, 1, 7, 1)}));
  leader.Lead();
  leader.Refuse(2, At(1, 1), 3);
  auto probe = leader.Now<AppendRequest>(2).at(0);
  EXPECT_EQ(probe.previous, At(1, 1));
  EXPECT_TRUE(probe.entries.empty());
  EXPECT_EQ(probe.read_through, LogIndex(0));  // nothing is read before it is known what is needed
  leader.Accept(2, 1);
  probe = leader.Now<AppendRequest>(2).at(0);
  EXPECT_EQ(probe.read_through, LogIndex(4));
  EXPECT_TRUE(leader.Propose(1, 1).ok());
  EXPECT_TRUE(leader.Now<AppendRequest>(2).empty());  // one at a time
  leader.Accept(2, 2);                                // the driver's read ended there
  EXPECT_EQ(leader.Now<AppendRequest>(2).at(0).read_through, LogIndex(5));
}

TEST(Leader, OffersASnapshotForWhatIsGone) {
  Single leader(3, {}, StartWith(1, {Entry(1, 1, 0, 0), Entry(2, 1, 0, 7), Entry(3, 1, 7, 1)}, 3));
  leader.group.TruncatedPrefix(LogIndex(3), Offset(7));
  leader.Lead();
  leader.Refuse(2, At(0, 0), 3);
  ASSERT_EQ(leader.Now<InstallSnapshot>(2).size(), 1u);
  EXPECT_EQ(leader.Now<InstallSnapshot>(2)[0].last, At(2, 1));
  EXPECT_EQ(leader.Now<InstallSnapshot>(2)[0].next_offset, Offset(7));
  leader.Accept(2, 2);
  EXPECT_EQ(leader.Now<AppendRequest>(2).at(0).previous, At(2, 1));
}

TEST(Reads, WaitForAMajorityThatAnswersAfterwards) {
  Single leader(3);
  leader.Lead();
  leader.Done();
  leader.Accept(2, 1);
  leader.Go(ReadBarrier{7});
  ASSERT_EQ(leader.Now<HeartbeatRequest>().size(), 2u);
  const uint64_t round = leader.Now<HeartbeatRequest>()[0].read_context;
  leader.Go(ReadBarrier{8});  // came after that round began: its answers prove nothing for it
  leader.From(2, 1, HeartbeatResponse{0});
  EXPECT_TRUE(leader.out.barriers_passed.empty());
  leader.From(2, 1, HeartbeatResponse{round});
  EXPECT_EQ(leader.out.barriers_passed, std::vector<uint64_t>{7});
  leader.From(3, 1, HeartbeatResponse{round});
  EXPECT_TRUE(leader.out.barriers_passed.empty());
  leader.From(3, 1, HeartbeatResponse{round + 1});
  EXPECT_EQ(leader.out.barriers_passed, std::vector<uint64_t>{8});
}

TEST(Reads, WaitForACommittedEntryOfTheTerm) {  // P19
  Single leader(3, {}, StartWith(1, {Entry(1, 1, 0, 0)}, 1));
  leader.Lead();
  leader.Go(ReadBarrier{7});
  leader.Go(Tick{});
  for (uint64_t round = 0; round < 3; ++round) leader.From(2, 2, HeartbeatResponse{round});
  EXPECT_TRUE(leader.out.barriers_passed.empty());
  leader.Done();
  leader.Accept(2, 2);
  EXPECT_TRUE(leader.group.leader_is_confirmed());
  leader.From(2, 2, HeartbeatResponse{1});
  EXPECT_EQ(leader.out.barriers_passed, std::vector<uint64_t>{7});

  Single one(1);
  one.Go(ReadBarrier{1});
  EXPECT_EQ(one.out.barriers_failed, std::vector<uint64_t>{1});
  one.Go(CampaignNow{});
  one.Done();
  one.Go(ReadBarrier{2});
  EXPECT_TRUE(one.out.barriers_passed.empty());
  one.Done();
  EXPECT_EQ(one.out.barriers_passed, std::vector<uint64_t>{2});
  one.Go(ReadBarrier{3});
  EXPECT_EQ(one.out.barriers_passed, std::vector<uint64_t>{3});
}

TEST(Cluster, FollowersLearnACommitWithoutWaitingForAHeartbeat) {
  Options options;
  options.heartbeat_ticks = 5;
  TestCluster cluster(3, 1, 7, options);  // with a learner, which receives like the others
  const uint64_t leader = cluster.ElectLeader();
  cluster.Advance(100);
  ASSERT_TRUE(cluster.Propose(leader, 1, 10).ok());
  EXPECT_TRUE(cluster.RunUntil([&] { return cluster.Converged(); }, 12));
}

TEST(Cluster, AFollowerFarBehindCatchesUpFromTheLog) {
  Options options;
  options.max_append_bytes = 1000;
  TestCluster cluster(3, 0, 8, options);
  const uint64_t leader = cluster.ElectLeader();
  const uint64_t behind = leader % 3 + 1;
  cluster.Crash(behind);
  for (int i = 0; i < 3000; ++i) {
    ASSERT_TRUE(cluster.Propose(leader, 1, 10).ok());
    if (i % 10 == 0) cluster.Advance();
  }
  cluster.Advance(50);
  const uint64_t before = cluster.sent_appends();
  cluster.Restart(behind);
  EXPECT_TRUE(cluster.RunUntil([&] { return cluster.Converged(); }, 1500)) << cluster.Describe();
  EXPECT_LT(cluster.sent_appends() - before, 100u);  // 3000 entries of 10 bytes in messages of 1000
}

}  // namespace
}  // namespace chronik::raft
