// SPDX-License-Identifier: Apache-2.0
// Goal: the shipped log store keeps its word on a simulated disk, and a seed is a run. Method: StoreWorkload with
// crashes at random virtual times. CHRONIK_SIM_SEEDS=<number> runs more seeds, CHRONIK_SIM_SEED=<first> others.
#include <gtest/gtest.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <set>
#include <string>

#include "tests/simulation/store_workload.h"

namespace chronik::sim {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using End = StoreWorkload::End;

uint64_t FromEnvironment(const char* name, uint64_t fallback) {
  const char* text = std::getenv(name);
  return text == nullptr ? fallback : std::strtoull(text, nullptr, 10);
}

// Sanitizers take many times as long.
#if defined(__SANITIZE_THREAD__)
constexpr uint64_t kSeeds = 4;
#elif defined(__SANITIZE_ADDRESS__)
constexpr uint64_t kSeeds = 20;
#else
constexpr uint64_t kSeeds = 60;
#endif

// A few rounds that end at random times in random ways, and a last look.
void Live(StoreWorkload& workload, int rounds) {
  for (int round = 0; round < rounds; ++round) {
    Random& random = workload.scheduler().random();
    const uint64_t dice = random.Below(10);
    const End end = dice < 7 ? End::kPowerFails : dice < 9 ? End::kProcessDies : End::kOrderly;
    if (!workload.Round(random.LogNormal(milliseconds(300)), end)) return;
  }
  (void)workload.Round(Duration(0), End::kOrderly);
}

uint64_t HashOf(uint64_t seed) {
  StoreWorkload workload(seed);
  Live(workload, 3);
  EXPECT_EQ(workload.trouble(), "") << "seed " << seed;
  return workload.scheduler().trace().hash();
}

TEST(SimulatedStoreTest, TheSameSeedIsTheSameRunAndAnotherSeedAnother) {
  std::set<uint64_t> hashes;
  for (uint64_t seed = 1; seed <= 5; ++seed) {
    const uint64_t hash = HashOf(seed);
    EXPECT_EQ(HashOf(seed), hash) << "seed " << seed;
    hashes.insert(hash);
    std::printf("trace hash of seed %llu: %016llx\n", static_cast<unsigned long long>(seed),
                static_cast<unsigned long long>(hash));
  }
  EXPECT_EQ(hashes.size(), 5u);
}

TEST(SimulatedStoreTest, WhatCompletedIsThereAfterEveryCrash) {
  const uint64_t first = FromEnvironment("CHRONIK_SIM_SEED", 1000);
  const uint64_t seeds = FromEnvironment("CHRONIK_SIM_SEEDS", kSeeds);
  uint64_t completed = 0;
  uint64_t reads = 0;
  uint64_t checked = 0;
  uint64_t crashes = 0;
  uint64_t events = 0;
  Duration simulated{0};
  const auto begin = std::chrono::steady_clock::now();
  for (uint64_t seed = first; seed < first + seeds; ++seed) {
    StoreWorkload workload(seed);
    const Instant start = workload.scheduler().Now();
    Live(workload, 6);
    ASSERT_EQ(workload.trouble(), "") << "seed " << seed;
    ASSERT_EQ(workload.failed(), 0u) << "seed " << seed;
    completed += workload.completed();
    reads += workload.reads();
    checked += workload.checked();
    crashes += workload.disk().counts().crashes;
    events += workload.scheduler().events();
    simulated += workload.scheduler().Now() - start;
  }
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
  std::printf(
      "%llu seeds, %llu crashes, %llu operations completed, %llu reads, %llu groups checked after a start; "
      "%.2f simulated hours per hour, %.0f events per second\n",
      static_cast<unsigned long long>(seeds), static_cast<unsigned long long>(crashes),
      static_cast<unsigned long long>(completed), static_cast<unsigned long long>(reads),
      static_cast<unsigned long long>(checked), std::chrono::duration<double>(simulated).count() / took.count(),
      static_cast<double>(events) / took.count());
  EXPECT_GT(crashes, seeds);
  EXPECT_GT(completed, seeds * 100);
  EXPECT_GT(reads, seeds * 10);
}

TEST(SimulatedStoreTest, AFailedSyncLosesNothingThatHadCompleted) {
  uint64_t failed = 0;
  for (uint64_t seed = 2000; seed < 2020; ++seed) {
    StoreWorkload workload(seed);
    ASSERT_TRUE(workload.Round(milliseconds(200), End::kProcessDies)) << "seed " << seed << ": " << workload.trouble();
    workload.scheduler().After(milliseconds(300), [&] { workload.disk().FailNextSync(); });
    ASSERT_TRUE(workload.Round(milliseconds(600), End::kPowerFails)) << "seed " << seed << ": " << workload.trouble();
    ASSERT_TRUE(workload.Round(milliseconds(200), End::kOrderly)) << "seed " << seed << ": " << workload.trouble();
    failed += workload.failed();
  }
  EXPECT_GE(failed, 20u);
}

TEST(SimulatedStoreTest, DamageOnTheDiskIsNeverReadAsData) {
  const uint64_t first = FromEnvironment("CHRONIK_SIM_SEED", 3000);
  const uint64_t seeds = FromEnvironment("CHRONIK_SIM_SEEDS", kSeeds);
  uint64_t refused = 0;
  for (uint64_t seed = first; seed < first + seeds; ++seed) {
    StoreWorkload workload(seed);
    ASSERT_TRUE(workload.Round(milliseconds(300), End::kPowerFails)) << "seed " << seed << ": " << workload.trouble();
    workload.scheduler().After(milliseconds(300), [&] { workload.disk().MisdirectNextSync(); });
    ASSERT_TRUE(workload.Round(milliseconds(400), End::kPowerFails)) << "seed " << seed << ": " << workload.trouble();
    for (int i = 0; i < 3; ++i) EXPECT_NE(workload.disk().FlipRandomBit(), "");
    workload.ExpectDamage();
    ASSERT_TRUE(workload.Round(milliseconds(300), End::kOrderly)) << "seed " << seed << ": " << workload.trouble();
    refused += workload.refused();
  }
  std::printf("%llu refusals in %llu seeds\n", static_cast<unsigned long long>(refused),
              static_cast<unsigned long long>(seeds));
  EXPECT_GT(refused, seeds / 4);
}

}  // namespace
}  // namespace chronik::sim
