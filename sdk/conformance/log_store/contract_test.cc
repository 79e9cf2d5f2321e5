// SPDX-License-Identifier: Apache-2.0
// Goal: broken calls are refused with an accepted prefix and change nothing; descriptor and struct sizes are honoured;
// the life cycle holds. Method: one broken operation behind a good one, then look at the log.
#include <cstring>

#include <gtest/gtest.h>

#include "sdk/conformance/log_store/instance.h"
#include "sdk/conformance/log_store/options.h"

namespace chronik_conformance {
namespace {

class Refused : public testing::Test {
 protected:
  Refused() {
    const Op op = AppendOp(log_, 1, 10, 20, 3);
    EXPECT_EQ(store_.Run(group_, op).status, CHR_OK);
    log_.Apply(op);
  }

  // A good append, then `bad`: one is accepted, and the log is as if `bad` had never been.
  void ExpectRefused(const Op& bad, const char* why, const Group* group) {
    const Op good = AppendOp(log_, 1, 20);
    const GroupOp ops[] = {{&group_, &good}, {group, &bad}};
    std::vector<uint64_t> tags;
    EXPECT_EQ(store_.TrySubmit(0, ops, &tags), CHR_E_INVALID) << why;
    log_.Apply(good);
    ASSERT_EQ(tags.size(), 1u) << why;
    EXPECT_EQ(store_.Wait(tags[0]).status, CHR_OK) << why;
    ExpectEqual(store_.ReadContents(group_), log_, why);
  }
  // A broken append, built on the log as it will be after the good one.
  Op Next() {
    ModelLog ahead = log_;
    ahead.Apply(AppendOp(log_, 1, 20));
    return AppendOp(ahead, 2, 10);
  }

  Instance store_;
  Group group_ = store_.Open(1);
  ModelLog log_;
};

TEST_F(Refused, AGapInTheIndexes) {
  Op op = Next();
  for (Entry& entry : op.entries) ++entry.index;
  ExpectRefused(op, "a gap behind the last entry", &group_);
  op = Next();
  ++op.entries[1].index;
  ExpectRefused(op, "a gap inside an append", &group_);
  op = Next();
  op.entries[1].index = op.entries[0].index;
  ExpectRefused(op, "an index twice", &group_);
}

TEST_F(Refused, ABrokenOffsetChain) {
  Op op = Next();
  ++op.entries[0].base_offset;
  ExpectRefused(op, "a base_offset that skips one", &group_);
  op = Next();
  --op.entries[1].base_offset;
  ExpectRefused(op, "a base_offset that goes back", &group_);
}

TEST_F(Refused, ADecreasingTerm) {
  Op op = Next();
  op.entries[0].term = 2;
  ExpectRefused(op, "a term older than the last", &group_);
  op = Next();
  op.entries[0].term = 9;
  op.entries[1].term = 8;
  ExpectRefused(op, "a term that decreases inside an append", &group_);
}

TEST_F(Refused, AnIndexBelowTheFirst) {
  Op prefix;
  prefix.opcode = CHR_LOG_TRUNCATE_PREFIX;
  prefix.index = 5;
  ASSERT_EQ(store_.Run(group_, prefix).status, CHR_OK);
  log_.Apply(prefix);
  Op op;
  op.entries.push_back({4, 3, log_.first_offset(), -1, 0, 0, "x"});
  ExpectRefused(op, "an append below the first index", &group_);
}

TEST_F(Refused, ATruncationBeyondTheEnd) {
  Op op;
  op.opcode = CHR_LOG_TRUNCATE_PREFIX;
  op.index = log_.last_index() + 3;  // the good append adds one
  ExpectRefused(op, "a prefix beyond last + 1", &group_);
}

TEST_F(Refused, WhatTheHeaderDoesNotKnow) {
  Op op;
  op.opcode = 99;
  ExpectRefused(op, "an unknown opcode", &group_);
  op = Next();
  ExpectRefused(op, "an append without a group", nullptr);
}

TEST_F(Refused, AnOversizeEntry) {
  const uint64_t max = store_.caps().max_entry_bytes;
  if (max > (16 << 20)) GTEST_SKIP() << "max_entry_bytes is " << max << ": too large to exceed here";
  Op op = Next();
  op.entries.resize(1);
  op.entries[0].payload.resize(max + 1);
  ExpectRefused(op, "an entry above max_entry_bytes", &group_);
}

TEST(Contract, TheDescriptorIsComplete) {
  const chr_plugin& plugin = ThePlugin();
  EXPECT_EQ(plugin.abi_epoch, CHR_ABI_EPOCH);
  for (const char* text : {plugin.id, plugin.version, plugin.vendor, plugin.license, plugin.url, plugin.built_with}) {
    ASSERT_NE(text, nullptr);
  }
  EXPECT_NE(plugin.create, nullptr);
  EXPECT_NE(plugin.start, nullptr);
  EXPECT_NE(plugin.stop, nullptr);
  EXPECT_NE(plugin.destroy, nullptr);
  for (const chr_option& option : std::span(plugin.options, plugin.option_count)) {
    EXPECT_NE(option.doc, nullptr) << option.key;
    EXPECT_EQ(std::strspn(option.key, "abcdefghijklmnopqrstuvwxyz0123456789_"), std::strlen(option.key)) << option.key;
  }
}

TEST(Contract, RequiredSlotsAreThere) {
  Instance store;
  const chr_log_store& table = store.table();
  EXPECT_TRUE(table.caps && table.list_groups && table.open_group && table.close_group && table.destroy_group &&
              table.submit && table.bounds && table.terms && table.read && table.checkpoint && table.stats);
}

TEST(Contract, CapsMakeSense) {
  Instance store;
  const chr_log_caps& caps = store.caps();
  EXPECT_GE(caps.max_entry_bytes, 1u);
  EXPECT_GE(caps.max_inflight_bytes, 1u);
  EXPECT_GE(caps.max_checkpoint_bytes, 1u);
  EXPECT_GE(caps.max_groups, 1u);
  EXPECT_GE(caps.max_lanes, 1u);
}

// An older host's struct is shorter; the bytes behind it are not the plugin's.
TEST(Contract, OutputStructsAreNotOverrun) {
  Instance store;
  const Group group = store.Open(1);
  const auto untouched = [](const auto& whole, size_t from) {
    const auto* bytes = reinterpret_cast<const unsigned char*>(&whole);
    return std::all_of(bytes + from, bytes + sizeof(whole), [](unsigned char byte) { return byte == 0xAA; });
  };
  chr_log_bounds bounds;
  std::memset(static_cast<void*>(&bounds), 0xAA, sizeof(bounds));
  bounds.struct_size = offsetof(chr_log_bounds, prev_term);
  ASSERT_GE(store.table().bounds(store.self(), group.raw, &bounds), 0);
  EXPECT_EQ(bounds.first_index, 1u);
  EXPECT_TRUE(untouched(bounds, bounds.struct_size)) << "bounds";
  EXPECT_EQ(bounds.struct_size, offsetof(chr_log_bounds, prev_term));

  chr_log_caps caps;
  std::memset(static_cast<void*>(&caps), 0xAA, sizeof(caps));
  caps.struct_size = offsetof(chr_log_caps, max_checkpoint_bytes);
  ASSERT_GE(store.table().caps(store.self(), &caps), 0);
  EXPECT_EQ(caps.max_entry_bytes, store.caps().max_entry_bytes);
  EXPECT_TRUE(untouched(caps, caps.struct_size)) << "caps";

  chr_log_stats stats;
  std::memset(static_cast<void*>(&stats), 0xAA, sizeof(stats));
  stats.struct_size = offsetof(chr_log_stats, bytes_free);
  ASSERT_GE(store.table().stats(store.self(), &stats), 0);
  EXPECT_TRUE(untouched(stats, stats.struct_size)) << "stats";
}

TEST(Contract, CreateWithoutStartIsDestroyedCleanly) {
  const chr_plugin& plugin = ThePlugin();
  sdk::testing::FakeHost host(
      {.option_table = {plugin.options, plugin.option_count}, .options = Options().plugin_options});
  chr_error err{};
  err.struct_size = sizeof(err);
  for (int i = 0; i < 3; ++i) {
    void* self = nullptr;
    ASSERT_GE(plugin.create(host.raw(), CHR_LOG_STORE_1, &self, &err), 0) << err.message;
    plugin.destroy(self);
  }
  void* self = nullptr;
  EXPECT_LT(plugin.create(host.raw(), "org.example.unknown/1", &self, &err), 0);
  EXPECT_NE(err.message[0], '\0');
  EXPECT_EQ(host.live_buffers(), 0);
}

TEST(Contract, StopWithWorkInFlightCompletesEverything) {
  // However little time it is given: the timeout chooses between finishing and cancelling, nothing else.
  for (const int64_t timeout_ns : {int64_t{0}, int64_t{1}, int64_t{1'000'000}, int64_t{30'000'000'000}}) {
    Instance store;
    ModelLog log;
    const Group group = store.Open(1);
    std::vector<uint64_t> tags;
    for (int i = 0; i < 100; ++i) {
      const Op op = AppendOp(log, 1, 2000);
      tags.push_back(store.Submit(group, op));
      log.Apply(op);
    }
    store.Stop(std::chrono::nanoseconds(timeout_ns));  // fails the test if one has not completed by then
    for (const uint64_t tag : tags) {
      const chr_status status = store.Wait(tag).status;
      EXPECT_TRUE(status == CHR_OK || status == CHR_E_CANCELLED) << status;
    }
  }
}

TEST(Contract, ABarrierCompletesAfterEverythingBeforeIt) {
  Instance store;
  std::vector<Group> groups;
  std::vector<ModelLog> logs(5);
  for (uint64_t id = 1; id <= 5; ++id) groups.push_back(store.Open(id));
  for (int round = 0; round < 20; ++round) {
    std::vector<uint64_t> tags;
    for (size_t i = 0; i < groups.size(); ++i) {
      const Op op = AppendOp(logs[i], 2, 500);
      tags.push_back(store.Submit(groups[i], op));
      logs[i].Apply(op);
    }
    EXPECT_EQ(store.Barrier(0).status, CHR_OK);  // the checking host watches the order
    for (const uint64_t tag : tags) EXPECT_TRUE(store.IsComplete(tag));
  }
}

}  // namespace
}  // namespace chronik_conformance
