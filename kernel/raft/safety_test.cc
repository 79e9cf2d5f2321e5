// SPDX-License-Identifier: Apache-2.0
// Goal: Raft's safety properties under everything that may go wrong at once, and progress once it has stopped going
// wrong. Method: hundreds of seeded runs of TestCluster, which checks after every step: election safety, leader
// completeness, log matching, state machine safety, the offset chain, votes and acknowledgements never ahead of the
// disk, no stale read, at most one change of the configuration at a time.
#include <gtest/gtest.h>

#include <cstdlib>
#include <iostream>
#include <set>

#include "kernel/raft/test_cluster.h"

namespace chronik::raft {
namespace {

struct Totals {
  uint64_t committed = 0;
  uint64_t barriers = 0;
  uint64_t shortened = 0;
  uint64_t installed = 0;
  uint64_t settled = 0;
  uint64_t leaders = 0;
  uint64_t refused = 0;
};

// Any voters, one to five of them, and now and then a learner.
void ChangeSomething(TestCluster& cluster, uint64_t leader) {
  std::set<ReplicaId> voters;
  for (uint64_t wanted = 1 + cluster.Random(5); voters.size() < std::min<uint64_t>(wanted, cluster.size());) {
    voters.insert(ReplicaId(1 + cluster.Random(cluster.size())));
  }
  std::vector<ReplicaId> learners;
  const ReplicaId learner(1 + cluster.Random(cluster.size()));
  if (!voters.contains(learner)) learners.push_back(learner);
  (void)cluster.Change(leader, {voters.begin(), voters.end()}, learners).ok();
}

void DoSomething(TestCluster& cluster) {
  const uint64_t id = 1 + cluster.Random(cluster.size());
  const uint64_t other = 1 + cluster.Random(cluster.size());
  TestNode& node = cluster.node(id);
  if (!node.up) {
    if (cluster.Random(20) == 0) cluster.Restart(id);
    return;
  }
  const bool leads = node.group->soft_state().role == Role::kLeader;
  if (leads && cluster.Random(10) < 4) {
    const auto offsets = static_cast<uint32_t>(cluster.Random(5));
    (void)cluster.Propose(id, offsets, static_cast<uint32_t>(cluster.Random(400))).ok();
  }
  if (leads && cluster.Random(20) == 0) cluster.AskBarrier(id);
  if (leads && cluster.Random(300) == 0) return cluster.Crash(id);  // with writes and messages under way
  if (leads && cluster.Random(80) == 0) return ChangeSomething(cluster, id);
  switch (cluster.Random(1000)) {  // mostly nothing
    case 0:
    case 1: return cluster.Crash(id);
    case 2:
    case 3: return cluster.Cut(id, other);
    case 4: return cluster.Isolate(id);
    case 5:
    case 6:
    case 7:
    case 8:
    case 9: return cluster.Heal();
    case 10: return cluster.Step(id, TransferLeadership{ReplicaId(other)});
    case 11: return cluster.Step(id, PeerLost{ReplicaId(other)});
    case 12: return cluster.Step(id, CampaignNow{});
    case 13:
    case 14:
    case 15:
      return cluster.DropPrefix(id, node.commit - cluster.Random(std::min<uint64_t>(node.commit.value, 8) + 1) + 1);
    case 16: node.stalled_until = cluster.now() + cluster.Random(100 * TestCluster::kUnitsPerTick); return;
    case 17: node.group->SetPriority(static_cast<uint32_t>(cluster.Random(3))); return;
    case 18: cluster.Step(id, StorageFailed{}); return cluster.Crash(id);
    default: return;
  }
}

void RunSeed(uint64_t seed, Totals& totals) {
  Options options;
  options.max_append_bytes = 600;  // a few entries
  options.max_inflight_messages = 4;
  options.max_inflight_bytes = 2000;
  options.max_uncommitted_bytes = 8000;
  TestCluster cluster(seed % 3 == 0 ? 5 : 3, seed % 4 == 0 ? 1 : 0, seed, options, seed % 2 == 0 ? 2 : 0);
  cluster.faults = {.drop_percent = static_cast<uint32_t>(cluster.Random(20)),
                    .duplicate_percent = static_cast<uint32_t>(cluster.Random(20)),
                    .max_message_delay = 1 + cluster.Random(seed % 5 == 0 ? 60 : 8),
                    .max_write_delay = 1 + cluster.Random(seed % 7 == 0 ? 80 : 10),
                    .max_pull_delay = 1 + cluster.Random(100)};
  for (int unit = 0; unit < 2500 && !testing::Test::HasFailure(); ++unit) {
    DoSomething(cluster);
    cluster.Advance();
    if (unit % 100 == 0) cluster.CheckLogMatching();
  }
  cluster.HealAndRestartAll();
  const uint64_t before = cluster.committed().value;
  const bool lives = cluster.RunUntil([&] { return cluster.Leader().has_value() && cluster.Converged(); }, 4000);
  ASSERT_TRUE(lives) << "seed " << seed << " does not converge: " << cluster.Describe();
  // A hand-over that the faults broke off refuses proposals until it times out, not longer.
  std::string refusal;
  const auto proposed = [&] {
    const auto leader = cluster.Leader();
    if (!leader) return false;
    const Result<Proposed> answer = cluster.Propose(*leader, 3, 100);
    if (!answer.ok()) refusal = answer.error().message;
    return answer.ok();
  };
  ASSERT_TRUE(cluster.RunUntil(proposed, 2 * 10 * TestCluster::kUnitsPerTick)) << "seed " << seed << ": " << refusal;
  const auto all_have_it = [&] { return cluster.Converged() && cluster.committed().value > before; };
  ASSERT_TRUE(cluster.RunUntil(all_have_it, 500)) << "seed " << seed << ": " << cluster.Describe();
  cluster.CheckLogMatching();
  totals.committed += cluster.committed().value;
  for (uint64_t id = 1; id <= cluster.size(); ++id) {
    totals.barriers += cluster.node(id).barriers_passed;
    totals.shortened += cluster.node(id).memory.previous.index.value > 0 ? 1 : 0;
    totals.installed += cluster.node(id).installed;
    EXPECT_EQ(cluster.group(id).offset_conflicts(), 0u) << "seed " << seed;
  }
  totals.refused += refusal.empty() ? 0 : 1;
  totals.leaders += cluster.group(*cluster.Leader()).soft_state().term.value;
  totals.settled += cluster.settled();
}

TEST(Safety, HoldsUnderFaultsAndTheClusterRecovers) {
  Totals totals;
  const char* wanted = std::getenv("CHRONIK_RAFT_SEEDS");  // more of them, for a long night
  const uint64_t seeds = wanted == nullptr ? 400 : std::strtoull(wanted, nullptr, 10);
  for (uint64_t seed = 1; seed <= seeds; ++seed) {
    RunSeed(seed, totals);
    if (HasFailure()) FAIL() << "seed " << seed;
  }
  // The runs must have been about something.
  std::cout << totals.committed << " entries, " << totals.barriers << " reads, " << totals.shortened
            << " shortened logs, " << totals.installed << " installed snapshots, " << totals.settled
            << " changed configurations, " << totals.leaders << " terms, " << totals.refused << " broken hand-overs\n";
  EXPECT_GT(totals.committed, seeds * 50);
  EXPECT_GT(totals.barriers, seeds * 5);
  EXPECT_GT(totals.shortened, seeds);
  EXPECT_GT(totals.installed, seeds / 2);
  EXPECT_GT(totals.settled, seeds);
  EXPECT_GT(totals.leaders, seeds * 3);
}

}  // namespace
}  // namespace chronik::raft
