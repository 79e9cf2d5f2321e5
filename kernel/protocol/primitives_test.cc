// SPDX-License-Identifier: Apache-2.0
// Goal: the primitives keep the wire format's rules and never trust a length. Method: hand-written bytes through
// Reader, values through Writer, and what a frame must not be able to do.
#include <gtest/gtest.h>

#include <numeric>

#include "kernel/protocol/hex_bytes.h"
#include "kernel/protocol/reader.h"
#include "kernel/protocol/writer.h"

namespace chronik::protocol {
namespace {

constexpr Encoding kBothEncodings[] = {Encoding::kClassic, Encoding::kFlexible};

Bytes Written(auto write) {
  Writer writer;
  write(writer);
  return std::move(writer).Finish().Flatten();
}

TEST(Varint, KnownAnswersBothWays) {
  const std::pair<uint32_t, const char*> cases[] = {{0, "00"},
                                                    {1, "01"},
                                                    {127, "7f"},
                                                    {128, "80 01"},
                                                    {300, "ac 02"},
                                                    {16383, "ff 7f"},
                                                    {0xffffffff, "ff ff ff ff 0f"}};
  for (const auto& [value, hex] : cases) {
    EXPECT_EQ(ToHex(Written([&](Writer& w) { w.WriteUnsignedVarint(value); })), ToHex(FromHex(hex)));
    Reader reader(FromHex(hex));
    EXPECT_EQ(reader.ReadUnsignedVarint(), value);
    EXPECT_TRUE(reader.ok());
    EXPECT_EQ(reader.remaining(), 0u);
  }
}

TEST(Varint, MoreThan32BitsOrCutShortIsAnError) {
  for (const char* hex : {"ff ff ff ff 10", "80 80 80 80 80 01", "80", "ff ff", ""}) {
    Reader reader(FromHex(hex));
    EXPECT_EQ(reader.ReadUnsignedVarint(), 0u) << hex;
    EXPECT_FALSE(reader.ok()) << hex;
  }
}

TEST(Strings, EncodingsOfValueEmptyAndNull) {
  const std::optional<std::string> cases[] = {"ab", "", std::nullopt};
  const char* classic[] = {"00 02 61 62", "00 00", "ff ff"};
  const char* flexible[] = {"03 61 62", "01", "00"};
  for (int i = 0; i < 3; ++i) {
    for (Encoding encoding : kBothEncodings) {
      const Bytes expected = FromHex(encoding == Encoding::kClassic ? classic[i] : flexible[i]);
      EXPECT_EQ(ToHex(Written([&](Writer& w) { w.WriteNullableString(cases[i], encoding); })), ToHex(expected));
      Reader reader(expected);
      EXPECT_EQ(reader.ReadNullableString(encoding), cases[i]);
      Reader strict(expected);
      EXPECT_EQ(strict.ReadString(encoding), cases[i].value_or(""));
      EXPECT_EQ(strict.ok(), cases[i].has_value());
    }
  }
}

TEST(Strings, ClassicEncodingCutsAt32767Bytes) {
  const std::string text(40'000, 'x');
  Reader classic(Written([&](Writer& w) { w.WriteString(text, Encoding::kClassic); }));
  EXPECT_EQ(classic.ReadString(Encoding::kClassic).size(), 32'767u);
  EXPECT_EQ(classic.remaining(), 0u);
  Reader flexible(Written([&](Writer& w) { w.WriteString(text, Encoding::kFlexible); }));
  EXPECT_EQ(flexible.ReadString(Encoding::kFlexible).size(), 40'000u);
}

TEST(Lengths, NegativeOrBeyondTheEndIsAnError) {
  for (const char* hex : {"ff fe", "80 00", "00 03 61 62", "7f ff 61"}) {
    Reader reader(FromHex(hex));
    EXPECT_EQ(reader.ReadNullableString(Encoding::kClassic), "") << hex;
    EXPECT_FALSE(reader.ok()) << hex;
  }
  for (const char* hex : {"ff ff ff fe", "80 00 00 00", "00 00 00 03 61 62", "7f ff ff ff 61"}) {
    Reader reader(FromHex(hex));
    EXPECT_TRUE(reader.ReadNullableBytes(Encoding::kClassic)->empty()) << hex;
    EXPECT_FALSE(reader.ok()) << hex;
  }
}

TEST(Reader, FirstErrorSticksAndLaterReadsAreZero) {
  Reader reader(FromHex("00 01 02"));
  EXPECT_EQ(reader.ReadInt<int64_t>(), 0);
  EXPECT_EQ(reader.ReadInt<int8_t>(), 0) << "there are bytes left, but not after an error";
  reader.Fail("a later error");
  EXPECT_EQ(reader.status().error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(reader.status().error().message, "request cut short: 8 bytes wanted, 3 left at byte 0");
  EXPECT_EQ(reader.remaining(), 0u);
}

TEST(Reader, BytesAreSlicesOfTheFrame) {
  const Bytes frame = FromHex("00 00 00 02 61 62");
  Reader reader(frame);
  EXPECT_EQ(reader.ReadBytes(Encoding::kClassic).data(), frame.data() + 4);
}

TEST(Reader, ArrayCountIsCheckedAgainstTheBytesLeftBeforeMemoryIsTaken) {
  // 4 elements of at least 2 bytes do not fit 7 bytes; 3 do.
  for (const char* hex : {"00 00 00 04 00 00 00 00 00 00 00", "7f ff ff ff 00 00 00 00 00 00 00", "ff ff ff fe"}) {
    Reader reader(FromHex(hex));
    std::vector<int16_t> out;
    reader.ReadArray(out, Encoding::kClassic, 2, [&](int16_t& element) { element = reader.ReadInt<int16_t>(); });
    EXPECT_FALSE(reader.ok()) << hex;
    EXPECT_EQ(out.capacity(), 0u) << hex;
  }
  Reader reader(FromHex("00 00 00 03 00 01 00 02 00 03 ff"));
  std::vector<int16_t> out;
  reader.ReadArray(out, Encoding::kClassic, 2, [&](int16_t& element) { element = reader.ReadInt<int16_t>(); });
  EXPECT_TRUE(reader.ok());
  EXPECT_EQ(out, (std::vector<int16_t>{1, 2, 3}));
}

TEST(Reader, RefusesToTakeMoreMemoryThanItsBudget) {
  const Bytes frame = FromHex("00 00 00 03 00 01 00 02 00 03");
  for (size_t budget : {5u, 6u}) {
    Reader reader(frame, budget);
    std::vector<int16_t> out;
    reader.ReadArray(out, Encoding::kClassic, 2, [&](int16_t& element) { element = reader.ReadInt<int16_t>(); });
    EXPECT_EQ(reader.ok(), budget == 6) << budget;
  }
  Reader reader(FromHex("00 03 61 62 63"), 2);
  reader.ReadString(Encoding::kClassic);
  EXPECT_NE(reader.status().error().message.find("more memory than allowed"), std::string::npos);
}

TEST(Reader, MemoryBudgetGrowsWithTheFrameUpToAnEnd) {
  EXPECT_EQ(DecodeMemoryBudget(0), kDecodedBytesSpare);
  EXPECT_EQ(DecodeMemoryBudget(1000), 1000 * kDecodedBytesPerWireByte + kDecodedBytesSpare);
  EXPECT_EQ(DecodeMemoryBudget(100u << 20), kDecodedBytesMax);
  EXPECT_EQ(DecodeMemoryBudget(SIZE_MAX), kDecodedBytesMax);
}

TEST(TaggedFields, KnownOnesAreReadAndUnknownOnesSkipped) {
  // tag 5 (unknown, 3 bytes), tag 1 (int16 258)
  Reader reader(FromHex("02 05 03 aa bb cc 01 02 01 02 ee"));
  int16_t value = 0;
  reader.ReadTaggedFields([&](uint32_t tag) {
    if (tag != 1) return false;
    value = reader.ReadInt<int16_t>();
    return true;
  });
  EXPECT_TRUE(reader.ok());
  EXPECT_EQ(value, 258);
  EXPECT_EQ(reader.ReadInt<uint8_t>(), 0xee);
}

TEST(TaggedFields, ValueMustEndWhereItsSizeSays) {
  for (const char* hex : {"01 01 03 00 01 02", "01 01 01 00 01 02", "01 01 09 00 01", "05 01", "ff ff ff ff 0f"}) {
    Reader reader(FromHex(hex));
    reader.ReadTaggedFields([&](uint32_t) { return reader.ReadInt<int16_t>(), true; });
    EXPECT_FALSE(reader.ok()) << hex;
  }
}

TEST(Writer, SplicesLargeBytesByReferenceAndKeepsTheOrder) {
  const Bytes large = Bytes::Copy(std::string(Writer::kSpliceBytesMin, 'L'));
  Writer writer;
  writer.WriteInt<int16_t>(1);
  writer.WriteBytes(large, Encoding::kClassic);
  writer.WriteInt<int16_t>(2);
  EXPECT_EQ(writer.size(), 8 + large.size());
  const ByteChain chain = std::move(writer).Finish();
  ASSERT_EQ(chain.parts().size(), 3u);
  EXPECT_EQ(chain.parts()[1].data(), large.data());
  EXPECT_EQ(ToHex(chain.parts()[0]), "000100000200");
  EXPECT_EQ(ToHex(chain.parts()[2]), "0002");
}

TEST(Writer, GrowsOverManyChunks) {
  constexpr int32_t kCount = 100'000;
  Writer writer;
  uint8_t* reserved = writer.ReserveInt32();
  for (int32_t i = 0; i < kCount; ++i) writer.WriteInt(i);
  StoreBig(reserved, kCount);  // its chunk is long full
  EXPECT_EQ(writer.size(), 4u + 4u * kCount);
  Reader reader(std::move(writer).Finish().Flatten());
  std::vector<int32_t> read;
  reader.ReadArray(read, Encoding::kClassic, 4, [&](int32_t& element) { element = reader.ReadInt<int32_t>(); });
  std::vector<int32_t> expected(kCount);
  std::iota(expected.begin(), expected.end(), 0);
  EXPECT_EQ(read, expected);
}

}  // namespace
}  // namespace chronik::protocol
