// SPDX-License-Identifier: Apache-2.0
// Goal: whatever members, topics and the partition's leader do, (1) what a coordinator knows is what its records say,
// (2) no two members of a consumer group have a partition at the same time, and (3) once nothing changes any more, each
// partition is with somebody who wants it and the loads are even. Method: random clients, seeded, that follow the
// protocol, crash, lose answers and change their minds; TestCoordinator checks (1) after every step.
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "kernel/groups/consumer_group.h"
#include "kernel/groups/test_coordinator.h"

namespace chronik::groups {
namespace {

struct RandomConsumer {
  std::string id;
  std::optional<std::string> instance;
  bool out = true;  // not in the group, as far as it knows
  int32_t epoch = 0;
  PartitionSet owned;
  uint64_t waits = 0;
  Instant last_beat;
};

class RandomConsumers {
 public:
  explicit RandomConsumers(uint32_t seed) : random_(seed) {
    for (int i = 0; i < 5; ++i) {
      RandomConsumer& client = clients_.emplace_back();
      Rename(client);
      if (i < 2) client.instance = "i" + std::to_string(i);
    }
    c_.topics.Set("t", 5);
  }

  void Run(int steps) {
    for (int i = 0; i < steps && !testing::Test::HasFailure(); ++i) {
      Act();
      CheckNoneIsTwice();
    }
    Settle();
  }
  int moves = 0;
  int fenced = 0;

 private:
  uint32_t Below(uint32_t n) { return static_cast<uint32_t>(random_() % n); }
  void Rename(RandomConsumer& client) { client.id = "m" + std::to_string(++last_name_); }
  RandomConsumer& Someone() { return clients_[Below(static_cast<uint32_t>(clients_.size()))]; }

  void Act() {
    switch (Below(24)) {
      case 0:
        if (!holding_) Pass();
        break;
      case 1:
        if (Below(4) != 0) break;
        ++moves;
        c_.Fail();
        [[fallthrough]];
      case 2:
      case 3:
        holding_ = false;
        c_.Commit();
        CollectAll();
        break;
      case 4:
        holding_ = true;
        c_.HoldCommits();
        break;
      case 5:
        if (Below(3) == 0) c_.topics.Set("t", 5 + static_cast<int32_t>(Below(6)));
        break;
      case 6:
        if (Below(3) == 0) c_.topics.Set("s", 1 + static_cast<int32_t>(Below(6)));
        break;
      case 7:
        if (Below(4) == 0) Crash(Someone());
        break;
      case 8:
        if (Below(4) == 0) Leave(Someone());
        break;
      default: Beat(Someone());
    }
  }

  // Nobody who is alive misses its session.
  void Pass() {
    for (RandomConsumer& client : clients_) {
      if (!client.out && c_.now().mono - client.last_beat > 20s) Beat(client);
    }
    c_.Advance(std::chrono::milliseconds(Below(10000)));
  }

  void Crash(RandomConsumer& client) {
    Reset(client);
    client.waits = 0;
    if (!client.instance) Rename(client);
  }
  static void Reset(RandomConsumer& client) {
    client.out = true;
    client.epoch = 0;
    client.owned.clear();
  }

  ConsumerGroupHeartbeat Request(const RandomConsumer& client) const {
    ConsumerGroupHeartbeat beat;
    beat.group = "g";
    beat.member = client.id;
    beat.instance = client.instance;
    beat.client = {"client", "/host"};
    return beat;
  }
  void Leave(RandomConsumer& client) {
    if (client.waits != 0 || client.out) return;
    ConsumerGroupHeartbeat beat = Request(client);
    beat.epoch = client.instance && Below(2) == 0 ? kStaticLeavingEpoch : kLeavingEpoch;
    Reset(client);  // it has given up everything before it says so
    c_.Send(beat);
    Rename(client);
  }
  void Beat(RandomConsumer& client) {
    if (client.waits != 0) return Collect(client);
    ConsumerGroupHeartbeat beat = Request(client);
    beat.epoch = client.epoch;
    beat.owned = ToTopics(client.owned);
    if (client.out || Below(10) == 0) {
      beat.rebalance_timeout = 60s;
      beat.topics.emplace();
      if (Below(2) == 0) beat.topics->push_back("t");
      if (Below(2) == 0) beat.topics->push_back("s");
      beat.topic_pattern = Below(3) == 0 ? "s|t.*" : "";
      if (Below(3) == 0) beat.assignor = Below(2) == 0 ? "range" : "uniform";
    }
    client.out = false;
    client.last_beat = c_.now().mono;
    client.waits = c_.Send(beat);
    Collect(client);
  }

  void CollectAll() {
    for (RandomConsumer& client : clients_) Collect(client);
  }
  void Collect(RandomConsumer& client) {
    if (client.waits == 0) return;
    const auto reply = c_.TakeAs<ConsumerGroupHeartbeatReply>(client.waits);
    if (!reply) return;
    client.waits = 0;
    if (Below(20) == 0 && !settling_) return;  // the answer is lost on its way
    if (reply->error == GroupError::kNotCoordinator) return;
    if (reply->error != GroupError::kNone) {
      ++fenced;
      Reset(client);
      return;
    }
    client.epoch = reply->epoch;
    if (reply->assignment) client.owned = ToSet(*reply->assignment);
  }

  void CheckNoneIsTwice() const {
    std::map<TopicPartition, std::string> owners;
    for (const RandomConsumer& client : clients_) {
      for (const TopicPartition& partition : client.owned)
        EXPECT_TRUE(owners.emplace(partition, client.id).second) << client.id << " and " << owners.at(partition);
    }
  }

  void Settle() {
    settling_ = true;
    holding_ = false;
    c_.Commit();
    for (int round = 0; round < 60 && !testing::Test::HasFailure(); ++round) {
      for (RandomConsumer& client : clients_) {
        if (client.waits != 0) Collect(client);
        ConsumerGroupHeartbeat beat = Request(client);
        beat.epoch = client.epoch;
        beat.owned = ToTopics(client.owned);
        beat.rebalance_timeout = 60s;
        beat.topics = {"s", "t"};
        beat.topic_pattern = "";
        beat.assignor = "uniform";
        client.out = false;
        client.waits = c_.Send(beat);
        Collect(client);
        CheckNoneIsTwice();
      }
      c_.Advance(5s);  // members that crashed are forgotten
    }
    CheckSettled();
  }
  void CheckSettled() {
    const auto group = c_.Ask<ConsumerGroupDescribeReply>(ConsumerGroupDescribe{{"g"}}).groups[0];
    EXPECT_EQ(group.state, "Stable");
    EXPECT_EQ(group.members.size(), clients_.size());
    size_t owned = 0;
    for (const RandomConsumer& client : clients_) owned += client.owned.size();
    const auto s = c_.topics.Find("s");
    const auto all = static_cast<size_t>(c_.topics.Find("t")->partitions + (s ? s->partitions : 0));
    EXPECT_EQ(owned, all);
    for (const RandomConsumer& client : clients_) {
      EXPECT_GE(client.owned.size(), all / clients_.size());
      EXPECT_LE(client.owned.size(), all / clients_.size() + 1);
    }
  }

  std::mt19937 random_;
  TestCoordinator c_;
  std::vector<RandomConsumer> clients_;
  int last_name_ = 0;
  bool holding_ = false;
  bool settling_ = false;
};

TEST(Property, ConsumerGroupsUnderRandomClientsTopicsAndMoves) {
  int moves = 0;
  int fenced = 0;
  for (uint32_t seed = 1; seed <= 60; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    RandomConsumers group(seed);
    group.Run(400);
    moves += group.moves;
    fenced += group.fenced;
    if (HasFailure()) break;
  }
  EXPECT_GT(moves, 100);
  EXPECT_GT(fenced, 20);
}

}  // namespace
}  // namespace chronik::groups
