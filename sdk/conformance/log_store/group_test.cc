// SPDX-License-Identifier: Apache-2.0
// Goal: groups are opened, listed, closed and destroyed as the header says, and do not touch each other. Method: one
// instance, several groups; a second instance in the same process.
#include <gtest/gtest.h>

#include "sdk/conformance/log_store/instance.h"

namespace chronik_conformance {
namespace {

TEST(Groups, OpenReportsWhatIsWrong) {
  Instance store;
  Group group;
  EXPECT_EQ(store.TryOpen(5, 0, false, &group), CHR_E_NOT_FOUND);
  ASSERT_GE(store.TryOpen(5, 0, true, &group), 0);
  Group again;
  EXPECT_EQ(store.TryOpen(5, 0, true, &again), CHR_E_EXISTS);
  EXPECT_FALSE(store.message().empty()) << "an error says what to do";
  EXPECT_LT(store.TryOpen(0, 0, true, &again), 0) << "ids begin at 1";
  EXPECT_LT(store.TryOpen(6, store.caps().max_lanes, true, &again), 0) << "no such lane";
}

TEST(Groups, AreListedInAscendingOrder) {
  Instance store;
  EXPECT_TRUE(store.ListGroups().empty());
  std::vector<uint64_t> want;
  for (const uint64_t id : {uint64_t{900}, uint64_t{7}, UINT64_MAX, uint64_t{30}}) {
    const Group group = store.Open(id);
    store.Run(group, AppendOp(ModelLog(), 1, 10));
    want.push_back(id);
  }
  std::sort(want.begin(), want.end());
  EXPECT_EQ(store.ListGroups(), want);
}

TEST(Groups, CloseAndOpenKeepsEverything) {
  Instance store;
  ModelLog log;
  Group group = store.Open(3, 0);
  for (int i = 0; i < 3; ++i) {
    const Op op = AppendOp(log, 10, 100);
    ASSERT_EQ(store.Run(group, op).status, CHR_OK);
    log.Apply(op);
    store.Close(group);
    chr_log_bounds bounds{};
    ASSERT_GE(store.TryOpen(3, 0, false, &group, &bounds), 0);
    EXPECT_EQ(bounds.last_index, log.last_index());
    ExpectEqual(store.ReadContents(group), log, "reopened");
  }
}

TEST(Groups, DestroyIsIdempotentAndNothingComesBack) {
  Instance store;
  EXPECT_EQ(store.Destroy(77), CHR_OK) << "it never existed";
  ModelLog log;
  const Group group = store.Open(77);
  Op op = AppendOp(log, 100, 1000);
  op.hard_state = HardState{4, 4, 4};
  ASSERT_EQ(store.Run(group, op).status, CHR_OK);
  Op checkpoint;
  checkpoint.opcode = CHR_LOG_CHECKPOINT;
  checkpoint.blob = "old";
  ASSERT_EQ(store.Run(group, checkpoint).status, CHR_OK);
  store.Close(group);
  EXPECT_EQ(store.Destroy(77), CHR_OK);
  EXPECT_EQ(store.Destroy(77), CHR_OK);
  EXPECT_TRUE(store.ListGroups().empty());
  Group gone;
  EXPECT_EQ(store.TryOpen(77, 0, false, &gone), CHR_E_NOT_FOUND);
  const Group fresh = store.Open(77);
  ExpectEqual(store.ReadContents(fresh), ModelLog(), "a group created after a destroy");
  const Op again = AppendOp(log, 2, 10);
  ASSERT_EQ(store.Run(fresh, again).status, CHR_OK);
  log.Apply(again);
  ExpectEqual(store.ReadContents(fresh), log, "appended after a destroy");
}

TEST(Groups, DestroyingOneLeavesItsNeighbours) {
  Instance store;
  std::map<uint64_t, ModelLog> logs;
  std::map<uint64_t, Group> groups;
  for (uint64_t id = 1; id <= 6; ++id) {
    groups[id] = store.Open(id);
    const Op op = AppendOp(logs[id], 50, 200 * id);
    ASSERT_EQ(store.Run(groups[id], op).status, CHR_OK);
    logs[id].Apply(op);
  }
  for (uint64_t id = 2; id <= 6; id += 2) {
    store.Close(groups[id]);
    EXPECT_EQ(store.Destroy(id), CHR_OK);
  }
  for (uint64_t id = 1; id <= 6; id += 2) {
    ExpectEqual(store.ReadContents(groups[id]), logs[id], "group " + std::to_string(id));
  }
}

TEST(Groups, AThousandNewOnesAreCheap) {
  Instance store;
  const auto begin = std::chrono::steady_clock::now();
  for (uint64_t id = 1; id <= 1000; ++id) {
    store.Open(id);
  }
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
  EXPECT_LT(took.count(), 10.0) << "seconds; thousands may be created in a row";
}

TEST(Groups, TwoInstancesInOneProcessShareNothing) {
  Instance one;
  Instance two;
  ModelLog log_one;
  ModelLog log_two;
  const Group group_one = one.Open(1);
  const Group group_two = two.Open(1);
  for (int i = 0; i < 20; ++i) {
    const Op op_one = AppendOp(log_one, 3, 100);
    const Op op_two = AppendOp(log_two, 2, 300);
    EXPECT_EQ(one.Run(group_one, op_one).status, CHR_OK);
    EXPECT_EQ(two.Run(group_two, op_two).status, CHR_OK);
    log_one.Apply(op_one);
    log_two.Apply(op_two);
  }
  ExpectEqual(one.ReadContents(group_one), log_one, "first instance");
  ExpectEqual(two.ReadContents(group_two), log_two, "second instance");
}

TEST(Groups, StatsCount) {
  Instance store;
  const Group group = store.Open(1);
  store.Open(2);
  for (int i = 0; i < 5; ++i) {
    ModelLog log;
    ASSERT_EQ(store.Run(group, AppendOp(log, 1, 1, 1000, static_cast<uint64_t>(i) + 1)).status, CHR_OK);
  }
  chr_log_stats stats{};
  stats.struct_size = sizeof(stats);
  ASSERT_GE(store.table().stats(store.self(), &stats), 0);
  EXPECT_EQ(stats.groups, 2u);
  EXPECT_GE(stats.appends, 5u);
  EXPECT_EQ(stats.inflight_bytes, 0u);
  EXPECT_EQ(stats.syncs > 0, store.durable());
}

}  // namespace
}  // namespace chronik_conformance
