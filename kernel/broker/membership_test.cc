// SPDX-License-Identifier: Apache-2.0
// Goal: who takes part may change: a broker that lost its disk comes back as another life and cannot undo what was
// acknowledged, a fourth one joins, one that leaves loses nothing. Method: as in cluster_test.cc.
#include <gmock/gmock.h>

#include "kernel/broker/test_cluster.h"

namespace chronik::broker {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::HasSubstr;

constexpr ShardId kHome(0);

using MembershipTest = ClusterTest;

// A voter that lost its disk has forgotten what it acknowledged. Were it taken for the one that it was, it and the node
// that was away would elect a leader without what was acknowledged meanwhile.
TEST_F(MembershipTest, WhoLostItsDiskCannotHelpToElectALeaderThatLacksWhatItAcknowledged) {
  StartAll();
  ASSERT_FALSE(CreateTopic(1, "t", 1));
  const PartitionRef partition = Ref(1, "t", 0);
  const uint64_t leader = Leader(1, "t", 0);
  const uint64_t away = leader % 3 + 1;
  const uint64_t loses = away % 3 + 1;
  Stop(away);
  for (int i = 0; i < 5; ++i) ASSERT_FALSE(Produce(leader, partition, "acked by two").error);
  Stop(loses);
  Stop(leader);
  nodes_.at(loses)->NewDisk();
  Start(loses);
  Start(away);
  threads_.Advance(seconds(30));
  EXPECT_FALSE(Started(away)) << "nobody may lead: who is there lacks acknowledged entries";
  EXPECT_FALSE(Started(loses));
  Start(leader);
  Until([&] { return Started(loses) && Leader(leader, "t", 0) != 0; });
  const uint64_t next = Leader(leader, "t", 0);
  Until([&] { return Fetch(next, partition, Offset(0)).high_watermark == Offset(5); });
}

// Else it took part as a founder, and the cluster knew it as a life that nobody is.
TEST_F(MembershipTest, AFounderWhoseQuestionIsStillOpenWaitsForTheAnswer) {
  Start(4);
  nodes_.at(4)->shards[0]->Hold(true);  // nobody founds without a word of it
  for (uint64_t id = 1; id <= 3; ++id) Start(id);
  threads_.Advance(milliseconds(410));  // just after it has asked all
  nodes_.at(3)->shards[0]->Hold(true);
  nodes_.at(4)->shards[0]->Hold(false);
  threads_.Advance(seconds(1));  // the other two found, and are asked by the third what they are
  EXPECT_TRUE(Started(1));
  nodes_.at(3)->shards[0]->Hold(false);
  Until([this] { return Started(3); });
}

TEST_F(MembershipTest, WhoLostItsDiskComesBackAsAnotherLifeAndHasEverythingAgain) {
  StartAll();
  ASSERT_FALSE(CreateTopic(1, "t", 3));
  for (int32_t p = 0; p < 3; ++p) {
    for (int i = 0; i < 5; ++i) ASSERT_FALSE(Produce(Leader(1, "t", p), Ref(1, "t", p), "value").error);
  }
  Stop(3);
  nodes_.at(3)->NewDisk();
  Start(3);
  Until([this] { return Started(3); });
  EXPECT_EQ(nodes_.at(3)->life.generation, 1u);
  EXPECT_TRUE(nodes_.at(3)->life.established);
  EXPECT_EQ(At(1).image(kHome)->ReplicaOf(NodeId(3)), ReplicaId(NodeId(3), 1));
  threads_.Advance(seconds(3));  // until then its former life counts as in sync
  for (int32_t p = 0; p < 3; ++p)
    Until([&] { return At(1).in_sync(kHome, Ref(1, "t", p).group).size() == 3; }, seconds(60));
  // It counts again: with one of the others gone, it is needed for every majority, and may lead.
  Stop(1);
  for (int32_t p = 0; p < 3; ++p) {
    Until([&] { return Leader(2, "t", p) > 1; });
    const uint64_t leader = Leader(2, "t", p);
    Until([&] { return Fetch(leader, Ref(2, "t", p), Offset(0)).high_watermark == Offset(5); });
    EXPECT_FALSE(Produce(leader, Ref(2, "t", p), "after").error);
  }
  ASSERT_FALSE(CreateTopic(3, "later", 3));
  Start(1);
  Until([this] { return Started(1); });
  // And a life is kept over a restart.
  Stop(3);
  Start(3);
  Until([this] { return Started(3); });
  EXPECT_EQ(nodes_.at(3)->life.generation, 1u);
}

TEST_F(MembershipTest, ALogThatIsGoneUnderAKnownIdentityIsNotTakenForAnEmptyOne) {
  StartAll();
  Stop(3);
  const Life life = nodes_.at(3)->life;
  nodes_.at(3)->NewDisk();
  nodes_.at(3)->life = life;
  Start(3);
  threads_.Advance(seconds(1));
  ASSERT_TRUE(nodes_.at(3)->started && !nodes_.at(3)->started->ok());
  EXPECT_THAT(nodes_.at(3)->started->error().message, HasSubstr("remove identity.json"));
}

TEST_F(MembershipTest, AnOldDiskThatComesBackAfterItWasReplacedIsRefused) {
  StartAll();
  Stop(3);
  auto disk = std::make_unique<log::TestLogStore>(nodes_.at(3)->disk_thread);
  std::swap(disk, nodes_.at(3)->disk);
  const Life life = std::exchange(nodes_.at(3)->life, {99, std::nullopt, {}, false});
  Start(3);
  Until([this] { return Started(3); });
  Stop(3);
  std::swap(disk, nodes_.at(3)->disk);
  nodes_.at(3)->life = life;
  Start(3);
  threads_.Advance(seconds(61));
  EXPECT_FALSE(Started(3));
  EXPECT_THAT(network_.last_refusal, HasSubstr("taken the place"));
}

TEST_F(MembershipTest, AFourthNodeJoinsLearnsTheMetadataAndTakesPartInNewTopics) {
  StartAll();
  ASSERT_FALSE(CreateTopic(1, "before", 3));
  Start(4);
  Until([this] { return Started(4); });
  EXPECT_NE(At(4).image(kHome)->FindTopic("before"), nullptr);
  EXPECT_EQ(At(1).image(kHome)->broker_count(), 4u);
  EXPECT_EQ(At(1).image(kHome)->metadata_voters().size(), 3u) << "four voters are no better than three";
  ASSERT_FALSE(CreateTopic(4, "after", 8));
  threads_.Advance(seconds(1));
  std::map<uint64_t, int> led;
  for (int32_t p = 0; p < 8; ++p) {
    ++led[Leader(1, "after", p)];
    EXPECT_FALSE(Produce(Leader(1, "after", p), Ref(1, "after", p), "value").error) << p;
  }
  EXPECT_EQ(led[4], 2) << "it leads its share";
  Stop(4);
  threads_.Advance(seconds(2));
  Start(4);
  Until([this] { return Started(4); });
}

TEST_F(MembershipTest, ADecommissionedBrokerGivesAllItHasToOthersWhileItIsServed) {
  StartAll();
  Start(4);
  Until([this] { return Started(4); });
  ASSERT_FALSE(CreateTopic(1, "t", 8));
  ASSERT_FALSE(CreateTopic(1, "one-replica", 4, {}, 1));
  std::map<std::pair<std::string, int32_t>, int64_t> ends;
  const auto produce = [&](uint64_t at) {
    for (const auto& [topic, count] : {std::pair<std::string, int32_t>("t", 8), {"one-replica", 4}}) {
      for (int32_t p = 0; p < count; ++p) {
        const uint64_t leader = Leader(at, topic, p);
        if (leader == 0 || Produce(leader, Ref(at, topic, p), "value", seconds(2)).error) continue;
        ++ends[{topic, p}];
      }
    }
  };
  produce(1);
  std::optional<Status> refused;
  At(2).SetBrokerLeaving(NodeId(9), true, seconds(5), [&](Status status) { refused = std::move(status); });
  Until([&] { return refused.has_value(); });
  EXPECT_FALSE(refused->ok());
  std::optional<Status> decided;
  At(2).SetBrokerLeaving(NodeId(1), true, seconds(5), [&](Status status) { decided = std::move(status); });
  Until([&] { return decided.has_value(); });
  ASSERT_TRUE(decided->ok()) << decided->error();
  for (int round = 0; round < 60 && At(2).image(kHome)->FindBroker(NodeId(1)) != nullptr; ++round) {
    produce(2);
    threads_.Advance(milliseconds(500));
  }
  ASSERT_EQ(At(2).image(kHome)->FindBroker(NodeId(1)), nullptr) << "it is retired";
  EXPECT_EQ(At(2).image(kHome)->metadata_voters(), (std::vector<NodeId>{NodeId(2), NodeId(3), NodeId(4)}));
  EXPECT_EQ(At(1).partition_count(ShardId(0)) + At(1).partition_count(ShardId(1)), 0u);
  Stop(1);
  threads_.Advance(seconds(3));
  for (const auto& [partition, end] : ends) {
    const uint64_t leader = Leader(2, partition.first, partition.second);
    ASSERT_GT(leader, 1u) << partition.first << partition.second;
    const FetchOutcome all = Fetch(leader, Ref(2, partition.first, partition.second), Offset(0));
    EXPECT_GE(all.high_watermark, Offset(end)) << partition.first << partition.second;
    EXPECT_GT(end, 1) << "it was served while it moved";
  }
  Start(1);
  threads_.Advance(seconds(61));
  EXPECT_FALSE(Started(1));
  EXPECT_THAT(network_.last_refusal, HasSubstr("decommissioned"));
}

TEST_F(MembershipTest, AMoveThatIsCalledOffLeavesEverythingWhereItWas) {
  StartAll();
  Start(4);
  Until([this] { return Started(4); });
  ASSERT_FALSE(CreateTopic(1, "t", 4));
  for (int32_t p = 0; p < 4; ++p) ASSERT_FALSE(Produce(Leader(1, "t", p), Ref(1, "t", p), "value").error);
  Stop(4);  // nothing can be moved to it, and what it has cannot be moved from it at once
  for (const bool leaving : {true, false}) {
    std::optional<Status> decided;
    At(2).SetBrokerLeaving(NodeId(3), leaving, seconds(5), [&](Status status) { decided = std::move(status); });
    Until([&] { return decided.has_value(); });
    ASSERT_TRUE(decided->ok()) << decided->error();
    threads_.Advance(seconds(3));
  }
  EXPECT_FALSE(At(1).image(kHome)->FindBroker(NodeId(3))->leaving);
  for (int32_t p = 0; p < 4; ++p) {
    Until([&] { return Leader(1, "t", p) != 0 && Leader(1, "t", p) != 4; });
    EXPECT_FALSE(Produce(Leader(1, "t", p), Ref(1, "t", p), "again").error);
  }
}

}  // namespace
}  // namespace chronik::broker
