// SPDX-License-Identifier: Apache-2.0
// Goal: a durable store keeps everything over a clean restart, and a destroyed group stays gone. Method: stop, destroy,
// a new instance on the same directory.
#include <gtest/gtest.h>

#include "sdk/conformance/log_store/instance.h"

namespace chronik_conformance {
namespace {

class Durability : public testing::Test {
 protected:
  void SetUp() override {
    store_ = std::make_unique<Instance>(dir_.path());
    if (!store_->durable()) GTEST_SKIP() << "the store is volatile";
  }
  void Restart() {
    store_.reset();
    store_ = std::make_unique<Instance>(dir_.path());
  }
  void Run(const Group& group, const Op& op, ModelLog& log) {
    EXPECT_EQ(store_->Run(group, op).status, CHR_OK);
    log.Apply(op);
  }

  const sdk::testing::TempDir dir_;
  std::unique_ptr<Instance> store_;
};

TEST_F(Durability, AThousandEntriesSurviveARestartOnAnotherLane) {
  ModelLog log;
  const Group group = store_->Open(5, 0);
  for (int i = 0; i < 10; ++i) Run(group, AppendOp(log, 100, 700), log);
  Restart();
  EXPECT_EQ(store_->ListGroups(), std::vector<uint64_t>{5});
  const Group again = store_->Open(5, store_->caps().max_lanes > 1 ? 1 : 0);
  ExpectEqual(store_->ReadContents(again), log, "after a restart");
  Run(again, AppendOp(log, 10, 100), log);
  ExpectEqual(store_->ReadContents(again), log, "appended after a restart");
}

TEST_F(Durability, AllThatIsNotAnEntrySurvives) {
  ModelLog log;
  const Group group = store_->Open(5);
  Op op = AppendOp(log, 100, 20);
  op.hard_state = HardState{9, 2, 50};
  Run(group, op, log);
  Op checkpoint;
  checkpoint.opcode = CHR_LOG_CHECKPOINT;
  checkpoint.blob = Payload(3, 3000);
  Run(group, checkpoint, log);
  Op prefix;
  prefix.opcode = CHR_LOG_TRUNCATE_PREFIX;
  prefix.index = 40;
  Run(group, prefix, log);
  Restart();
  ExpectEqual(store_->ReadContents(store_->Open(5)), log, "hard state, checkpoint and a truncated prefix");
}

TEST_F(Durability, AnEmptyGroupAndAResetSurvive) {
  store_->Open(4);
  ModelLog log;
  const Group group = store_->Open(5);
  Run(group, AppendOp(log, 30, 200), log);
  Op reset;
  reset.opcode = CHR_LOG_RESET;
  reset.index = 400;
  reset.term = 6;
  reset.offset = 9000;
  Run(group, reset, log);
  Restart();
  ExpectEqual(store_->ReadContents(store_->Open(5)), log, "a reset log");
  ExpectEqual(store_->ReadContents(store_->Open(4)), ModelLog(), "a group that was never written");
}

TEST_F(Durability, AReplacedSuffixIsNotResurrected) {
  ModelLog log;
  const Group group = store_->Open(5);
  Run(group, AppendOp(log, 500, 300), log);
  Run(group, AppendOp(log, 100, 1, 300, log.last_term() + 1), log);
  Restart();
  ExpectEqual(store_->ReadContents(store_->Open(5)), log, "a shortened log");
}

TEST_F(Durability, ADestroyedGroupIsNotResurrected) {
  ModelLog log;
  const Group group = store_->Open(5);
  Run(group, AppendOp(log, 200, 500), log);
  store_->Close(group);
  EXPECT_EQ(store_->Destroy(5), CHR_OK);
  Restart();
  EXPECT_TRUE(store_->ListGroups().empty());
  const Group fresh = store_->Open(5);
  ExpectEqual(store_->ReadContents(fresh), ModelLog(), "created again");
  ModelLog second;
  Run(fresh, AppendOp(second, 1, 3, 10, 50), second);
  Restart();
  ExpectEqual(store_->ReadContents(store_->Open(5)), second, "the second life only");
}

TEST_F(Durability, TenRestartsInARow) {
  ModelLog log;
  for (int i = 0; i < 10; ++i) {
    const Group group = store_->Open(5);
    ExpectEqual(store_->ReadContents(group), log, "restart " + std::to_string(i));
    Run(group, AppendOp(log, 7, 400), log);
    if (i % 3 == 2) {
      Op prefix;
      prefix.opcode = CHR_LOG_TRUNCATE_PREFIX;
      prefix.index = log.last_index() - 3;
      Run(group, prefix, log);
    }
    Restart();
  }
}

// What completed while the instance was being stopped counts as well.
TEST_F(Durability, WhatCompletedBeforeAStopInFlightIsThere) {
  ModelLog log;
  const Group group = store_->Open(5);
  std::vector<std::pair<uint64_t, uint64_t>> submitted;  // tag, last index
  for (int i = 0; i < 200; ++i) {
    const Op op = AppendOp(log, 1, 1000);
    const uint64_t tag = store_->Submit(group, op);
    log.Apply(op);
    submitted.emplace_back(tag, log.last_index());
  }
  store_->Stop();
  uint64_t completed = 0;
  for (const auto& [tag, last_index] : submitted) {
    if (store_->Wait(tag).status == CHR_OK) completed = last_index;
  }
  Restart();
  EXPECT_GE(store_->Bounds(store_->Open(5)).last_index, completed);
}

}  // namespace
}  // namespace chronik_conformance
