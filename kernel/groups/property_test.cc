// SPDX-License-Identifier: Apache-2.0
// Goal: whatever members do, when time passes, and however often the partition moves, (1) what a coordinator knows is
// what its records say, (2) members of one generation hold assignments of one leader, (3) every request is answered
// once, and (4) an offset that was acknowledged is told from then on, until a later one. Method: random clients,
// seeded, that follow the protocol more or less; TestCoordinator checks (1) after every step.
#include <gtest/gtest.h>

#include <random>

#include "kernel/groups/test_coordinator.h"

namespace chronik::groups {
namespace {

struct RandomClient {
  std::string member;
  std::optional<std::string> instance;
  int32_t generation = -1;
  uint64_t waits = 0;  // for the answer to this request
  bool must_sync = false;
  bool leads = false;
  std::vector<JoinedMember> others;
};

class RandomGroup {
 public:
  explicit RandomGroup(uint32_t seed) : random_(seed), c_(MakeOptions()) {
    clients_.resize(6);
    for (size_t i = 0; i < clients_.size(); i += 3) clients_[i].instance = "i" + std::to_string(i);
  }

  void Run(int steps) {
    for (int i = 0; i < steps && !testing::Test::HasFailure(); ++i) {
      Act();
      Collect();
    }
    // (3): with everything committed and all deadlines passed, nobody waits any more.
    c_.Commit();
    c_.Advance(10min);
    Collect();
    for (const RandomClient& client : clients_) EXPECT_EQ(client.waits, 0u) << "a request without an answer";
    CheckOffsets();
  }
  int stable_syncs = 0;
  int moves = 0;

 private:
  static Options MakeOptions() {
    Options options;
    options.expiry_interval = 24h * 365;
    return options;
  }
  uint32_t Below(uint32_t n) { return static_cast<uint32_t>(random_() % n); }
  RandomClient& Someone() { return clients_[Below(static_cast<uint32_t>(clients_.size()))]; }

  void Act() {
    switch (Below(16)) {
      case 0: c_.Advance(std::chrono::milliseconds(Below(12000))); break;
      case 1:
        if (Below(8) != 0) break;
        ++moves;
        c_.Fail();
        c_.Commit();
        break;
      case 2: c_.HoldCommits(); break;
      case 3:
      case 4: c_.Commit(); break;
      case 5: LeaveOne(Someone()); break;
      case 6:
      case 7: CommitOffset(Someone()); break;
      case 8: Transaction(); break;
      default: Follow(Someone());
    }
  }

  // What a client does next if it follows the protocol.
  void Follow(RandomClient& client) {
    if (client.waits != 0) return;
    if (client.generation < 0 || Below(20) == 0) return Join(client);
    if (client.must_sync) return Sync(client);
    client.waits = c_.Send(Heartbeat{"g", client.member, client.instance, client.generation});
  }
  void Join(RandomClient& client) {
    JoinGroup join = JoinOf(client.member, {"range", "sticky"});
    join.instance = client.instance;
    join.session_timeout = 6s + std::chrono::seconds(Below(20));
    join.knows_member_id_required = Below(2) == 0;
    join.knows_skip_assignment = Below(2) == 0;
    if (Below(4) == 0) join.protocols[0].metadata = Subscription({"t", "s" + std::to_string(Below(3))});
    client.waits = c_.Send(join);
  }
  void Sync(RandomClient& client) {
    SyncGroup sync;
    sync.group = "g";
    sync.member = client.member;
    sync.instance = client.instance;
    sync.generation = client.generation;
    if (client.leads) {
      const std::string mark = client.member + "/" + std::to_string(client.generation) + "/" + std::to_string(++marks_);
      for (const JoinedMember& other : client.others) sync.assignments.push_back({other.id, mark});
    }
    client.waits = c_.Send(sync);
  }
  void LeaveOne(RandomClient& client) {
    if (client.waits != 0 || client.member.empty()) return;
    client.waits = c_.Send(LeaveGroup{"g", {{client.member, client.instance}}});
    client.generation = -1;
  }
  void CommitOffset(RandomClient& client) {
    if (client.waits != 0 || client.generation < 0) return;
    OffsetCommit commit = CommitOf("t", static_cast<int32_t>(Below(3)), ++last_offset_);
    commit.member = client.member;
    commit.instance = client.instance;
    commit.generation = client.generation;
    commits_[c_.Send(commit)] = {commit.topics[0].partitions[0].partition, last_offset_};
  }
  void Transaction() {
    const ProducerId producer(Below(3));
    if (Below(3) != 0) {
      const TxnOffsetCommit commit{CommitOf("x", static_cast<int32_t>(Below(3)), ++last_offset_), producer, 1};
      c_.Send(commit);
    } else {
      c_.Send(EndTransaction{producer, 1, 1, Below(2) == 0});
    }
  }

  void Collect() {
    for (RandomClient& client : clients_) {
      if (client.waits == 0) continue;
      const std::optional<Response> response = c_.Take(client.waits);
      if (!response) continue;
      client.waits = 0;
      std::visit([&](const auto& reply) { On(client, reply); }, *response);
    }
    for (auto commit = commits_.begin(); commit != commits_.end();) {
      const auto reply = c_.TakeAs<OffsetCommitReply>(commit->first);
      if (!reply) {
        ++commit;
        continue;
      }
      const auto [partition, offset] = commit->second;
      if (reply->partitions[0].error == GroupError::kNone)
        acknowledged_[partition] = std::max(acknowledged_[partition], offset);
      commit = commits_.erase(commit);
    }
  }
  static bool Forgotten(GroupError error) {
    return error == GroupError::kUnknownMemberId || error == GroupError::kFencedInstanceId;
  }
  void On(RandomClient& client, const JoinGroupReply& reply) {
    client.must_sync = false;
    client.generation = -1;
    if (reply.error == GroupError::kMemberIdRequired) client.member = reply.member;
    if (Forgotten(reply.error)) client.member.clear();
    if (reply.error != GroupError::kNone) return;
    EXPECT_EQ(reply.leader == reply.member, !reply.members.empty());
    client.member = reply.member;
    client.generation = reply.generation;
    client.must_sync = true;
    client.leads = reply.leader == reply.member && !reply.skip_assignment;
    client.others = reply.members;
  }
  void On(RandomClient& client, const SyncGroupReply& reply) {
    client.must_sync = false;
    if (Forgotten(reply.error)) client.member.clear();
    if (reply.error != GroupError::kNone) {
      client.generation = -1;
      return;
    }
    ++stable_syncs;
    // (2)
    const size_t end = reply.assignment.rfind('/');
    if (end == std::string::npos) return;
    const std::string by = reply.assignment.substr(0, end);
    EXPECT_EQ(by.substr(by.rfind('/') + 1), std::to_string(client.generation));
  }
  void On(RandomClient& client, const HeartbeatReply& reply) {
    if (Forgotten(reply.error)) client.member.clear();
    if (reply.error != GroupError::kNone) client.generation = -1;
  }
  template <class T>
  void On(RandomClient& /*client*/, const T& /*reply*/) {}

  // (4): a later one may have been committed and its acknowledgement lost.
  void CheckOffsets() {
    for (const auto& [partition, offset] : acknowledged_)
      EXPECT_GE(c_.Ask<OffsetFetchReply>(FetchOf("t", partition)).partitions[0].offset, offset);
  }

  std::mt19937 random_;
  TestCoordinator c_;
  std::vector<RandomClient> clients_;
  std::map<uint64_t, std::pair<int32_t, int64_t>> commits_;
  std::map<int32_t, int64_t> acknowledged_;
  int64_t last_offset_ = 0;
  int marks_ = 0;
};

TEST(Property, ClassicGroupsUnderRandomClientsTimeAndMoves) {
  int syncs = 0;
  int moves = 0;
  for (uint32_t seed = 1; seed <= 150; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    RandomGroup group(seed);
    group.Run(600);
    syncs += group.stable_syncs;
    moves += group.moves;
    if (HasFailure()) break;
  }
  EXPECT_GT(syncs, 1000);
  EXPECT_GT(moves, 300);
}

}  // namespace
}  // namespace chronik::groups
