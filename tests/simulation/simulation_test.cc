// SPDX-License-Identifier: Apache-2.0
// The simulator itself: runs repeat bit for bit, every kind of fault happens, the oracle sees what it must, and what
// only virtual time can show about the kernel. The long campaigns are chronik-sim's.
#include <gtest/gtest.h>

#include <algorithm>

#include "kernel/base/log.h"
#include "tests/simulation/campaign.h"
#include "tests/simulation/workload.h"

namespace chronik::sim {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class SimulationTest : public testing::Test {
 protected:
  // Simulated disks fail all the time.
  SimulationTest() {
    SetLogSink([](LogLevel, const char*, int, std::string_view) {});
  }
  ~SimulationTest() override { SetLogSink(nullptr); }
};

RunOptions Short(uint64_t seed) {
  RunOptions options;
  options.seed = seed;
  options.safety = seconds(4);
  options.fault_period = milliseconds(100);
  return options;
}

TEST_F(SimulationTest, TheSameSeedIsTheSameRunAndAnotherIsNot) {
  for (const uint64_t seed : {1, 3, 4}) {  // 3, 5 and 1 nodes
    const RunResult first = sim::Run(Short(seed));
    const RunResult again = sim::Run(Short(seed));
    EXPECT_EQ(first.violation, "");
    EXPECT_EQ(first.hash, again.hash);
    EXPECT_EQ(first.events, again.events);
    EXPECT_GT(first.acked, 100u);
    EXPECT_GT(first.read, 10u);
    EXPECT_NE(first.hash, sim::Run(Short(seed + 5)).hash);
  }
}

TEST_F(SimulationTest, ACampaignIsTheSameWhateverTheNumberOfProcesses) {
  const CampaignResult one = RunCampaign(Short(0), 20, 25, 1, seconds(600));
  const CampaignResult two = RunCampaign(Short(0), 20, 25, 2, seconds(600));
  EXPECT_EQ(one.violation, "");
  EXPECT_EQ(one.seeds, 6u);
  EXPECT_EQ(one.hash, two.hash);
  EXPECT_EQ(one.acked, two.acked);
}

TEST_F(SimulationTest, EveryKindOfFaultHappens) {
  RunOptions options = Short(0);
  options.nodes = 3;
  options.fault_period = milliseconds(60);
  const CampaignResult result = RunCampaign(options, 1, 60, 2, seconds(600));
  EXPECT_EQ(result.violation, "") << "seed " << result.failed_seed;
  for (size_t i = 0; i < kFaults; ++i) EXPECT_GT(result.faults[i], 0u) << NameOf(static_cast<Fault>(i));
}

// A cluster without faults, and when its leader is killed, how long it has none.
Duration TimeWithoutLeader(uint64_t seed, uint64_t hint_percent) {
  Scheduler scheduler(seed);
  Cluster cluster(scheduler, 3, 1);
  const GroupId group = cluster.groups().front();
  cluster.SetHints(hint_percent);
  cluster.Start();
  const Instant give_up = scheduler.Now() + seconds(20);
  while (cluster.Leader(group) == nullptr && scheduler.Now() < give_up) scheduler.RunFor(milliseconds(1));
  Broker* leader = cluster.Leader(group);
  EXPECT_NE(leader, nullptr);
  scheduler.RunFor(milliseconds(500));
  const Instant killed = scheduler.Now();
  for (size_t i = 0; i < cluster.size(); ++i) {
    if (cluster.broker(i) == leader) cluster.Kill(i, Cluster::Loss::kProcess, seconds(60));
  }
  while (cluster.Leader(group) == nullptr && scheduler.Now() < give_up) scheduler.RunFor(milliseconds(1));
  const Duration without = scheduler.Now() - killed;
  EXPECT_EQ(cluster.violation(), "");
  cluster.Stop();
  return without;
}

Duration Median(uint64_t hint_percent) {
  std::vector<Duration> times;
  for (uint64_t seed = 1; seed <= 21; ++seed) times.push_back(TimeWithoutLeader(seed, hint_percent));
  std::sort(times.begin(), times.end());
  return times[times.size() / 2];
}

// An election timeout is 10 to 20 ticks.
TEST_F(SimulationTest, ABrokenConnectionElectsANewLeaderWithoutWaitingForTheElectionTimeout) {
  EXPECT_LT(Median(100), 6 * kTick);
  EXPECT_GT(Median(0), 10 * kTick);
}

// The oracle, told of what must not be.
class OracleTest : public testing::Test {
 protected:
  static constexpr GroupId kGroup{1};
  static constexpr ReplicaId kOne{1};
  static constexpr ReplicaId kTwo{2};

  static log::Entry EntryAt(uint64_t index, uint64_t term, int64_t offset, uint64_t number) {
    Bytes body = MakeBatch(number, 100, 1);
    return {
        {LogIndex(index), Term(term), Offset(offset), 1, static_cast<uint32_t>(body.size()), raft::EntryKind::kData},
        1,
        std::move(body)};
  }

  std::vector<std::string> seen_;
  Oracle oracle_{[this](const std::string& what) { seen_.push_back(what); }};
};

TEST_F(OracleTest, SeesTwoLeadersOfATerm) {
  oracle_.OnSoftState(kGroup, kOne, {raft::Role::kLeader, kOne, Term(3)});
  oracle_.OnSoftState(kGroup, kTwo, {raft::Role::kLeader, kTwo, Term(4)});
  oracle_.OnSoftState(kGroup, kTwo, {raft::Role::kFollower, kOne, Term(3)});
  EXPECT_TRUE(seen_.empty());
  oracle_.OnSoftState(kGroup, kTwo, {raft::Role::kLeader, kTwo, Term(3)});
  EXPECT_EQ(seen_.size(), 1u);
}

TEST_F(OracleTest, SeesDifferentHistories) {
  oracle_.OnApply(kGroup, kOne, EntryAt(1, 1, 0, 7), 100);
  oracle_.OnApply(kGroup, kTwo, EntryAt(1, 1, 0, 7), 100);
  EXPECT_TRUE(seen_.empty());
  oracle_.OnApply(kGroup, kTwo, EntryAt(1, 1, 0, 8), 100);
  EXPECT_EQ(seen_.size(), 1u) << "other bytes";
  oracle_.OnApply(kGroup, kTwo, EntryAt(1, 2, 0, 7), 100);
  EXPECT_EQ(seen_.size(), 2u) << "another term";
  oracle_.OnApply(kGroup, kTwo, EntryAt(1, 1, 0, 7), 101);
  EXPECT_EQ(seen_.size(), 3u) << "another state";
  oracle_.OnApply(kGroup, kTwo, EntryAt(3, 1, 1, 9), 103);
  EXPECT_EQ(seen_.size(), 4u) << "a gap of indexes";
  oracle_.OnApply(kGroup, kTwo, EntryAt(2, 1, 5, 9), 102);
  EXPECT_EQ(seen_.size(), 5u) << "a gap of offsets";
  oracle_.OnRestored(kGroup, kTwo, LogIndex(1), 99);
  EXPECT_EQ(seen_.size(), 6u) << "another snapshot";
}

TEST_F(OracleTest, SeesAckedEntriesThatAreNotCommitted) {
  const log::Entry entry = EntryAt(1, 1, 0, 7);
  oracle_.OnApply(kGroup, kOne, entry, 100);
  oracle_.OnAcked(kGroup, kOne, LogIndex(1), Term(1), ProposedHash(entry));
  EXPECT_TRUE(seen_.empty());
  oracle_.OnAcked(kGroup, kOne, LogIndex(2), Term(1), ProposedHash(entry));
  EXPECT_EQ(seen_.size(), 1u);
  oracle_.OnAcked(kGroup, kOne, LogIndex(1), Term(2), ProposedHash(entry));
  EXPECT_EQ(seen_.size(), 2u);
  oracle_.OnBarrier(kGroup, kTwo, LogIndex(1), LogIndex(0));
  EXPECT_EQ(seen_.size(), 3u);
}

TEST_F(OracleTest, SeesReadsOfWhatIsNotCommitted) {
  oracle_.OnApply(kGroup, kOne, EntryAt(1, 1, 0, 7), 100);
  replica::DataRead read;
  read.batches.Append(MakeBatch(7, 100, 1));
  oracle_.OnRead(kGroup, kTwo, Offset(0), read);
  EXPECT_TRUE(seen_.empty());
  read.batches.Append(MakeBatch(8, 100, 1));
  oracle_.OnRead(kGroup, kTwo, Offset(0), read);
  EXPECT_EQ(seen_.size(), 1u);
}

}  // namespace
}  // namespace chronik::sim
