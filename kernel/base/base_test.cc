// SPDX-License-Identifier: Apache-2.0
// Goal: the small types everything stands on. Method: plain cases, with the known answers of their specifications.
#include <gtest/gtest.h>

#include "kernel/base/bytes.h"
#include "kernel/base/clock.h"
#include "kernel/base/crc32c.h"
#include "kernel/base/endian.h"
#include "kernel/base/ids.h"
#include "kernel/base/result.h"

namespace chronik {
namespace {

TEST(Crc32c, KnownAnswerAndConcatenation) {
  EXPECT_EQ(Crc32c(AsBytes("123456789")), 0xe3069283u);
  EXPECT_EQ(Crc32c(AsBytes("")), 0u);
  EXPECT_EQ(Crc32c(AsBytes("56789"), Crc32c(AsBytes("1234"))), 0xe3069283u);
}

TEST(Bytes, SlicesShareOneBlockAndOutliveTheWhole) {
  Bytes slice;
  {
    Bytes whole = Bytes::Copy("hello world");
    slice = whole.Slice(6, 5);
    EXPECT_EQ(slice.data(), whole.data() + 6);
  }
  EXPECT_EQ(slice.text(), "world");
}

TEST(BytesDeathTest, SliceBeyondTheEndStops) {
  Bytes whole = Bytes::Copy("abc");
  EXPECT_DEATH(whole.Slice(2, 2), "invariant violated");
  EXPECT_DEATH(whole.Slice(4, 0), "invariant violated");
}

TEST(ByteChain, FlattensInOrder) {
  ByteChain chain;
  chain.Append(Bytes::Copy("ab"));
  chain.Append(Bytes());
  chain.Append(Bytes::Copy("cde"));
  EXPECT_EQ(chain.size(), 5u);
  EXPECT_EQ(chain.parts().size(), 2u);
  EXPECT_EQ(chain.Flatten().text(), "abcde");
}

TEST(UniqueFunction, HoldsMoveOnlyCallablesInlineAndOnTheHeap) {
  auto owned = std::make_unique<int>(7);
  UniqueFunction<int(int)> small = [p = std::move(owned)](int n) { return *p + n; };
  UniqueFunction<int(int)> moved = std::move(small);
  EXPECT_FALSE(small);
  EXPECT_EQ(moved(1), 8);
  std::array<int, 64> big{};
  big[63] = 5;
  UniqueFunction<int(int)> large = [big](int n) { return big[63] + n; };
  moved = std::move(large);
  EXPECT_EQ(moved(2), 7);
}

TEST(Endian, BigEndianRoundTrip) {
  uint8_t buffer[8];
  StoreBig<int32_t>(buffer, 0x01020304);
  EXPECT_EQ(buffer[0], 1);
  EXPECT_EQ(LoadBig<int32_t>(buffer), 0x01020304);
  StoreBig<int64_t>(buffer, -2);
  EXPECT_EQ(LoadBig<int64_t>(buffer), -2);
}

TEST(TopicId, PrintsAsKafkaDoes) {
  TopicId id;
  for (int i = 0; i < 16; ++i) id.bytes[i] = static_cast<uint8_t>(i);
  EXPECT_EQ(id.ToString(), "AAECAwQFBgcICQoLDA0ODw");  // java: Uuid.toString of the same bytes
}

TEST(Result, CarriesValueOrError) {
  Result<int> good = 3;
  Result<int> bad = Error{ErrorCode::kNotFound, "no such thing"};
  EXPECT_EQ(*good, 3);
  EXPECT_FALSE(bad.ok());
  EXPECT_EQ(bad.error().message, "no such thing");
}

}  // namespace
}  // namespace chronik
