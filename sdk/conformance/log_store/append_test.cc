// SPDX-License-Identifier: Apache-2.0
// Goal: what is appended is what is read: order, bytes, headers, sizes, hard state, suffix replacement. Method: single
// groups, each answer compared with the model.
#include <algorithm>
#include <cstring>

#include <gtest/gtest.h>

#include "sdk/conformance/log_store/instance.h"

namespace chronik_conformance {
namespace {

class Append : public testing::Test {
 protected:
  Result Run(const Op& op) {
    const Result result = store_.Run(group_, op);
    EXPECT_EQ(result.status, CHR_OK);
    log_.Apply(op);
    EXPECT_EQ(result.last_index, log_.last_index());
    return result;
  }
  void ExpectModel(const std::string& where) { ExpectEqual(store_.ReadContents(group_), log_, where); }

  Instance store_;
  Group group_ = store_.Open(1);
  ModelLog log_;
};

TEST_F(Append, AThousandEntriesAreReadBack) {
  for (int i = 0; i < 1000; ++i) {
    const Op op = AppendOp(log_, 1, 100);
    store_.Submit(group_, op);
    log_.Apply(op);
  }
  EXPECT_EQ(store_.Barrier(0).status, CHR_OK);
  ExpectModel("1000 appends");
  const ReadAnswer range = store_.ReadRange(group_, 100, 201);
  ASSERT_EQ(range.entries.size(), 101u);
  EXPECT_EQ(range.entries.front(), log_.entries()[99]);
  EXPECT_EQ(range.entries.back(), log_.entries()[199]);
}

TEST_F(Append, AnEmptyLogBeginsAtOne) {
  const chr_log_bounds bounds = store_.Bounds(group_);
  EXPECT_EQ(bounds.first_index, 1u);
  EXPECT_EQ(bounds.last_index, 0u);
  EXPECT_EQ(bounds.prev_term, 0u);
  EXPECT_EQ(bounds.next_offset, 0);
  ExpectModel("a new group");
}

TEST_F(Append, ManyEntriesInOneOperation) {
  Run(AppendOp(log_, 500, 64));
  ExpectModel("500 entries at once");
}

TEST_F(Append, EveryHeaderFieldIsKept) {
  Op op;
  op.entries.push_back({1, 7, 0, -1, 0, 0xFFFFFFFF, "internal"});
  op.entries.push_back({2, 7, 0, 1'700'000'000'000, 0x7FFFFFFF, 0, "data"});
  op.entries.push_back({3, 1ull << 60, 0x7FFFFFFF, 0, 1, 12345, ""});
  Run(op);
  ExpectModel("extreme header fields");
}

TEST_F(Append, PayloadsOfAllSizes) {
  const uint64_t largest = std::min<uint64_t>(store_.caps().max_entry_bytes, 4 << 20);
  for (const uint64_t size : {uint64_t{0}, uint64_t{1}, uint64_t{511}, uint64_t{512}, uint64_t{4095}, uint64_t{4096},
                              uint64_t{4097}, uint64_t{65'536}, uint64_t{1'000'000}, largest}) {
    if (size <= largest) Run(AppendOp(log_, 1, size));
  }
  ExpectModel("sizes from 0 to " + std::to_string(largest));
}

TEST_F(Append, APayloadOfManyBuffersIsTheirConcatenation) {
  for (const uint32_t pieces : {2u, 3u, 17u, 200u}) {
    Op op = AppendOp(log_, 3, 1000);
    op.pieces = pieces;
    Run(op);
  }
  ExpectModel("payloads in pieces");
}

TEST_F(Append, ReplacesTheSuffix) {
  Run(AppendOp(log_, 100, 50));
  Run(AppendOp(log_, 60, 5, 80, log_.last_term() + 3));
  EXPECT_EQ(log_.last_index(), 64u);
  ExpectModel("60.. replaced");
  Run(AppendOp(log_, 1, 2, 10, log_.last_term() + 1));
  ExpectModel("everything replaced");
  Run(AppendOp(log_, 10, 10));
  ExpectModel("continued after a replacement");
}

TEST_F(Append, HardStateAloneAndWithEntries) {
  Op alone;
  alone.hard_state = HardState{4, 2, 0};
  Run(alone);
  ExpectModel("hard state alone");
  Op both = AppendOp(log_, 3, 10);
  both.hard_state = HardState{5, 0, 2};
  Run(both);
  ExpectModel("hard state with entries");
  Run(AppendOp(log_, 1, 10));
  EXPECT_EQ(store_.Bounds(group_).hard_state.term, 5u) << "an append without hard state leaves it alone";
}

TEST_F(Append, TermsDescribeTheLog) {
  for (uint64_t term = 1; term <= 20; ++term) {
    Run(AppendOp(log_, log_.last_index() + 1, term % 3 + 1, 5, term * 2));
  }
  ExpectModel("20 terms");
  Run(AppendOp(log_, 10, 1, 5, 100));
  ExpectModel("terms after a suffix replacement");
}

TEST_F(Append, BytesCountsThePayload) {
  Run(AppendOp(log_, 10, 1000));
  const uint64_t bytes = store_.Bounds(group_).bytes;
  EXPECT_GE(bytes, 9'000u) << "approximately 10000";
  EXPECT_LE(bytes, 20'000u);
}

// The header lets a plugin keep the caller's buffers (retain) but not rely on borrowed ones: every second buffer of the
// suite has no owner and is overwritten at its completion.
TEST_F(Append, BorrowedBytesAreNotUsedAfterTheCompletion) {
  Op op = AppendOp(log_, 50, 3000);
  op.pieces = 4;
  Run(op);
  for (int round = 0; round < 3; ++round) {
    ExpectModel("round " + std::to_string(round));
  }
}

}  // namespace
}  // namespace chronik_conformance
