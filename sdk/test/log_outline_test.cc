// SPDX-License-Identifier: Apache-2.0
// Goal: the rules of a log hold without a store around them. Method: small logs by hand; the model test of the
// conformance suite does the random ones.
#include <chronik/sdk/log_outline.h>

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace chronik::sdk {
namespace {

chr_log_entry Entry(uint64_t index, uint64_t term, int64_t offset, uint32_t count, int64_t timestamp = -1) {
  return {index, term, offset, timestamp, count, 0, 0, 0, nullptr};
}

chr_log_bounds Bounds(const LogOutline& outline) {
  chr_log_bounds bounds{};
  outline.FillBounds(bounds);
  return bounds;
}

std::vector<uint64_t> TermStarts(const LogOutline& outline) {
  std::vector<uint64_t> starts;
  for (const chr_log_term& row : outline.terms()) {
    starts.push_back(row.first_index);
  }
  return starts;
}

// 1: internal, 2..3 of term 1 with offsets 0..9, 4 internal of term 2, 5 of term 4 with offsets 10..12.
LogOutline FiveEntries() {
  LogOutline outline;
  const std::vector<chr_log_entry> entries{Entry(1, 1, 0, 0), Entry(2, 1, 0, 4, 70), Entry(3, 1, 4, 6, 90),
                                           Entry(4, 2, 10, 0), Entry(5, 4, 10, 3, 90)};
  EXPECT_EQ(outline.CheckAppend(entries), nullptr);
  outline.Append(entries);
  return outline;
}

TEST(LogOutline, RefusesWhatDoesNotContinueTheLog) {
  const LogOutline outline = FiveEntries();
  const auto refused = [&](const chr_log_entry& entry) { return outline.CheckAppend({&entry, 1}) != nullptr; };
  EXPECT_FALSE(refused(Entry(6, 4, 13, 1)));
  EXPECT_TRUE(refused(Entry(7, 4, 13, 1))) << "gap";
  EXPECT_TRUE(refused(Entry(0, 4, 13, 1))) << "before the first";
  EXPECT_TRUE(refused(Entry(6, 3, 13, 1))) << "older term";
  EXPECT_TRUE(refused(Entry(6, 4, 12, 1))) << "offset chain";
  EXPECT_FALSE(refused(Entry(3, 5, 4, 1))) << "a suffix may be replaced";
}

TEST(LogOutline, ASuffixReplacementDropsItsTerms) {
  LogOutline outline = FiveEntries();
  outline.Append(std::vector{Entry(4, 5, 10, 2)});
  EXPECT_EQ(TermStarts(outline), (std::vector<uint64_t>{1, 4}));
  EXPECT_EQ(Bounds(outline).last_index, 4u);
  EXPECT_EQ(Bounds(outline).last_term, 5u);
  EXPECT_EQ(Bounds(outline).next_offset, 12);
}

TEST(LogOutline, TruncatingAPrefixRemembersWhatWasBefore) {
  LogOutline outline = FiveEntries();
  outline.TruncatePrefix(3);
  EXPECT_EQ(Bounds(outline).prev_term, 1u);
  EXPECT_EQ(Bounds(outline).first_offset, 4);
  EXPECT_EQ(TermStarts(outline), (std::vector<uint64_t>{3, 4, 5}));
  outline.TruncatePrefix(6);
  EXPECT_EQ(Bounds(outline).last_index, 5u);
  EXPECT_EQ(Bounds(outline).prev_term, 4u);
  EXPECT_EQ(Bounds(outline).last_term, 4u);
  EXPECT_EQ(Bounds(outline).next_offset, 13);
  EXPECT_TRUE(outline.terms().empty());
  EXPECT_NE(outline.CheckTruncatePrefix(7), nullptr);
}

TEST(LogOutline, FindsByOffsetAndTimestamp) {
  const LogOutline outline = FiveEntries();
  const auto find = [&](uint32_t by, int64_t key, uint64_t end = 6) {
    chr_log_read what{};
    what.by = by;
    what.key = key;
    what.end_index = end;
    return outline.Find(what);
  };
  EXPECT_EQ(find(CHR_LOG_BY_OFFSET, 0), 2u) << "the internal entry holds no offset";
  EXPECT_EQ(find(CHR_LOG_BY_OFFSET, 9), 3u);
  EXPECT_EQ(find(CHR_LOG_BY_OFFSET, 10), 5u);
  EXPECT_EQ(find(CHR_LOG_BY_OFFSET, 13), 6u) << "past the end: nothing matches";
  EXPECT_EQ(find(CHR_LOG_BY_OFFSET, -1), std::nullopt);
  EXPECT_EQ(find(CHR_LOG_BY_TIMESTAMP, 71), 3u);
  EXPECT_EQ(find(CHR_LOG_BY_TIMESTAMP, 91), 6u);
  EXPECT_EQ(find(CHR_LOG_BY_MAX_TIMESTAMP, 0), 3u) << "the first of two with 90";
  EXPECT_EQ(find(CHR_LOG_BY_MAX_TIMESTAMP, 0, 3), 2u) << "below end_index only";
  EXPECT_EQ(find(CHR_LOG_BY_INDEX, 7), std::nullopt);
}

}  // namespace
}  // namespace chronik::sdk
