// SPDX-License-Identifier: Apache-2.0
// One broker of a cluster as its handlers see it: the metadata, leaders and living nodes that a test chooses. It serves
// no records; what else is asked of it is kept, and answered as the test says.
#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "kernel/api/test_api.h"
#include "kernel/metadata/test_images.h"

namespace chronik::api {

class FakeBroker final : public broker::Broker {
 public:
  // Node 1 of a cluster of `nodes`.
  explicit FakeBroker(uint64_t nodes) : image_(metadata::WithBrokers(nodes)) {
    for (uint64_t id = 1; id <= nodes; ++id) alive.emplace(id);
  }

  void Apply(const metadata::Command& command) { metadata::MustApply(&image_, command); }
  // Its partitions have these replicas, and are led by the first of each.
  metadata::TopicPtr AddTopic(const std::string& name, const std::vector<std::vector<NodeId>>& replicas) {
    metadata::CreateTopic command{name, metadata::MakeTopicId(++topics_), {}, {}, ""};
    for (size_t i = 0; i < replicas.size(); ++i)
      command.partitions.push_back({PartitionId(static_cast<int32_t>(i)), GroupId(0), replicas[i]});
    Apply(command);
    const metadata::TopicPtr topic = image_->FindTopic(name);
    for (const metadata::Partition& p : topic->partitions) leaders[p.group] = {p.replicas.front(), 1};
    return topic;
  }

  const broker::Settings& settings() const override { return settings_; }
  metadata::ImagePtr image(ShardId) const override { return image_; }
  broker::LeaderInfo leader(ShardId, GroupId group) const override {
    const auto found = leaders.find(group);
    return found == leaders.end() ? broker::LeaderInfo{} : found->second;
  }
  std::vector<NodeId> in_sync(ShardId, GroupId) const override { return {}; }
  bool IsAlive(ShardId, NodeId node) const override { return alive.contains(node); }

  using Outcomes = std::vector<std::optional<Error>>;
  void ReassignPartitions(ShardId, std::vector<broker::PartitionMove> asked, std::chrono::milliseconds,
                          broker::Callback<Outcomes> done) override {
    moves = std::move(asked);
    done(Answer(moves.size()));
  }
  void ElectLeaders(ShardId, std::vector<broker::PartitionElection> asked, std::chrono::milliseconds,
                    broker::Callback<Outcomes> done) override {
    elections = std::move(asked);
    done(Answer(elections.size()));
  }

  void Produce(ShardId, broker::ProduceRequest, broker::Callback<std::vector<broker::ProduceOutcome>>) override {}
  void Fetch(ShardId, broker::FetchRequest, broker::Callback<std::vector<broker::FetchOutcome>>) override {}
  void ListOffsets(ShardId, std::vector<broker::ListOffsetItem>,
                   broker::Callback<std::vector<broker::ListOffsetOutcome>>) override {}
  void OffsetForLeaderEpoch(ShardId, std::vector<broker::EpochQuery>,
                            broker::Callback<std::vector<broker::EpochOutcome>>) override {}
  void DeleteRecords(ShardId, std::vector<broker::DeleteRecordsItem>,
                     broker::Callback<std::vector<broker::DeleteRecordsOutcome>>) override {}
  void CreateTopics(ShardId, std::vector<broker::NewTopic>, bool, std::chrono::milliseconds,
                    broker::Callback<std::vector<broker::CreateTopicOutcome>>) override {}
  void DeleteTopics(ShardId, std::vector<TopicId>, std::chrono::milliseconds, broker::Callback<Outcomes>) override {}
  void CreatePartitions(ShardId, std::vector<broker::NewPartitions>, bool, std::chrono::milliseconds,
                        broker::Callback<Outcomes>) override {}
  std::optional<broker::PartitionRef> CoordinatorOf(ShardId, const std::string&) const override { return coordinator; }
  void PrepareGroups(ShardId, broker::Callback<Status>) override {}
  void ListGroups(ShardId, groups::ListGroups, broker::Callback<groups::ListGroupsReply>) override {}
  void AskGroup(ShardId, const std::string&, groups::Request, broker::Callback<groups::Response>) override {}
  void AllocateProducerId(ShardId, broker::Callback<Result<broker::NewProducerId>>) override {}

  std::set<NodeId> alive;
  std::map<GroupId, broker::LeaderInfo> leaders;
  std::optional<broker::PartitionRef> coordinator;   // of every group
  std::vector<broker::PartitionMove> moves;          // asked for last
  std::vector<broker::PartitionElection> elections;  // likewise
  Outcomes outcomes;                                 // the answers to come; none: all went well

 private:
  Outcomes Answer(size_t count) {
    outcomes.resize(count);
    return std::exchange(outcomes, {});
  }

  broker::Settings settings_;
  metadata::ImagePtr image_;
  uint8_t topics_ = 0;
};

// Requests to a FakeBroker.
class FakeBrokerTest : public ApiTest {
 protected:
  explicit FakeBrokerTest(uint64_t nodes) : fake_(nodes) {}
  void SetUp() override {
    ApiTest::SetUp();
    services_ =
        std::make_unique<Services>(fake_, std::vector<const Clock*>(broker_->shards.begin(), broker_->shards.end()));
  }

  FakeBroker fake_;
};

inline std::vector<NodeId> Nodes(const std::vector<uint64_t>& ids) {
  std::vector<NodeId> out;
  for (const uint64_t id : ids) out.emplace_back(id);
  return out;
}

}  // namespace chronik::api
