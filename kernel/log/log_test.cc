// SPDX-License-Identifier: Apache-2.0
// Goal: the tail cache serves what it holds, never what was replaced, and gives up the oldest unpinned entries first.
// Method: plain entries, a budget of a few of them.
#include <gtest/gtest.h>

#include "kernel/log/tail_cache.h"

namespace chronik::log {
namespace {

constexpr size_t kBodyBytes = 1000;

Entry MakeEntry(uint64_t index, int64_t base_offset, uint32_t count, uint64_t term = 1) {
  const std::string body(kBodyBytes, static_cast<char>('a' + index % 26));
  return {{LogIndex(index), Term(term), Offset(base_offset), count, kBodyBytes,
           count > 0 ? raft::EntryKind::kData : raft::EntryKind::kNoop},
          -1,
          Bytes::Copy(body)};
}

TEST(TailCache, FindsTheEntryThatHoldsAnOffset) {
  TailCache cache(1 << 20);
  CachedTail tail(cache);
  tail.Append(MakeEntry(1, 0, 0));
  tail.Append(MakeEntry(2, 0, 10));
  tail.Append(MakeEntry(3, 10, 5));
  EXPECT_EQ(tail.Find(Offset(9))->meta.index, LogIndex(2));
  EXPECT_EQ(tail.Find(Offset(10))->meta.index, LogIndex(3));
  EXPECT_EQ(tail.Find(Offset(15)), nullptr);
  EXPECT_EQ(tail.At(LogIndex(4)), nullptr);
}

TEST(TailCache, AnEarlierIndexReplacesTheSuffix) {
  TailCache cache(1 << 20);
  CachedTail tail(cache);
  tail.Append(MakeEntry(1, 0, 10));
  tail.Append(MakeEntry(2, 10, 10));
  tail.Append(MakeEntry(3, 20, 10));
  tail.Append(MakeEntry(2, 10, 3, 2));
  EXPECT_EQ(tail.back().meta.term, Term(2));
  EXPECT_EQ(tail.At(LogIndex(3)), nullptr);
  EXPECT_EQ(tail.Find(Offset(13)), nullptr);
}

TEST(TailCache, EvictsTheOldestOfTheShardButNothingPinned) {
  TailCache cache(4 * kBodyBytes);
  CachedTail first(cache);
  CachedTail second(cache);
  first.Append(MakeEntry(1, 0, 1));
  second.Append(MakeEntry(1, 0, 1));
  for (uint64_t i = 2; i <= 6; ++i) second.Append(MakeEntry(i, static_cast<int64_t>(i) - 1, 1));
  // Nothing is unpinned yet: the budget has to wait.
  EXPECT_NE(first.At(LogIndex(1)), nullptr);
  EXPECT_GT(cache.bytes(), 4 * kBodyBytes);
  first.Unpin(LogIndex(1));
  second.Unpin(LogIndex(6));
  second.Append(MakeEntry(7, 6, 1));
  EXPECT_EQ(first.At(LogIndex(1)), nullptr);
  EXPECT_EQ(second.At(LogIndex(1)), nullptr);
  EXPECT_NE(second.At(LogIndex(7)), nullptr);
  EXPECT_LE(cache.bytes(), 4 * kBodyBytes);
}

TEST(TailCacheDeathTest, AGapInTheOffsetsStops) {
  TailCache cache(1 << 20);
  CachedTail tail(cache);
  tail.Append(MakeEntry(1, 0, 10));
  EXPECT_DEATH(tail.Append(MakeEntry(2, 11, 1)), "invariant violated");
}

TEST(TailCache, GivesItsBytesBackWhenALogEnds) {
  TailCache cache(1 << 20);
  {
    CachedTail tail(cache);
    tail.Append(MakeEntry(1, 0, 1));
  }
  EXPECT_EQ(cache.bytes(), 0u);
}

}  // namespace
}  // namespace chronik::log
