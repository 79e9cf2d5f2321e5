// SPDX-License-Identifier: Apache-2.0
// Goal: every codec gives back what went in, stops at the cap, and survives any damage. Method: round trips, bombs, a
// cut at every byte and a flip of every byte.
#include <gtest/gtest.h>

#include "kernel/base/endian.h"
#include "kernel/records/compression.h"

namespace chronik::records {
namespace {

struct Case {
  Codec codec;
  SnappyFraming snappy;
  const char* name;
};

class EachCodec : public testing::TestWithParam<Case> {
 protected:
  std::vector<uint8_t> Pack(ByteView plain) const {
    Result<std::vector<uint8_t>> packed = Compress(GetParam().codec, plain, GetParam().snappy);
    EXPECT_TRUE(packed.ok());
    return *std::move(packed);
  }
  Result<std::vector<uint8_t>> Unpack(ByteView packed, size_t max_bytes) const {
    return Decompress(GetParam().codec, packed, max_bytes);
  }
};

// Compresses, but not to nothing.
std::vector<uint8_t> Text(size_t size) {
  std::mt19937 random(7);
  std::vector<uint8_t> out(size);
  for (uint8_t& byte : out) byte = static_cast<uint8_t>('a' + random() % 4);
  return out;
}

TEST_P(EachCodec, RoundTrips) {
  for (const size_t size : {1u, 100u, 4095u, 4096u, 4097u, 32768u, 32769u, 1000000u}) {
    const std::vector<uint8_t> plain = Text(size);
    const Result<std::vector<uint8_t>> again = Unpack(Pack(plain), size);  // the cap is exactly what is needed
    ASSERT_TRUE(again.ok()) << size << ": " << again.error();
    EXPECT_EQ(*again, plain) << size;
  }
}

TEST_P(EachCodec, OneByteOverTheCapIsTooLarge) {
  for (const size_t size : {1u, 100u, 5000u, 100000u}) {
    const Result<std::vector<uint8_t>> again = Unpack(Pack(Text(size)), size - 1);
    ASSERT_FALSE(again.ok()) << size;
    EXPECT_EQ(again.error().code, ErrorCode::kRecordTooLarge) << size;
  }
}

TEST_P(EachCodec, ABombStopsAtTheCap) {
  const std::vector<uint8_t> bomb = Pack(std::vector<uint8_t>(64 << 20, 0));
  if (GetParam().codec != Codec::kNone) {
    EXPECT_LT(bomb.size(), 4u << 20);
  }
  EXPECT_EQ(Unpack(bomb, 100000).error().code, ErrorCode::kRecordTooLarge);
}

TEST_P(EachCodec, EveryCutIsRefused) {
  if (GetParam().codec == Codec::kNone) return;  // no stream, so no end to miss
  const std::vector<uint8_t> plain = Text(40000);
  const std::vector<uint8_t> packed = Pack(plain);
  for (size_t size = 0; size < packed.size(); size += size < 100 || packed.size() - size < 100 ? 1 : 97) {
    const Result<std::vector<uint8_t>> cut = Unpack(ByteView(packed).first(size), 1 << 20);
    // Xerial framing has no end mark either: a cut between its blocks leaves a shorter stream, which the record count
    // of the batch then gives away.
    if (cut.ok()) {
      EXPECT_EQ(GetParam().codec, Codec::kSnappy) << size;
      EXPECT_LT(cut->size(), plain.size()) << size;
    } else {
      EXPECT_EQ(cut.error().code, ErrorCode::kInvalidRecord) << size;
    }
  }
}

TEST_P(EachCodec, EveryFlippedByteIsHandled) {
  const std::vector<uint8_t> packed = Pack(Text(300));
  for (size_t at = 0; at < packed.size(); ++at) {
    for (const uint8_t flip : {0x01, 0x80, 0xff}) {
      std::vector<uint8_t> damaged = packed;
      damaged[at] ^= flip;
      const Result<std::vector<uint8_t>> out = Unpack(damaged, 1000);
      if (out.ok()) {
        EXPECT_LE(out->size(), 1000u);
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Codecs, EachCodec,
                         testing::Values(Case{Codec::kNone, SnappyFraming::kRaw, "none"},
                                         Case{Codec::kGzip, SnappyFraming::kRaw, "gzip"},
                                         Case{Codec::kSnappy, SnappyFraming::kRaw, "snappy_raw"},
                                         Case{Codec::kSnappy, SnappyFraming::kXerial, "snappy_xerial"},
                                         Case{Codec::kLz4, SnappyFraming::kRaw, "lz4"},
                                         Case{Codec::kZstd, SnappyFraming::kRaw, "zstd"}),
                         [](const auto& param) { return std::string(param.param.name); });

TEST(Decompress, FramesMayFollowOneAnotherButOtherBytesMayNot) {
  for (const Codec codec : {Codec::kGzip, Codec::kLz4, Codec::kZstd}) {
    std::vector<uint8_t> twice = *Compress(codec, AsBytes("abc"));
    const std::vector<uint8_t> second = *Compress(codec, AsBytes("defg"));
    twice.insert(twice.end(), second.begin(), second.end());
    const Result<std::vector<uint8_t>> out = Decompress(codec, twice, 100);
    ASSERT_TRUE(out.ok()) << CodecName(codec) << out.error();
    EXPECT_EQ(AsText(*out), "abcdefg");
    twice.insert(twice.end(), {1, 2, 3, 4, 5, 6, 7, 8, 9});
    EXPECT_EQ(Decompress(codec, twice, 100).error().code, ErrorCode::kInvalidRecord) << CodecName(codec);
  }
}

TEST(Decompress, ASnappyBlockThatClaimsMoreThanItCanHoldCostsNothing) {
  const std::vector<uint8_t> liar{0xff, 0xff, 0xff, 0x7f, 0, 'x'};  // 256 MiB from 6 bytes
  EXPECT_EQ(Decompress(Codec::kSnappy, liar, 1 << 30).error().code, ErrorCode::kInvalidRecord);
}

TEST(Decompress, XerialBlocksOfANewerVersionAreRefused) {
  std::vector<uint8_t> packed = *Compress(Codec::kSnappy, AsBytes("abc"));
  StoreBig<int32_t>(packed.data() + 12, 2);
  EXPECT_EQ(Decompress(Codec::kSnappy, packed, 100).error().code, ErrorCode::kInvalidRecord);
}

}  // namespace
}  // namespace chronik::records
