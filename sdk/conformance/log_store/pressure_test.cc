// SPDX-License-Identifier: Apache-2.0
// Goal: a store that cannot keep up says CHR_E_BUSY, holds a bounded amount, and says when to go on. Method: the host's
// tasks are paused where the store depends on them, and one thread submits as fast as it can.
#include <gtest/gtest.h>

#include "sdk/conformance/log_store/instance.h"

namespace chronik_conformance {
namespace {

TEST(Pressure, WhatIsInFlightIsBounded) {
  Instance store;
  const Group group = store.Open(1);
  const uint64_t limit = store.caps().max_inflight_bytes;
  const size_t size = static_cast<size_t>(std::min<uint64_t>({limit / 8 + 1, store.caps().max_entry_bytes, 1 << 20}));
  if (limit > (256ull << 20)) GTEST_SKIP() << "max_inflight_bytes is " << limit << ": too large to reach here";
  const std::string payload = Payload(1, size);

  store.host().PauseTasks(true);
  std::vector<uint64_t> tags;
  std::vector<uint64_t> one;
  chr_status status = CHR_PENDING;
  const uint64_t seen = store.WritableCount(0);
  uint64_t submitted = 0;
  uint64_t next = 1;
  while (status == CHR_PENDING && submitted < 4 * limit) {
    // The whole log is replaced each time, so that a store with little memory takes part.
    Op op;
    op.entries.push_back({1, next++, 0, -1, 0, 0, payload});
    const GroupOp group_op{&group, &op};
    status = store.TrySubmit(0, {&group_op, 1}, &tags);
    submitted += size;
    ASSERT_LE(store.OutstandingBytes(), 2 * limit + size) << "bytes in flight without CHR_E_BUSY";
  }
  store.host().PauseTasks(false);
  if (status == CHR_E_BUSY) {
    EXPECT_FALSE(tags.empty()) << "busy although nothing was in flight";
    store.AwaitWritable(0, seen);
  } else {
    EXPECT_EQ(status, CHR_PENDING);
  }
  for (const uint64_t tag : tags) EXPECT_EQ(store.Wait(tag).status, CHR_OK);
  Op op;
  op.entries.push_back({1, next, 0, -1, 0, 0, "at last"});
  EXPECT_EQ(store.Run(group, op).status, CHR_OK);
  EXPECT_EQ(store.ReadRange(group, 1, 2).entries.at(0).payload, "at last");
}

TEST(Pressure, OneOversizeOperationIsAdmittedWhenNothingIsInFlight) {
  Instance store;
  const uint64_t size = store.caps().max_inflight_bytes + 1;
  if (size > std::min<uint64_t>(store.caps().max_entry_bytes, 80 << 20)) {
    GTEST_SKIP() << "no entry can be larger than max_inflight_bytes, " << size - 1;
  }
  const Group group = store.Open(1);
  const Op op = AppendOp(ModelLog(), 1, size);
  EXPECT_EQ(store.Run(group, op).status, CHR_OK);
  EXPECT_TRUE(store.ReadRange(group, 1, 2).entries.at(0).payload == op.entries[0].payload);
}

TEST(Pressure, ABusyBatchIsAcceptedUpToAPrefix) {
  Instance store;
  const uint64_t limit = store.caps().max_inflight_bytes;
  if (limit > (128ull << 20)) GTEST_SKIP() << "max_inflight_bytes is " << limit << ": too large to reach here";
  const Group group = store.Open(1);
  const size_t size = static_cast<size_t>(std::min<uint64_t>(limit / 8 + 1, store.caps().max_entry_bytes));
  std::vector<Op> ops;
  for (uint64_t term = 1; term <= 2 * limit / size + 2; ++term) {
    Op op;
    op.entries.push_back({1, term, 0, -1, 0, 0, Payload(term, size)});
    ops.push_back(op);
  }
  std::vector<GroupOp> batch;
  for (const Op& op : ops) batch.push_back({&group, &op});
  for (const uint64_t tag : store.Submit(0, batch)) {  // goes on after each on_writable
    EXPECT_EQ(store.Wait(tag).status, CHR_OK);
  }
  EXPECT_TRUE(store.ReadRange(group, 1, 2).entries.at(0) == ops.back().entries[0]);
}

}  // namespace
}  // namespace chronik_conformance
