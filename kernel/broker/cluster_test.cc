// SPDX-License-Identifier: Apache-2.0
// Goal: brokers with founders form a cluster that takes changes anywhere, serves each partition where it is led, and
// goes on without one of three. Method: whole brokers over stores and a network to order, on one virtual clock.
#include <gmock/gmock.h>

#include "kernel/broker/test_cluster.h"

namespace chronik::broker {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::HasSubstr;

constexpr ShardId kHome(0);

TEST_F(ClusterTest, FormsWhateverTheOrderAndAgreesOnItsIdAndItsBrokers) {
  Start(3);
  threads_.Advance(seconds(5));
  EXPECT_FALSE(nodes_.at(3)->started) << "a minority must wait";
  const Instant enough = network_thread_.Now();
  Start(1);
  Until([this] { return Started(1) && Started(3); });
  EXPECT_LT(network_thread_.Now() - enough, milliseconds(600)) << "nobody waits for an election timeout";
  Start(2);
  Until([this] { return Started(2); });
  threads_.Advance(seconds(1));
  const std::string id = At(1).image(kHome)->cluster_id();
  EXPECT_FALSE(id.empty());
  for (uint64_t node = 1; node <= 3; ++node) {
    EXPECT_EQ(At(node).image(kHome)->cluster_id(), id);
    EXPECT_EQ(At(node).image(kHome)->broker_count(), 3u);
    EXPECT_TRUE(At(1).IsAlive(kHome, NodeId(node)));
  }
}

TEST_F(ClusterTest, ANodeThatStaysAloneGivesUpWithAReason) {
  Start(2);
  threads_.Advance(seconds(61));
  ASSERT_TRUE(nodes_.at(2)->started);
  ASSERT_FALSE(nodes_.at(2)->started->ok());
  EXPECT_THAT(nodes_.at(2)->started->error().message, HasSubstr("too few of its voters"));
}

TEST_F(ClusterTest, ATopicMadeAnywhereIsKnownEverywhereAndLedEvenly) {
  StartAll();
  for (uint64_t at = 1; at <= 3; ++at) EXPECT_FALSE(CreateTopic(at, "t" + std::to_string(at), 9)) << "at node " << at;
  threads_.Advance(seconds(2));
  for (uint64_t at = 1; at <= 3; ++at) {
    for (const std::string topic : {"t1", "t2", "t3"}) {
      ASSERT_TRUE(At(at).image(kHome)->FindTopic(topic)) << topic << " at " << at;
      std::map<uint64_t, int> led;
      for (int32_t p = 0; p < 9; ++p) {
        EXPECT_EQ(Leader(at, topic, p), Leader(1, topic, p));
        ++led[Leader(at, topic, p)];
      }
      EXPECT_THAT(led, testing::ElementsAre(std::pair(1, 3), std::pair(2, 3), std::pair(3, 3))) << topic;
    }
  }
  EXPECT_TRUE(CreateTopic(2, "t1", 1)) << "it exists";
}

TEST_F(ClusterTest, APartitionIsServedByItsLeaderAndTheOthersSayWhoThatIs) {
  StartAll();
  ASSERT_FALSE(CreateTopic(1, "t", 3));
  for (int32_t p = 0; p < 3; ++p) {
    const PartitionRef partition = Ref(1, "t", p);
    const uint64_t leader = Leader(1, "t", p);
    const uint64_t other = leader % 3 + 1;
    const ProduceOutcome refused = Produce(other, partition, "elsewhere");
    ASSERT_TRUE(refused.error);
    EXPECT_EQ(refused.error->code, ErrorCode::kNotLeader);
    EXPECT_EQ(refused.leader.leader, NodeId(leader));
    const ProduceOutcome taken = Produce(leader, partition, "here");
    EXPECT_FALSE(taken.error);
    EXPECT_EQ(taken.base_offset, Offset(0));
    EXPECT_GT(Fetch(leader, partition, Offset(0)).records.size(), 0u);
    const FetchOutcome away = Fetch(other, partition, Offset(0));
    ASSERT_TRUE(away.error);
    EXPECT_EQ(away.error->code, ErrorCode::kNotLeader);
    EXPECT_EQ(away.leader.leader, NodeId(leader));
  }
}

TEST_F(ClusterTest, AFollowerServesWhatIsCommittedAndNoMoreWhileItHearsFromALeader) {
  follower_reads_ = true;
  StartAll();
  ASSERT_FALSE(CreateTopic(1, "t", 1));
  const PartitionRef partition = Ref(1, "t", 0);
  const uint64_t leader = Leader(1, "t", 0);
  const uint64_t follower = leader % 3 + 1;
  const uint64_t other = follower % 3 + 1;
  ASSERT_FALSE(Produce(leader, partition, "committed").error);
  Until([&] { return Fetch(follower, partition, Offset(0)).high_watermark == Offset(1); });
  EXPECT_GT(Fetch(follower, partition, Offset(0)).records.size(), 0u);
  EXPECT_EQ(Fetch(follower, partition, Offset(1)).records.size(), 0u) << "nothing follows yet";
  EXPECT_EQ(Fetch(follower, partition, Offset(5)).error->code, ErrorCode::kOffsetOutOfRange)
      << "a consumer that is told this goes back to the leader";
  ASSERT_TRUE(Produce(follower, partition, "elsewhere").error) << "it takes nothing";
  // Appended everywhere it can be, and not committed: no follower shows it.
  for (const uint64_t id : {follower, other}) network_.Cut(NodeId(leader), NodeId(id));
  EXPECT_TRUE(Produce(leader, partition, "never committed", milliseconds(200)).error);
  threads_.Advance(milliseconds(100));
  EXPECT_LE(Fetch(follower, partition, Offset(0)).high_watermark, Offset(1));
  Stop(other);
  Until([&] { return Fetch(follower, partition, Offset(0)).error.has_value(); });
  EXPECT_EQ(Fetch(follower, partition, Offset(0)).error->code, ErrorCode::kNotLeader)
      << "nobody can say how old its data is";
}

TEST_F(ClusterTest, LosesNothingAndGoesOnWhenALeaderDiesAndComesBack) {
  StartAll();
  ASSERT_FALSE(CreateTopic(1, "t", 1));
  const PartitionRef partition = Ref(1, "t", 0);
  const uint64_t first = Leader(1, "t", 0);
  for (int i = 0; i < 5; ++i) ASSERT_FALSE(Produce(first, partition, "before").error);
  const Instant death = network_thread_.Now();
  Stop(first);
  const uint64_t witness = first % 3 + 1;
  Until([&] { return Leader(witness, "t", 0) != first && Leader(witness, "t", 0) != 0; });
  EXPECT_LT(network_thread_.Now() - death, milliseconds(500)) << "a broken connection must start an election at once";
  const uint64_t second = Leader(witness, "t", 0);
  Until([&] { return Fetch(second, partition, Offset(0)).high_watermark == Offset(5); });
  const ProduceOutcome after = Produce(second, partition, "after");
  EXPECT_FALSE(after.error);
  EXPECT_EQ(after.base_offset, Offset(5));
  ASSERT_FALSE(CreateTopic(second, "made without one node", 1).has_value() == false)
      << "a space is no letter of a name";
  ASSERT_FALSE(CreateTopic(second, "later", 1));
  Start(first);
  Until([&] { return Started(first); });
  Until([&] { return At(first).image(kHome)->FindTopic("later") != nullptr; });
  EXPECT_FALSE(At(witness).IsAlive(kHome, NodeId(9)));
  EXPECT_TRUE(At(witness).IsAlive(kHome, NodeId(first)));
}

TEST_F(ClusterTest, EveryNodeKnowsWhoIsInSync) {
  using testing::ElementsAre;
  StartAll();
  ASSERT_FALSE(CreateTopic(1, "t", 1));
  const PartitionRef partition = Ref(1, "t", 0);
  const uint64_t leader = Leader(1, "t", 0);
  for (uint64_t at = 1; at <= 3; ++at) {
    Until([&] { return At(at).in_sync(kHome, partition.group).size() == 3; });
    EXPECT_THAT(At(at).in_sync(kHome, partition.group), ElementsAre(NodeId(1), NodeId(2), NodeId(3))) << at;
  }
  const uint64_t gone = leader % 3 + 1;
  const uint64_t left = gone % 3 + 1;
  Stop(gone);
  threads_.Advance(seconds(1));
  EXPECT_EQ(At(left).in_sync(kHome, partition.group).size(), 3u) << "it was there a moment ago";
  threads_.Advance(seconds(5));  // two election timeouts until it counts as silent, two seconds of patience
  EXPECT_EQ(At(left).in_sync(kHome, partition.group).size(), 2u);
  EXPECT_FALSE(Produce(leader, partition, "two are enough").error);
  Start(gone);
  Until([&] { return At(left).in_sync(kHome, partition.group).size() == 3; });
  EXPECT_FALSE(Produce(leader, partition, "and all are there again").error);
}

// Its heartbeats leave between other things then, and are never due by themselves.
TEST_F(ClusterTest, ALeaderThatIsBusySinceItsElectionSeesWhoIsGoneAsWell) {
  StartAll();
  ASSERT_FALSE(CreateTopic(1, "t", 12));
  const uint64_t gone = Leader(1, "t", 0);
  const uint64_t left = gone % 3 + 1;
  for (int32_t p = 0; p < 12; ++p) Until([&] { return At(left).in_sync(kHome, Ref(left, "t", p).group).size() == 3; });
  Stop(gone);
  const Instant begin = network_thread_.Now();
  while (network_thread_.Now() - begin < seconds(7)) {
    for (int32_t p = 0; p < 12; ++p) {
      const uint64_t leader = Leader(left, "t", p);
      if (leader != 0 && leader != gone) ProduceUnheard(leader, Ref(left, "t", p), "x");
    }
    threads_.Advance(milliseconds(5));
  }
  for (int32_t p = 0; p < 12; ++p) EXPECT_EQ(At(left).in_sync(kHome, Ref(left, "t", p).group).size(), 2u) << p;
}

TEST_F(ClusterTest, AnOperatorMovesALeadershipThroughAnyNode) {
  StartAll();
  ASSERT_FALSE(CreateTopic(1, "t", 2));
  const PartitionRef partition = Ref(1, "t", 0);
  for (uint64_t at = 1; at <= 3; ++at) {
    const uint64_t before = Leader(at, "t", 0);
    const uint64_t to = before % 3 + 1;
    const auto moved = Transfer(at, "t", 0, to);
    ASSERT_TRUE(moved.ok()) << moved.error();
    EXPECT_EQ(moved->leader, NodeId(to));
    threads_.Advance(milliseconds(100));
    for (uint64_t other = 1; other <= 3; ++other)
      EXPECT_EQ(Leader(other, "t", 0), to) << "as node " << other << " says";
    EXPECT_FALSE(Produce(to, partition, "there").error);
    EXPECT_TRUE(Transfer(at, "t", 0, to).ok()) << "it leads already";
  }
  EXPECT_EQ(Transfer(1, "nothing", 0, 2).error().code, ErrorCode::kUnknownTopic);
  EXPECT_EQ(Transfer(1, "t", 2, 2).error().code, ErrorCode::kUnknownPartition);
  EXPECT_EQ(Transfer(1, "t", 0, 4).error().code, ErrorCode::kInvalidArgument);
  const uint64_t leader = Leader(1, "t", 0);
  const uint64_t gone = leader % 3 + 1;
  Stop(gone);
  threads_.Advance(seconds(1));
  EXPECT_EQ(Transfer(leader, "t", 0, gone).error().code, ErrorCode::kNotEnoughReplicas);
}

TEST_F(ClusterTest, AnOperatorSeesEachPartitionAndAStuckShardHidesOnlyItsOwn) {
  StartAll();
  ASSERT_FALSE(CreateTopic(1, "t", 2));
  const PartitionRef first = Ref(1, "t", 0);
  const uint64_t leader = Leader(1, "t", 0);
  ASSERT_FALSE(Produce(leader, first, "one").error);
  threads_.Advance(seconds(1));
  for (uint64_t at = 1; at <= 3; ++at) {
    const auto reports = Partitions(at, "");
    ASSERT_TRUE(reports.ok()) << reports.error();
    ASSERT_EQ(reports->size(), 2u);
    const PartitionReport& report = reports->front();
    EXPECT_EQ(report.leader.leader, NodeId(leader));
    EXPECT_EQ(report.in_sync.size(), 3u);
    EXPECT_EQ(report.min_in_sync, 2);
    ASSERT_TRUE(report.local);
    EXPECT_EQ(report.local->high_watermark, Offset(1));
    EXPECT_EQ(report.local->last_index, LogIndex(2)) << "the leader's no-op, and the record";
    EXPECT_EQ(report.local->followers.size(), at == leader ? 2u : 0u);
    for (const FollowerReport& follower : report.local->followers) {
      EXPECT_EQ(follower.match, LogIndex(2));
      EXPECT_EQ(follower.lag_entries, 0u);
    }
  }
  EXPECT_EQ(Partitions(1, "nothing").error().code, ErrorCode::kUnknownTopic);
  nodes_.at(2)->shards[1]->Hold(true);
  const auto reports = Partitions(2, "t");
  nodes_.at(2)->shards[1]->Hold(false);
  ASSERT_TRUE(reports.ok()) << reports.error();
  int stuck = 0;
  for (const PartitionReport& report : *reports) {
    EXPECT_EQ(report.stuck, !report.local.has_value());
    stuck += report.stuck ? 1 : 0;
  }
  EXPECT_EQ(stuck, 1) << "two shards, two partitions";
}

TEST_F(ClusterTest, MinInsyncReplicasAboveAMajorityIsWaitedForAndRefusedOnceItIsOutOfReach) {
  StartAll();
  ASSERT_FALSE(CreateTopic(1, "all", 1, {{"min.insync.replicas", "3"}}));
  const PartitionRef partition = Ref(1, "all", 0);
  const uint64_t leader = Leader(1, "all", 0);
  EXPECT_FALSE(Produce(leader, partition, "all three have it").error);
  Stop(leader % 3 + 1);
  const ProduceOutcome waited = Produce(leader, partition, "committed by two, and not answered", milliseconds(500));
  ASSERT_TRUE(waited.error);
  EXPECT_EQ(waited.error->code, ErrorCode::kTimedOut);
  Until([&] { return At(leader).in_sync(kHome, partition.group).size() == 2; });
  const ProduceOutcome refused = Produce(leader, partition, "refused");
  ASSERT_TRUE(refused.error);
  EXPECT_EQ(refused.error->code, ErrorCode::kNotEnoughReplicas);
  EXPECT_EQ(Fetch(leader, partition, Offset(0)).high_watermark, Offset(2)) << "what was refused was not appended";
}

TEST_F(ClusterTest, ANodeThatLeavesHandsOverWhatItLeads) {
  StartAll();
  ASSERT_FALSE(CreateTopic(1, "t", 9));
  threads_.Advance(seconds(1));
  bool over = false;
  At(2).HandOver(seconds(5), [&over] { over = true; });
  Until([&] { return over; });
  threads_.Advance(milliseconds(200));
  for (int32_t p = 0; p < 9; ++p) {
    EXPECT_NE(Leader(1, "t", p), 2u) << p;
    const uint64_t leader = Leader(1, "t", p);
    ASSERT_NE(leader, 0u) << p;
    EXPECT_FALSE(Produce(leader, Ref(1, "t", p), "after").error) << p;
  }
}

TEST_F(ClusterTest, ANodeCanStopWhileItStillDropsATopic) {
  StartAll();
  ASSERT_FALSE(CreateTopic(1, "t", 1));
  ASSERT_FALSE(Produce(Leader(1, "t", 0), Ref(1, "t", 0), "a checkpoint will be written").error);
  threads_.Advance(seconds(1));
  nodes_.at(3)->disk_thread.Hold(true);
  nodes_.at(1)->shards[0]->Post(
      [this] { At(1).DeleteTopics(kHome, {At(1).image(kHome)->FindTopic("t")->id}, seconds(5), [](const auto&) {}); });
  Until([this] { return At(3).image(kHome)->FindTopic("t") == nullptr; });
  network_.Stop(NodeId(3));
  bool stopped = false;
  At(3).Stop([&stopped] { stopped = true; });
  threads_.Advance(milliseconds(100));
  nodes_.at(3)->disk_thread.Hold(false);
  Until([&stopped] { return stopped; });
  nodes_.at(3)->broker.reset();
}

TEST_F(ClusterTest, TwoOfThreeGoneMakesItUnavailableAndNotWrong) {
  StartAll();
  ASSERT_FALSE(CreateTopic(1, "t", 1));
  const PartitionRef partition = Ref(1, "t", 0);
  const uint64_t leader = Leader(1, "t", 0);
  ASSERT_FALSE(Produce(leader, partition, "acked").error);
  for (uint64_t id = 1; id <= 3; ++id) {
    if (id != leader) Stop(id);
  }
  threads_.Advance(seconds(5));
  EXPECT_TRUE(Produce(leader, partition, "never acked").error);
  const auto refused = CreateTopic(leader, "never", 1);
  ASSERT_TRUE(refused);
  EXPECT_EQ(refused->code, ErrorCode::kTimedOut);
  for (uint64_t id = 1; id <= 3; ++id) {
    if (id != leader) Start(id);
  }
  Until([&] { return Started(1) || leader == 1; });
  Until([&] { return Leader(leader, "t", 0) != 0 && !Produce(Leader(leader, "t", 0), partition, "again").error; });
}

TEST_F(ClusterTest, OnlyALeaderThatIsProvenToBeOneRefusesASequenceForGood) {
  StartAll();
  ASSERT_FALSE(CreateTopic(1, "t", 1));
  const PartitionRef ref = Ref(1, "t", 0);
  const uint64_t leader = Leader(1, "t", 0);
  records::BatchOptions of_producer;
  of_producer.producer_id = ProducerId(77);
  of_producer.producer_epoch = 0;
  of_producer.base_sequence = 0;
  ASSERT_FALSE(Produce(leader, ref, "first", seconds(30), of_producer).error);
  of_producer.base_sequence = 5;
  EXPECT_EQ(Produce(leader, ref, "gap", seconds(30), of_producer).error->code, ErrorCode::kOutOfOrderSequence);
  for (uint64_t other = 1; other <= 3; ++other) {
    if (other != leader) network_.Cut(NodeId(leader), NodeId(other));
  }
  EXPECT_EQ(Produce(leader, ref, "gap", seconds(30), of_producer).error->code, ErrorCode::kNotLeader)
      << "its successor may have what is missing";
  for (uint64_t other = 1; other <= 3; ++other) {
    if (other != leader) network_.Heal(NodeId(leader), NodeId(other));
  }
}

// --- log start

TEST_F(ClusterTest, ANodeThatWasAwayWhileRecordsWereDeletedPullsASnapshotAndGoesOn) {
  StartAll();
  ASSERT_FALSE(CreateTopic(1, "t", 1));
  const PartitionRef ref = Ref(1, "t", 0);
  const uint64_t leader = Leader(1, "t", 0);
  const uint64_t away = leader % 3 + 1;
  ASSERT_FALSE(Produce(leader, ref, "seen by all").error);
  Until([&] { return Partitions(away, "t")->at(0).local->applied_index >= LogIndex(2); });
  Stop(away);
  for (int i = 0; i < 10; ++i) ASSERT_FALSE(Produce(leader, ref, "missed").error);
  const DeleteRecordsOutcome deleted = DeleteRecords(leader, ref, Offset(8));
  ASSERT_FALSE(deleted.error);
  EXPECT_EQ(deleted.log_start_offset, Offset(8));
  Until([&] { return Partitions(leader, "t")->at(0).local->first_index > LogIndex(5); });
  Start(away);
  Until([&] { return Started(away); });
  ASSERT_FALSE(Produce(leader, ref, "after").error);
  Until([&] {
    const auto local = Partitions(away, "t")->at(0).local;
    return local && local->high_watermark == Offset(12);
  });
  EXPECT_EQ(Partitions(away, "t")->at(0).local->log_start_offset, Offset(8));
  // It leads with what it pulled.
  ASSERT_TRUE(Transfer(1, "t", 0, away).ok());
  EXPECT_EQ(Fetch(away, ref, Offset(7)).error->code, ErrorCode::kOffsetOutOfRange);
  EXPECT_FALSE(Fetch(away, ref, Offset(8)).error);
  EXPECT_EQ(Produce(away, ref, "more").base_offset, Offset(12));
}

TEST_F(ClusterTest, RecordsAreNotCutOffUnderAFollowerThatIsAboutToGetThem) {
  StartAll();
  ASSERT_FALSE(CreateTopic(1, "t", 1));
  const PartitionRef ref = Ref(1, "t", 0);
  const uint64_t leader = Leader(1, "t", 0);
  for (int i = 0; i < 10; ++i) ASSERT_FALSE(Produce(leader, ref, "x").error);
  ASSERT_FALSE(DeleteRecords(leader, ref, kAllRecords).error);
  for (uint64_t node = 1; node <= 3; ++node)
    Until([&] { return Partitions(node, "t")->at(0).local->log_start_offset == Offset(10); });
  for (uint64_t node = 1; node <= 3; ++node)
    Until([&] { return Partitions(node, "t")->at(0).local->first_index > LogIndex(10); });
  EXPECT_EQ(DeleteRecords(leader % 3 + 1, ref, Offset(1)).error->code, ErrorCode::kNotLeader);
}

TEST_F(ClusterTest, AFollowerThatMissedMuchIsFedAtTheRateThatIsSetAndNewMessagesDoNotWait) {
  recovery_bytes_per_second_ = 200'000;
  tail_cache_bytes_ = 10'000;
  StartAll();
  ASSERT_FALSE(CreateTopic(1, "t", 1));
  const PartitionRef ref = Ref(1, "t", 0);
  const uint64_t leader = Leader(1, "t", 0);
  const uint64_t away = leader % 3 + 1;
  Stop(away);
  for (int i = 0; i < 50; ++i) ASSERT_FALSE(Produce(leader, ref, std::string(10'000, 'x')).error);
  const auto end = [&](uint64_t node) {
    const auto local = Partitions(node, "t")->at(0).local;
    return local ? local->log_end_offset : Offset(0);
  };
  const Instant begin = network_thread_.Now();
  Start(away);
  Until([&] { return Started(away) && end(away) > Offset(0); });
  const Instant asked = network_thread_.Now();
  ASSERT_FALSE(Produce(leader, ref, "new").error);
  EXPECT_LT(network_thread_.Now() - asked, milliseconds(200));
  Until([&] { return end(away) == Offset(51); });
  // Half a megabyte, of which one shard sends 100,000 bytes a second.
  EXPECT_GT(network_thread_.Now() - begin, milliseconds(3500));
  EXPECT_LT(network_thread_.Now() - begin, seconds(12));
}

TEST_F(ClusterTest, TheMetadatasLogIsCutOffAndANewNodeGetsASnapshotOfIt) {
  snapshot_after_entries_ = 20;
  StartAll();
  for (int i = 0; i < 40; ++i) ASSERT_FALSE(CreateTopic(1, "t" + std::to_string(i), 1)) << i;
  Start(4);
  Until([this] { return Started(4); });
  threads_.Advance(seconds(1));
  for (int i = 0; i < 40; ++i) EXPECT_TRUE(At(4).image(kHome)->FindTopic("t" + std::to_string(i))) << i;
  EXPECT_GT(MetadataLogBegin(1), 10u);
  EXPECT_GT(MetadataLogBegin(4), 10u) << "it never had what lies before";
}

}  // namespace
}  // namespace chronik::broker
