// SPDX-License-Identifier: Apache-2.0
// Goal: what only this store promises - its memory bound, its queue bound, cancellation, and a stop that waits. Method:
// the class itself under a FakeHost without threads, so that each step is taken by hand.
#include "plugins/log_memory/memory_store.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include <chronik/sdk/testing/fake_host.h>

namespace chronik_log_memory {
namespace {

constexpr chr_option kOptions[] = {{"max_bytes", "bytes", "20KiB", nullptr, "", 0},
                                   {"max_entry_bytes", "bytes", "16KiB", nullptr, "", 0},
                                   {"max_inflight_bytes", "bytes", "8KiB", nullptr, "", 0}};

class MemoryStoreTest : public ::testing::Test {
 protected:
  MemoryStoreTest() {
    chr_log_sink sink{};
    sink.struct_size = sizeof(sink);
    sink.ctx = this;
    sink.on_complete = [](void* ctx, uint32_t, const chr_log_cqe* cqes, size_t count, chr_str) noexcept {
      auto& done = static_cast<MemoryStoreTest*>(ctx)->done_;
      done.insert(done.end(), cqes, cqes + count);
    };
    sink.on_writable = [](void* ctx, uint32_t) noexcept { ++static_cast<MemoryStoreTest*>(ctx)->writable_; };
    store_.Start(sdk::LogSink(sink));
  }

  void TearDown() override { fake_.RunTasks(); }  // a store is not destroyed with work in flight

  chr_status Append(MemoryStore::Group& group, uint64_t index, size_t bytes) {
    const std::string payload(bytes, 'x');
    payloads_.push_back(std::make_unique<std::string>(payload));
    const chr_buf buf{payloads_.back()->data(), bytes, nullptr};
    const chr_log_entry entry{index, 1, static_cast<int64_t>(index) - 1, 0, 1, 0, 1, 0, &buf};
    chr_log_op op{};
    op.opcode = CHR_LOG_APPEND;
    op.group = reinterpret_cast<chr_log_group*>(&group);
    op.tag = index;
    op.entries = &entry;
    op.entry_count = 1;
    size_t accepted = 0;
    return store_.Submit(0, {&op, 1}, accepted);
  }
  chr_status Truncate(MemoryStore::Group& group, uint64_t index) {
    chr_log_op op{};
    op.opcode = CHR_LOG_TRUNCATE_PREFIX;
    op.group = reinterpret_cast<chr_log_group*>(&group);
    op.index = index;
    size_t accepted = 0;
    return store_.Submit(0, {&op, 1}, accepted);
  }
  std::vector<chr_status> Statuses() {
    std::vector<chr_status> statuses;
    for (const chr_log_cqe& cqe : done_) {
      statuses.push_back(cqe.status);
    }
    return statuses;
  }

  sdk::testing::FakeHost fake_{{.option_table = kOptions, .post_threads = 0, .blocking_threads = 0}};
  sdk::Host host_{fake_.raw()};
  std::vector<std::unique_ptr<std::string>> payloads_;
  std::vector<chr_log_cqe> done_;
  int writable_ = 0;
  MemoryStore store_{host_};
};

TEST_F(MemoryStoreTest, NothingIsVisibleBeforeItsCompletion) {
  auto& group = store_.OpenGroup(7, 0, true);
  ASSERT_EQ(Append(group, 1, 100), CHR_PENDING);
  chr_log_bounds bounds{};
  ASSERT_EQ(store_.Bounds(group, bounds), CHR_OK);
  EXPECT_EQ(bounds.last_index, 0u);
  fake_.RunTasks();
  ASSERT_EQ(store_.Bounds(group, bounds), CHR_OK);
  EXPECT_EQ(bounds.last_index, 1u);
}

TEST_F(MemoryStoreTest, AFullStoreFailsOneAndCancelsTheRestUntilSpaceIsFreed) {
  auto& group = store_.OpenGroup(7, 0, true);
  for (uint64_t index = 1; index <= 3; ++index) {
    ASSERT_EQ(Append(group, index, 6000), CHR_PENDING);
    fake_.RunTasks();
  }
  ASSERT_EQ(Append(group, 4, 6000), CHR_PENDING);
  ASSERT_EQ(Append(group, 5, 10), CHR_PENDING) << "built on 4, which the store has accepted";
  fake_.RunTasks();
  EXPECT_EQ(Statuses(), (std::vector<chr_status>{0, 0, 0, CHR_E_NO_SPACE, CHR_E_CANCELLED}));

  EXPECT_EQ(Append(group, 5, 10), CHR_E_INVALID) << "4 is not there";
  ASSERT_EQ(Truncate(group, 3), CHR_PENDING);
  fake_.RunTasks();
  ASSERT_EQ(Append(group, 4, 6000), CHR_PENDING);
  fake_.RunTasks();
  EXPECT_EQ(done_.back().status, CHR_OK);
  EXPECT_EQ(done_.back().last_index, 4u);
}

TEST_F(MemoryStoreTest, AccountingReturnsToZero) {
  auto& group = store_.OpenGroup(7, 0, true);
  ASSERT_EQ(Append(group, 1, 5000), CHR_PENDING);
  fake_.RunTasks();
  ASSERT_EQ(Append(group, 1, 50), CHR_PENDING) << "replaces it";
  fake_.RunTasks();
  EXPECT_EQ(fake_.live_bytes(), 50u);
  EXPECT_LT(store_.Stats().bytes_used, 1000u);
  store_.CloseGroup(group);
  sdk::Done done;
  EXPECT_EQ(store_.DestroyGroup(7, done), CHR_OK);
  EXPECT_EQ(store_.Stats().bytes_used, 0u);
  EXPECT_EQ(store_.Stats().inflight_bytes, 0u);
  EXPECT_EQ(fake_.live_buffers(), 0);
}

TEST_F(MemoryStoreTest, AFailingHostAllocationFailsTheAppendOnly) {
  auto& group = store_.OpenGroup(7, 0, true);
  fake_.FailAllocationsAfter(0);
  ASSERT_EQ(Append(group, 1, 10), CHR_PENDING);
  fake_.RunTasks();
  fake_.FailAllocationsAfter(-1);
  ASSERT_EQ(Append(group, 1, 10), CHR_PENDING);
  fake_.RunTasks();
  EXPECT_EQ(Statuses(), (std::vector<chr_status>{CHR_E_NO_MEMORY, CHR_OK}));
}

TEST_F(MemoryStoreTest, TheQueueIsBoundedButTakesOneOversizeOperation) {
  auto& group = store_.OpenGroup(7, 0, true);
  ASSERT_EQ(Append(group, 1, 12000), CHR_PENDING);
  ASSERT_EQ(Append(group, 2, 1), CHR_E_BUSY);
  EXPECT_EQ(writable_, 0);
  fake_.RunTasks();
  EXPECT_EQ(writable_, 1);
  EXPECT_EQ(Append(group, 2, 1), CHR_PENDING);
}

TEST_F(MemoryStoreTest, StopWaitsForTheQueue) {
  auto& group = store_.OpenGroup(7, 0, true);
  ASSERT_EQ(Append(group, 1, 1), CHR_PENDING);
  chr_status stopped = CHR_PENDING;
  sdk::Done done(
      {[](void* ctx, uint64_t, chr_status status, chr_str) noexcept { *static_cast<chr_status*>(ctx) = status; },
       &stopped, 0});
  ASSERT_EQ(store_.Stop(0, done), CHR_PENDING);
  EXPECT_EQ(stopped, CHR_PENDING);
  fake_.RunTasks();
  EXPECT_EQ(done_.size(), 1u);
  EXPECT_EQ(stopped, CHR_OK);
}

}  // namespace
}  // namespace chronik_log_memory
