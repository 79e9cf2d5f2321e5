// SPDX-License-Identifier: Apache-2.0
// Goal: brokers with founders form a cluster that takes changes anywhere, serves each partition where it is led, and
// goes on without one of three. Method: whole brokers over stores and a network to order, on one virtual clock.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "kernel/base/test_executor.h"
#include "kernel/broker/local_broker.h"
#include "kernel/cluster/test_transport.h"
#include "kernel/log/test_log_store.h"
#include "kernel/records/builder.h"

namespace chronik::broker {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::HasSubstr;

constexpr ShardId kHome(0);

class ClusterTest : public testing::Test {
 protected:
  struct Node {
    Node(TestThreads& threads, NodeId node_id) : id(node_id), disk_thread(threads.Add()), control(threads.Add()) {
      for (int i = 0; i < 2; ++i) shards.push_back(&threads.Add());
      NewDisk();
    }
    // Empty, and whatever was remembered beside the log is gone too.
    void NewDisk() {
      disk = std::make_unique<log::TestLogStore>(disk_thread);
      life = {++incarnations, std::nullopt, {}, false};
    }
    static inline uint64_t incarnations = 0;
    const NodeId id;
    TestThreads::Thread& disk_thread;
    TestThreads::Thread& control;
    std::vector<TestThreads::Thread*> shards;
    std::unique_ptr<log::TestLogStore> disk;
    std::unique_ptr<log::LogStore> store;
    std::unique_ptr<LocalBroker> broker;
    std::optional<Status> started;
    Life life;
    std::optional<Error> fatal;
  };

  ClusterTest() : network_thread_(threads_.Add()), network_(network_thread_) {
    for (uint64_t id = 1; id <= 3; ++id) nodes_.emplace(id, std::make_unique<Node>(threads_, NodeId(id)));
  }
  ~ClusterTest() override {
    for (auto& [id, node] : nodes_) {
      if (node->broker) Stop(id);
      EXPECT_FALSE(node->fatal) << node->fatal->message;
    }
  }

  void Start(uint64_t id) {
    if (!nodes_.contains(id)) nodes_.emplace(id, std::make_unique<Node>(threads_, NodeId(id)));
    Node& node = *nodes_.at(id);
    Settings settings;
    settings.node_id = node.id;
    settings.port = static_cast<uint16_t>(9000 + id);
    settings.founders = {NodeId(1), NodeId(2), NodeId(3)};
    if (id > 3) settings.founders.push_back(NodeId(id));
    settings.rpc_address = "test:" + std::to_string(id);
    settings.tick = milliseconds(25);
    settings.heartbeat_ticks = 4;
    settings.election_ticks = 40;
    settings.min_insync_replicas = 2;
    settings.replica_lag_max = seconds(2);
    settings.join_timeout = seconds(60);
    settings.default_replication_factor = 3;
    LocalBroker::Environment environment;
    environment.shards.assign(node.shards.begin(), node.shards.end());
    node.store = std::make_unique<log::LogStore>(environment.shards);
    ASSERT_TRUE(node.store->Attach(log::TestLogStore::table(), node.disk.get()).ok());
    node.disk->Start(node.store->sink());
    environment.control = &node.control;
    environment.store = node.store.get();
    environment.random_id = [this, id] {
      TopicId topic;
      topic.bytes[0] = static_cast<uint8_t>(id);
      topic.bytes[15] = ++random_ids_;
      return topic;
    };
    environment.random_seed = [id](GroupId group) { return id * 1000 + group.value; };
    environment.life = node.life;
    environment.remember = [&node](const Life& life) {
      node.life = life;
      return Status();
    };
    environment.on_fatal = [&node](const Error& error) { node.fatal = error; };
    node.broker = std::make_unique<LocalBroker>(settings, std::move(environment));
    ASSERT_TRUE(
        node.broker->links()->Attach(cluster::TestTransport::table(), network_.Instance(node.id), 1 << 20).ok());
    network_.Start(node.id, node.broker->links()->sink());
    node.started.reset();
    node.broker->Start([&node](Status status) { node.started = std::move(status); });
    threads_.Run();
  }
  void Stop(uint64_t id) {
    Node& node = *nodes_.at(id);
    network_.Stop(node.id);
    threads_.Run();
    bool stopped = false;
    node.broker->Stop([&stopped] { stopped = true; });
    threads_.Run();
    ASSERT_TRUE(stopped);
    node.broker.reset();
    threads_.Run();
  }
  void StartAll() {
    for (uint64_t id = 1; id <= 3; ++id) Start(id);
    Until([this] { return Started(1) && Started(2) && Started(3); });
  }
  bool Started(uint64_t id) const { return nodes_.at(id)->started && nodes_.at(id)->started->ok(); }
  template <class Predicate>
  void Until(Predicate holds, Duration limit = seconds(30)) {
    for (Duration waited{}; !holds(); waited += milliseconds(10)) {
      ASSERT_LT(waited, limit) << "it never came to that";
      threads_.Advance(milliseconds(10));
    }
  }
  LocalBroker& At(uint64_t id) { return *nodes_.at(id)->broker; }

  using Configs = std::vector<std::pair<std::string, std::optional<std::string>>>;
  std::optional<Error> CreateTopic(uint64_t at, const std::string& name, int32_t partitions, Configs configs = {},
                                   int16_t replicas = -1) {
    std::optional<CreateTopicOutcome> outcome;
    nodes_.at(at)->shards[0]->Post([&] {
      At(at).CreateTopics(kHome, {NewTopic{name, partitions, replicas, {}, configs}}, false, seconds(10),
                          [&](const std::vector<CreateTopicOutcome>& outcomes) { outcome = outcomes[0]; });
    });
    Until([&] { return outcome.has_value(); });
    return outcome ? outcome->error : std::nullopt;
  }
  PartitionRef Ref(uint64_t at, const std::string& topic, int32_t partition) {
    const metadata::TopicPtr found = At(at).image(kHome)->FindTopic(topic);
    return {found->id, PartitionId(partition), found->partitions[static_cast<size_t>(partition)].group};
  }
  uint64_t Leader(uint64_t at, const std::string& topic, int32_t partition) {
    return At(at).leader(kHome, Ref(at, topic, partition).group).leader.value;
  }
  ProduceOutcome Produce(uint64_t at, const PartitionRef& partition, const std::string& value,
                         milliseconds timeout = seconds(30)) {
    records::BatchBuilder builder;
    builder.Add(nodes_.at(at)->shards[0]->WallNow(), std::nullopt, AsBytes(value));
    ProduceRequest request;
    request.items.push_back({partition, builder.Build()});
    request.timeout = timeout;
    std::optional<ProduceOutcome> outcome;
    nodes_.at(at)->shards[0]->Post([&, this] {
      At(at).Produce(kHome, std::move(request), [&](std::vector<ProduceOutcome> outcomes) { outcome = outcomes[0]; });
    });
    Until([&] { return outcome.has_value(); }, seconds(40));
    return *outcome;
  }
  FetchOutcome Fetch(uint64_t at, const PartitionRef& partition, Offset offset) {
    FetchRequest request;
    request.max_wait = milliseconds(0);
    request.items.push_back({partition, offset});
    std::optional<FetchOutcome> outcome;
    nodes_.at(at)->shards[0]->Post([&, this] {
      At(at).Fetch(kHome, std::move(request),
                   [&](std::vector<FetchOutcome> outcomes) { outcome = std::move(outcomes[0]); });
    });
    Until([&] { return outcome.has_value(); });
    return std::move(*outcome);
  }

  Result<LeaderInfo> Transfer(uint64_t at, const std::string& topic, int32_t partition, uint64_t to,
                              milliseconds timeout = seconds(10)) {
    std::optional<Result<LeaderInfo>> outcome;
    At(at).TransferLeadership(topic, PartitionId(partition), NodeId(to), timeout,
                              [&](Result<LeaderInfo> said) { outcome = std::move(said); });
    Until([&] { return outcome.has_value(); });
    return *outcome;
  }
  Result<std::vector<PartitionReport>> Partitions(uint64_t at, const std::string& topic) {
    std::optional<Result<std::vector<PartitionReport>>> outcome;
    At(at).DescribePartitions(topic, [&](auto said) { outcome = std::move(said); });
    Until([&] { return outcome.has_value(); });
    return *outcome;
  }

  TestThreads threads_;
  TestThreads::Thread& network_thread_;
  cluster::TestTransport network_;
  std::map<uint64_t, std::unique_ptr<Node>> nodes_;
  uint8_t random_ids_ = 0;
};

TEST_F(ClusterTest, FormsWhateverTheOrderAndAgreesOnItsIdAndItsBrokers) {
  Start(3);
  threads_.Advance(seconds(5));
  EXPECT_FALSE(nodes_.at(3)->started) << "a minority must wait";
  Start(1);
  Until([this] { return Started(1) && Started(3); });
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

// A voter that lost its disk has forgotten what it acknowledged. Were it taken for the one that it was, it and the node
// that was away would elect a leader without what was acknowledged meanwhile.
TEST_F(ClusterTest, WhoLostItsDiskCannotHelpToElectALeaderThatLacksWhatItAcknowledged) {
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

TEST_F(ClusterTest, WhoLostItsDiskComesBackAsAnotherLifeAndHasEverythingAgain) {
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

TEST_F(ClusterTest, ALogThatIsGoneUnderAKnownIdentityIsNotTakenForAnEmptyOne) {
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

TEST_F(ClusterTest, AnOldDiskThatComesBackAfterItWasReplacedIsRefused) {
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

TEST_F(ClusterTest, AFourthNodeJoinsLearnsTheMetadataAndTakesPartInNewTopics) {
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

TEST_F(ClusterTest, ADecommissionedBrokerGivesAllItHasToOthersWhileItIsServed) {
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

TEST_F(ClusterTest, AMoveThatIsCalledOffLeavesEverythingWhereItWas) {
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
  threads_.Advance(seconds(2));
  EXPECT_EQ(At(left).in_sync(kHome, partition.group).size(), 2u);
  EXPECT_FALSE(Produce(leader, partition, "two are enough").error);
  Start(gone);
  Until([&] { return At(left).in_sync(kHome, partition.group).size() == 3; });
  EXPECT_FALSE(Produce(leader, partition, "and all are there again").error);
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

}  // namespace
}  // namespace chronik::broker
