// SPDX-License-Identifier: Apache-2.0
// Goal: prefixes go, resets start over, checkpoints are replaced, and none of it disturbs what stays. Method: against
// the model.
#include <gtest/gtest.h>

#include "sdk/conformance/log_store/instance.h"

namespace chronik_conformance {
namespace {

class Truncate : public testing::Test {
 protected:
  void Run(const Op& op) {
    const Result result = store_.Run(group_, op);
    EXPECT_EQ(result.status, CHR_OK);
    log_.Apply(op);
    EXPECT_EQ(result.last_index, log_.last_index());
  }
  void Prefix(uint64_t index) {
    Op op;
    op.opcode = CHR_LOG_TRUNCATE_PREFIX;
    op.index = index;
    Run(op);
  }
  void Reset(uint64_t index, uint64_t term, int64_t offset) {
    Op op;
    op.opcode = CHR_LOG_RESET;
    op.index = index;
    op.term = term;
    op.offset = offset;
    Run(op);
  }
  void Checkpoint(const std::string& blob) {
    Op op;
    op.opcode = CHR_LOG_CHECKPOINT;
    op.blob = blob;
    Run(op);
  }
  void ExpectModel(const std::string& where) { ExpectEqual(store_.ReadContents(group_), log_, where); }

  Instance store_;
  Group group_ = store_.Open(1);
  ModelLog log_;
};

TEST_F(Truncate, CompactionBelow500KeepsTheRest) {
  Run(AppendOp(log_, 1000, 100));
  Prefix(500);
  ExpectModel("after compaction");
  EXPECT_EQ(store_.Read(group_, ByIndex(499, 600)).status, CHR_E_RANGE);
  EXPECT_EQ(store_.Read(group_, ByIndex(500, 501)).entries.size(), 1u);
  chr_log_read by_offset{};
  by_offset.by = CHR_LOG_BY_OFFSET;
  by_offset.key = log_.first_offset() - 1;
  by_offset.end_index = log_.last_index() + 1;
  by_offset.max_bytes = 1000;
  EXPECT_EQ(store_.Read(group_, by_offset).status, CHR_E_RANGE);
}

TEST_F(Truncate, BelowTheFirstIsNothing) {
  Run(AppendOp(log_, 10, 10));
  Prefix(5);
  Prefix(3);
  Prefix(0);
  ExpectModel("truncated below the first index");
}

TEST_F(Truncate, EverythingLeavesAnEmptyLogThatContinues) {
  Run(AppendOp(log_, log_.last_index() + 1, 10, 10, 6));
  Prefix(11);
  ExpectModel("empty");
  EXPECT_EQ(store_.Bounds(group_).last_term, 6u);
  Run(AppendOp(log_, 5, 10));
  ExpectModel("continued");
}

TEST_F(Truncate, APrefixInsideATermKeepsTheTermsTable) {
  for (uint64_t term = 1; term <= 5; ++term) {
    Run(AppendOp(log_, log_.last_index() + 1, 10, 10, term));
  }
  Prefix(25);
  ExpectModel("inside term 3");
  Prefix(31);
  ExpectModel("at the edge of term 4");
}

TEST_F(Truncate, ASuffixReplacementMayReachTheNewFirst) {
  Run(AppendOp(log_, 20, 10));
  Prefix(11);
  Run(AppendOp(log_, 11, 3, 10, 9));
  ExpectModel("replaced from the first index on");
}

TEST_F(Truncate, ResetStartsOverWhereItSays) {
  Op op = AppendOp(log_, 30, 10);
  op.hard_state = HardState{3, 1, 20};
  Run(op);
  Checkpoint("state");
  Reset(1000, 8, 50'000);
  ExpectModel("a reset keeps hard state and checkpoint, and drops the entries");
  Run(AppendOp(log_, 1000, 5, 10, 8));
  ExpectModel("continued after a reset");
  Reset(10, 9, 100);
  ExpectModel("a reset to a lower index");
}

TEST_F(Truncate, CheckpointsAreReplaced) {
  std::string blob;
  EXPECT_EQ(store_.Checkpoint(group_, &blob), CHR_E_NOT_FOUND);
  for (const size_t size : {size_t{0}, size_t{10}, size_t{100'000}, size_t{1}}) {
    Checkpoint(Payload(size, std::min<size_t>(size, store_.caps().max_checkpoint_bytes)));
    ExpectModel("checkpoint of " + std::to_string(size));
  }
}

TEST_F(Truncate, OperationsInFlightActInOrder) {
  std::vector<Op> ops;
  const auto add = [&](const Op& op) {
    ops.push_back(op);
    log_.Apply(op);
  };
  add(AppendOp(log_, 100, 20));
  Op prefix;
  prefix.opcode = CHR_LOG_TRUNCATE_PREFIX;
  prefix.index = 50;
  add(prefix);
  add(AppendOp(log_, 90, 4, 20, 5));
  Op reset;
  reset.opcode = CHR_LOG_RESET;
  reset.index = 500;
  reset.term = 6;
  reset.offset = 7000;
  add(reset);
  add(AppendOp(log_, 500, 20, 20, 6));
  prefix.index = 510;
  add(prefix);
  std::vector<GroupOp> batch;
  for (const Op& op : ops) batch.push_back({&group_, &op});
  for (const uint64_t tag : store_.Submit(group_.lane, batch)) {
    EXPECT_EQ(store_.Wait(tag).status, CHR_OK);
  }
  ExpectModel("six operations in one submit");
}

// Bytes that a reader holds are not the store's to free or to reuse.
TEST_F(Truncate, WhatAReaderHoldsOutlivesTruncationAndItsSlice) {
  Run(AppendOp(log_, 100, 5000));
  const std::string want = log_.entries()[49].payload;
  chr_log_slice slice{};
  ASSERT_EQ(store_.ReadSlice(group_, ByIndex(50, 52), &slice), CHR_OK);
  ASSERT_EQ(slice.count, 2u);
  ASSERT_GE(slice.entries[0].buf_count, 1u);
  std::vector<chr_buf> kept(slice.entries[0].bufs, slice.entries[0].bufs + slice.entries[0].buf_count);
  for (const chr_buf& buf : kept) buf.owner->retain(buf.owner);
  slice.owner->release(slice.owner);

  Prefix(101);
  for (int i = 0; i < 20; ++i) {
    Run(AppendOp(log_, 20, 5000));
    Prefix(log_.last_index() + 1);
  }
  std::string got;
  for (const chr_buf& buf : kept) {
    got.append(static_cast<const char*>(buf.data), buf.size);
    buf.owner->release(buf.owner);
  }
  EXPECT_TRUE(got == want) << "a retained payload changed";
}

}  // namespace
}  // namespace chronik_conformance
