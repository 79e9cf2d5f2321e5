// SPDX-License-Identifier: Apache-2.0
// Whole brokers that can form a cluster, over stores and a network to order, on one virtual clock.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "kernel/base/test_executor.h"
#include "kernel/broker/local_broker.h"
#include "kernel/cluster/test_transport.h"
#include "kernel/log/test_log_store.h"
#include "kernel/records/builder.h"

namespace chronik::broker {

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
    if (founders_to_discover_) {
      settings.founders.clear();
      settings.by_discovery = true;
      settings.founders_to_discover = *founders_to_discover_;
    }
    settings.rpc_address = "test:" + std::to_string(id);
    settings.fetch_from_followers = follower_reads_;
    settings.tick = std::chrono::milliseconds(25);
    settings.heartbeat_ticks = 4;
    settings.election_ticks = 40;
    settings.min_insync_replicas = 2;
    settings.replica_lag_max = std::chrono::seconds(2);
    settings.join_timeout = std::chrono::seconds(60);
    settings.default_replication_factor = 3;
    settings.recovery_bytes_per_second = recovery_bytes_per_second_;
    settings.tail_cache_bytes_per_shard = tail_cache_bytes_;
    if (recovery_bytes_per_second_ != 0) settings.max_append_bytes = 20'000;
    if (snapshot_after_entries_ != 0) {
      settings.snapshot_max_log_bytes = 1;
      settings.snapshot_min_interval_entries = snapshot_after_entries_;
    }
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
  void Until(Predicate holds, Duration limit = std::chrono::seconds(30)) {
    for (Duration waited{}; !holds(); waited += std::chrono::milliseconds(10)) {
      ASSERT_LT(waited, limit) << "it never came to that";
      threads_.Advance(std::chrono::milliseconds(10));
    }
  }
  LocalBroker& At(uint64_t id) { return *nodes_.at(id)->broker; }

  using Configs = std::vector<std::pair<std::string, std::optional<std::string>>>;
  std::optional<Error> CreateTopic(uint64_t at, const std::string& name, int32_t partitions, Configs configs = {},
                                   int16_t replicas = -1) {
    std::optional<CreateTopicOutcome> outcome;
    nodes_.at(at)->shards[0]->Post([&] {
      At(at).CreateTopics(ShardId(0), {NewTopic{name, partitions, replicas, {}, configs}}, false,
                          std::chrono::seconds(10),
                          [&](const std::vector<CreateTopicOutcome>& outcomes) { outcome = outcomes[0]; });
    });
    Until([&] { return outcome.has_value(); });
    return outcome ? outcome->error : std::nullopt;
  }
  PartitionRef Ref(uint64_t at, const std::string& topic, int32_t partition) {
    const metadata::TopicPtr found = At(at).image(ShardId(0))->FindTopic(topic);
    return {found->id, PartitionId(partition), found->partitions[static_cast<size_t>(partition)].group};
  }
  uint64_t Leader(uint64_t at, const std::string& topic, int32_t partition) {
    return At(at).leader(ShardId(0), Ref(at, topic, partition).group).leader.value;
  }
  ProduceOutcome Produce(uint64_t at, const PartitionRef& partition, const std::string& value,
                         std::chrono::milliseconds timeout = std::chrono::seconds(30),
                         records::BatchOptions options = {}) {
    records::BatchBuilder builder(options);
    builder.Add(nodes_.at(at)->shards[0]->WallNow(), std::nullopt, AsBytes(value));
    ProduceRequest request;
    request.items.push_back({partition, builder.Build()});
    request.timeout = timeout;
    std::optional<ProduceOutcome> outcome;
    nodes_.at(at)->shards[0]->Post([&, this] {
      At(at).Produce(ShardId(0), std::move(request),
                     [&](std::vector<ProduceOutcome> outcomes) { outcome = outcomes[0]; });
    });
    Until([&] { return outcome.has_value(); }, std::chrono::seconds(40));
    return *outcome;
  }
  // Waits for nothing.
  void ProduceUnheard(uint64_t at, const PartitionRef& partition, const std::string& value) {
    records::BatchBuilder builder;
    builder.Add(nodes_.at(at)->shards[0]->WallNow(), std::nullopt, AsBytes(value));
    auto request = std::make_shared<ProduceRequest>();
    request->items.push_back({partition, builder.Build()});
    request->timeout = std::chrono::seconds(30);
    nodes_.at(at)->shards[0]->Post([this, at, request] {
      At(at).Produce(ShardId(0), std::move(*request), [](const std::vector<ProduceOutcome>&) {});
    });
  }
  FetchOutcome Fetch(uint64_t at, const PartitionRef& partition, Offset offset) {
    FetchRequest request;
    request.max_wait = std::chrono::milliseconds(0);
    request.items.push_back({partition, offset});
    std::optional<FetchOutcome> outcome;
    nodes_.at(at)->shards[0]->Post([&, this] {
      At(at).Fetch(ShardId(0), std::move(request),
                   [&](std::vector<FetchOutcome> outcomes) { outcome = std::move(outcomes[0]); });
    });
    Until([&] { return outcome.has_value(); });
    return std::move(*outcome);
  }

  DeleteRecordsOutcome DeleteRecords(uint64_t at, const PartitionRef& partition, Offset before) {
    std::optional<DeleteRecordsOutcome> outcome;
    nodes_.at(at)->shards[0]->Post([&, this] {
      At(at).DeleteRecords(ShardId(0), {{partition, before}},
                           [&](std::vector<DeleteRecordsOutcome> outcomes) { outcome = outcomes[0]; });
    });
    Until([&] { return outcome.has_value(); });
    return *outcome;
  }
  // The first entry of `__meta` on a node's disk.
  uint64_t MetadataLogBegin(uint64_t at) { return nodes_.at(at)->disk->first_index(kMetaGroup.value); }

  Result<LeaderInfo> Transfer(uint64_t at, const std::string& topic, int32_t partition, uint64_t to,
                              std::chrono::milliseconds timeout = std::chrono::seconds(10)) {
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
  bool follower_reads_ = false;
  uint64_t recovery_bytes_per_second_ = 0;
  uint64_t tail_cache_bytes_ = 64 << 20;
  uint64_t snapshot_after_entries_ = 0;           // 0: the default
  std::optional<uint32_t> founders_to_discover_;  // in place of the list
};

}  // namespace chronik::broker
