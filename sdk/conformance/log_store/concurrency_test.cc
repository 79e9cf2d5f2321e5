// SPDX-License-Identifier: Apache-2.0
// Goal: lanes run beside each other, groups of one lane share its commits, and readers see completed entries only.
// Method: one thread per lane, as a host's shards are.
#include <thread>

#include <gtest/gtest.h>

#include "sdk/conformance/log_store/instance.h"

namespace chronik_conformance {
namespace {

TEST(Concurrency, ManyGroupsOverSeveralLanes) {
  constexpr uint64_t kGroupsPerLane = 25;
  Instance store;
  const uint32_t lanes = std::min<uint32_t>(store.caps().max_lanes, 4);
  std::vector<std::vector<Group>> groups(lanes);
  std::vector<std::vector<ModelLog>> logs(lanes, std::vector<ModelLog>(kGroupsPerLane));
  for (uint32_t lane = 0; lane < lanes; ++lane) {
    for (uint64_t i = 0; i < kGroupsPerLane; ++i) {
      groups[lane].push_back(store.Open(1 + i * lanes + lane, lane));
    }
  }
  std::vector<std::thread> threads;
  for (uint32_t lane = 0; lane < lanes; ++lane) {
    threads.emplace_back([&, lane] {
      for (int round = 0; round < 20; ++round) {
        std::vector<Op> ops;
        std::vector<GroupOp> batch;
        for (size_t i = 0; i < kGroupsPerLane; ++i) ops.push_back(AppendOp(logs[lane][i], 2, 150));
        for (size_t i = 0; i < kGroupsPerLane; ++i) batch.push_back({&groups[lane][i], &ops[i]});
        const std::vector<uint64_t> tags = store.Submit(lane, batch);
        for (size_t i = 0; i < kGroupsPerLane; ++i) logs[lane][i].Apply(ops[i]);
        if (round % 4 == 3) {
          EXPECT_EQ(store.Wait(tags.back()).status, CHR_OK);
        }
      }
      EXPECT_EQ(store.Barrier(lane).status, CHR_OK);
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (uint32_t lane = 0; lane < lanes; ++lane) {
    for (size_t i = 0; i < kGroupsPerLane; ++i) {
      ExpectEqual(store.ReadContents(groups[lane][i]), logs[lane][i], "group " + std::to_string(groups[lane][i].id));
    }
  }
}

// While operations are in flight the lane's thread reads: each answer must be a prefix of what was submitted.
TEST(Concurrency, ReadsSeeWholeOperationsInOrder) {
  Instance store;
  const Group group = store.Open(1);
  ModelLog log;
  uint64_t last_seen = 0;
  for (int i = 0; i < 300; ++i) {
    const Op op = AppendOp(log, 5, 300);
    store.Submit(group, op);
    log.Apply(op);
    const chr_log_bounds bounds = store.Bounds(group);
    ASSERT_GE(bounds.last_index, last_seen) << "completed entries disappeared";
    ASSERT_EQ(bounds.last_index % 5, 0u) << "part of an operation is visible";
    last_seen = bounds.last_index;
    if (last_seen > 0) {
      const ReadAnswer tail = store.Read(group, ByIndex(last_seen, last_seen + 1));
      ASSERT_EQ(tail.entries.size(), 1u);
      ASSERT_EQ(tail.entries[0], log.entries()[last_seen - 1]);
    }
  }
  EXPECT_EQ(store.Barrier(0).status, CHR_OK);
  ExpectEqual(store.ReadContents(group), log, "at the end");
}

// stats is [any]: also beside the lanes.
TEST(Concurrency, StatsMayBeAskedFromAnywhere) {
  Instance store;
  const Group group = store.Open(1);
  std::atomic<bool> stop{false};
  std::thread watcher([&] {
    while (!stop.load()) {
      chr_log_stats stats{};
      stats.struct_size = sizeof(stats);
      EXPECT_GE(store.table().stats(store.self(), &stats), 0);
    }
  });
  ModelLog log;
  for (int i = 0; i < 200; ++i) {
    const Op op = AppendOp(log, 1, 100);
    EXPECT_EQ(store.Run(group, op).status, CHR_OK);
    log.Apply(op);
  }
  stop.store(true);
  watcher.join();
}

}  // namespace
}  // namespace chronik_conformance
