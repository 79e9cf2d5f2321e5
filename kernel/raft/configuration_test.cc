// SPDX-License-Identifier: Apache-2.0
// Goal: what counts as a group, the steps of a change, the stored form, and which configuration holds where in a log.
#include "kernel/raft/configuration.h"

#include <gtest/gtest.h>

#include "kernel/raft/quorum.h"

namespace chronik::raft {
namespace {

std::vector<ReplicaId> Nodes(std::initializer_list<uint64_t> ids) {
  std::vector<ReplicaId> out;
  for (const uint64_t id : ids) out.emplace_back(id);
  return out;
}

Configuration Stable(std::initializer_list<uint64_t> voters, std::initializer_list<uint64_t> learners = {}) {
  return {Nodes(voters), Nodes(learners)};
}

Configuration Joint(std::initializer_list<uint64_t> voters, std::initializer_list<uint64_t> next) {
  return {Nodes(voters), {}, ConfigurationPhase::kJoint, Nodes(next), {}};
}

TEST(Configuration, AGroupHasAVoterAndNamesNobodyTwice) {
  EXPECT_TRUE(IsValid(Stable({1, 2, 3}, {4})));
  EXPECT_FALSE(IsValid(Configuration{}));
  EXPECT_FALSE(IsValid(Stable({}, {1})));
  EXPECT_FALSE(IsValid(Stable({0, 1})));
  EXPECT_FALSE(IsValid(Stable({2, 1})));
  EXPECT_FALSE(IsValid(Stable({1, 1})));
  EXPECT_FALSE(IsValid(Stable({1, 2}, {2})));
  EXPECT_TRUE(IsValid(Joint({1, 2, 3}, {3, 4})));
  EXPECT_FALSE(IsValid(Joint({1, 2, 3}, {})));
  Configuration stable_with_next = Joint({1}, {2});
  stable_with_next.phase = ConfigurationPhase::kStable;
  EXPECT_FALSE(IsValid(stable_with_next));
  Configuration many;
  for (uint64_t id = 1; id <= kMaxMembers + 1; ++id) many.voters.emplace_back(id);
  EXPECT_FALSE(IsValid(many));
}

TEST(Configuration, NewVotersCatchUpBeforeTheyCount) {
  const Configuration first = FirstStep(Stable({1, 2, 3}, {9}), Nodes({2, 3, 4}), Nodes({1}));
  EXPECT_EQ(first.phase, ConfigurationPhase::kCatchingUp);
  EXPECT_TRUE(IsValid(first));
  EXPECT_EQ(Voters(first), Nodes({1, 2, 3}));
  EXPECT_EQ(Members(first), Nodes({1, 2, 3, 4, 9}));
  const Configuration second = NextStep(first);
  EXPECT_TRUE(second.joint());
  EXPECT_EQ(Voters(second), Nodes({1, 2, 3, 4}));
  EXPECT_EQ(NextStep(second), Stable({2, 3, 4}, {1}));
}

TEST(Configuration, WithoutNewVotersThereIsNothingToCatchUp) {
  EXPECT_EQ(FirstStep(Stable({1, 2, 3}), Nodes({1, 2}), {}), Joint({1, 2, 3}, {1, 2}));
  EXPECT_EQ(FirstStep(Stable({1, 2, 3}), Nodes({1, 2, 3}), Nodes({4})), Stable({1, 2, 3}, {4}));
  // The present voters call off a change that waits.
  const Configuration waiting = FirstStep(Stable({1, 2, 3}), Nodes({1, 2, 4}), {});
  EXPECT_EQ(FirstStep(waiting, Nodes({1, 2, 3}), {}), Stable({1, 2, 3}));
}

TEST(Configuration, AJointOneNeedsBothMajorities) {  // P20: each counts for itself
  const Configuration joint = Joint({1, 2, 3}, {3, 4, 5});
  const auto quorum = [&](std::initializer_list<uint64_t> ids) {
    const std::vector<ReplicaId> yes = Nodes(ids);
    return QuorumHolds(joint, [&](ReplicaId node) { return std::find(yes.begin(), yes.end(), node) != yes.end(); });
  };
  EXPECT_FALSE(quorum({1, 2, 3}));
  EXPECT_FALSE(quorum({3, 4, 5}));
  EXPECT_FALSE(quorum({1, 2, 4}));  // three of five, but only one of the new ones
  EXPECT_TRUE(quorum({1, 3, 4}));
  EXPECT_TRUE(quorum({1, 2, 4, 5}));
  EXPECT_EQ(QuorumReached<uint64_t>(joint, [](ReplicaId node) { return node.value * 10; }), 20u);
  EXPECT_EQ(QuorumReached<uint64_t>(joint, [](ReplicaId node) { return 100 - node.value * 10; }), 60u);
}

TEST(Configuration, AnEvenNumberNeedsMoreThanHalf) {
  const Configuration four = Stable({1, 2, 3, 4});
  EXPECT_FALSE(QuorumHolds(four, [](ReplicaId node) { return node.value <= 2; }));
  EXPECT_TRUE(QuorumHolds(four, [](ReplicaId node) { return node.value <= 3; }));
  EXPECT_FALSE(QuorumHolds(Configuration{}, [](ReplicaId) { return true; }));
}

TEST(Configuration, ItsStoredFormNeverChanges) {
  const Configuration c = {Nodes({1, 2}), Nodes({7}), ConfigurationPhase::kJoint, Nodes({0x0102030405060708}), {}};
  const std::vector<uint8_t> bytes = {1, 2,                                                  // version, phase
                                      2, 0, 1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0,  // voters
                                      1, 0, 7, 0, 0, 0, 0, 0, 0, 0,                          // learners
                                      1, 0, 8, 7, 6, 5, 4, 3, 2, 1,                          // next voters
                                      0, 0};                                                 // next learners
  EXPECT_EQ(EncodeConfiguration(c), bytes);
  EXPECT_EQ(EncodedSize(c), bytes.size());
  EXPECT_EQ(*DecodeConfiguration(bytes), c);
}

TEST(Configuration, BytesThatAreNoneAreRefused) {
  const std::vector<uint8_t> good = EncodeConfiguration(Joint({1, 2, 3}, {3, 4, 5}));
  for (size_t size = 0; size < good.size(); ++size) {
    EXPECT_FALSE(DecodeConfiguration(ByteView(good).first(size)).ok()) << size;
  }
  std::vector<uint8_t> longer = good;
  longer.push_back(0);
  EXPECT_FALSE(DecodeConfiguration(longer).ok());
  std::vector<uint8_t> newer = good;
  newer[0] = 2;
  EXPECT_EQ(DecodeConfiguration(newer).error().code, ErrorCode::kUnsupportedVersion);
  std::vector<uint8_t> phase = good;
  phase[1] = 3;
  EXPECT_FALSE(DecodeConfiguration(phase).ok());
  std::vector<uint8_t> unsorted = good;
  unsorted[4] = 9;  // the first voter
  EXPECT_FALSE(DecodeConfiguration(unsorted).ok());
}

TEST(ConfigurationHistory, FollowsTheLog) {
  ConfigurationHistory history(Stable({1}), {{LogIndex(5), Stable({1}, {2})}});
  EXPECT_EQ(history.newest_index(), LogIndex(5));
  history.Append(LogIndex(8), Stable({1, 2}));
  EXPECT_EQ(history.At(LogIndex(4)), Stable({1}));
  EXPECT_EQ(history.At(LogIndex(7)), Stable({1}, {2}));
  EXPECT_EQ(history.newest(), Stable({1, 2}));
  const uint64_t version = history.version();
  history.TruncateSuffix(LogIndex(9));
  EXPECT_EQ(history.version(), version);
  history.TruncateSuffix(LogIndex(8));
  EXPECT_EQ(history.newest(), Stable({1}, {2}));
  EXPECT_NE(history.version(), version);
}

TEST(ConfigurationHistory, KeepsWhatARollBackComesDownTo) {  // P28
  ConfigurationHistory history(Stable({1}), {});
  history.Append(LogIndex(3), Stable({1}, {2}));
  history.Append(LogIndex(9), Stable({1}, {2, 3}));
  history.ForgetBefore(LogIndex(6));  // entry 3 is gone, what it said is not
  EXPECT_EQ(history.At(LogIndex(5)), Stable({1}, {2}));
  EXPECT_EQ(history.At(LogIndex(1)), Stable({1}, {2}));  // the oldest known
  history.TruncateSuffix(LogIndex(7));
  EXPECT_EQ(history.newest(), Stable({1}, {2}));
}

TEST(ConfigurationHistory, KnowsWhoVotesUntilARemovalIsCommitted) {
  ConfigurationHistory history(Stable({1, 2}), {{LogIndex(4), Joint({1, 2}, {2})}, {LogIndex(5), Stable({2})}});
  EXPECT_TRUE(history.IsVoterSince(ReplicaId(1), LogIndex(4)));
  EXPECT_FALSE(history.IsVoterSince(ReplicaId(1), LogIndex(5)));
  EXPECT_TRUE(history.IsVoterSince(ReplicaId(2), LogIndex(5)));
  EXPECT_FALSE(history.IsVoterSince(ReplicaId(3), LogIndex(0)));
}

TEST(ConfigurationHistory, OfWhatItDoesNotKnowGivesTheFirstCommittedOne) {
  ConfigurationHistory history({}, {{LogIndex(4), Stable({1}, {2})}, {LogIndex(8), Stable({1, 2})}});
  EXPECT_EQ(history.ForSnapshotAt(LogIndex(2), LogIndex(3)), nullptr);
  ASSERT_NE(history.ForSnapshotAt(LogIndex(2), LogIndex(4)), nullptr);
  EXPECT_EQ(*history.ForSnapshotAt(LogIndex(2), LogIndex(9)), Stable({1}, {2}));
  EXPECT_EQ(*history.ForSnapshotAt(LogIndex(8), LogIndex(9)), Stable({1, 2}));
}

TEST(ConfigurationHistory, TellsWhenAChangeIsOver) {
  ConfigurationHistory history(Stable({1}), {{LogIndex(4), Joint({1}, {2})}, {LogIndex(5), Stable({2})}});
  EXPECT_EQ(history.SettledIn(LogIndex(0), LogIndex(4)), nullptr);
  ASSERT_NE(history.SettledIn(LogIndex(4), LogIndex(7)), nullptr);
  EXPECT_EQ(*history.SettledIn(LogIndex(4), LogIndex(7)), Stable({2}));
  EXPECT_EQ(history.SettledIn(LogIndex(5), LogIndex(7)), nullptr);
}

}  // namespace
}  // namespace chronik::raft
