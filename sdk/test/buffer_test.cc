// SPDX-License-Identifier: Apache-2.0
// Goal: every reference taken is given back once. Method: count through the fake host's allocator.
#include <chronik/sdk/buffer.h>
#include <chronik/sdk/log_slice.h>

#include <gtest/gtest.h>

#include <chronik/sdk/host.h>
#include <chronik/sdk/testing/fake_host.h>

namespace chronik::sdk {
namespace {

TEST(Buffer, LivesAsLongAsItsLastCopy) {
  testing::FakeHost fake;
  const Host host(fake.raw());
  Buffer second;
  {
    WritableBuffer made = host.Allocate(3);
    std::memcpy(made.data(), "abc", 3);
    const Buffer first = std::move(made).Freeze();
    second = first;
  }
  EXPECT_EQ(fake.live_buffers(), 1);
  EXPECT_EQ(std::memcmp(second.data(), "abc", 3), 0);
  const chr_buf shared = second.Share();
  second = Buffer();
  EXPECT_EQ(fake.live_buffers(), 1);
  shared.owner->release(shared.owner);
  EXPECT_EQ(fake.live_buffers(), 0);
}

TEST(SliceBuilder, ASliceKeepsItsPayloadsAndAPayloadOutlivesItsSlice) {
  testing::FakeHost fake;
  const Host host(fake.raw());
  SliceBuilder builder;
  for (uint64_t index = 1; index <= 2; ++index) {
    chr_log_entry header{};
    header.index = index;
    builder.Add(header, host.Allocate(10 * index).Freeze());
  }
  EXPECT_EQ(builder.bytes(), 30u);
  const chr_log_slice slice = builder.Finish();
  ASSERT_EQ(slice.count, 2u);
  ASSERT_EQ(slice.entries[1].buf_count, 1u);
  EXPECT_EQ(slice.entries[1].bufs[0].size, 20u);
  chr_owner* second = slice.entries[1].bufs[0].owner;
  second->retain(second);
  slice.owner->release(slice.owner);
  EXPECT_EQ(fake.live_buffers(), 1);
  second->release(second);
  EXPECT_EQ(fake.live_buffers(), 0);
  EXPECT_EQ(SliceBuilder().Finish().owner, nullptr);
}

TEST(SliceBuilder, AnUnfinishedSliceIsFreed) {
  testing::FakeHost fake;
  {
    SliceBuilder builder;
    builder.Add(chr_log_entry{}, Host(fake.raw()).Allocate(1).Freeze());
  }
  EXPECT_EQ(fake.live_buffers(), 0);
}

}  // namespace
}  // namespace chronik::sdk
