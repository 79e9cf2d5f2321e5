// SPDX-License-Identifier: Apache-2.0
// Goal: the bytes are those of PROTOCOL.md, and nothing else is taken for them. Method: golden bytes, every single-bit
// error of a header, every shorter greeting.
#include "plugins/transport_tcp/wire.h"

#include <gtest/gtest.h>

#include <cstring>

namespace chronik_transport_tcp {
namespace {

std::span<const std::byte> Bytes(std::string_view text) { return std::as_bytes(std::span(text)); }

std::string Hex(std::span<const std::byte> bytes) {
  std::string out;
  for (const std::byte byte : bytes) {
    char two[3];
    std::snprintf(two, sizeof(two), "%02x", std::to_integer<unsigned>(byte));
    out += two;
  }
  return out;
}

TEST(Wire, ChecksumsAreCrc32c) {
  EXPECT_EQ(Crc32c(Bytes("123456789")), 0xE3069283u);  // the check value of the catalogue of CRCs
  EXPECT_EQ(Crc32c(Bytes("6789"), Crc32c(Bytes("12345"))), 0xE3069283u);
}

TEST(Wire, AHeaderIsTwentyFourBytes) {
  const Header header{
      .kind = Kind::kFrame, .has_body_crc = true, .body_bytes = 0x01020304, .body_crc = 0xA1B2C3D4, .id = 7};
  const HeaderBytes bytes = EncodeHeader(header);
  EXPECT_EQ(Hex(std::span(bytes).first<20>()), "08010000040302010700000000000000d4c3b2a1");
  EXPECT_EQ(DecodeHeader(bytes), header);
}

TEST(Wire, AHeaderWithAnyBitFlippedIsRefused) {
  const HeaderBytes good = EncodeHeader({.kind = Kind::kStreamData, .body_bytes = 1000, .id = 5});
  for (size_t bit = 0; bit < 8 * kHeaderBytes; ++bit) {
    HeaderBytes bad = good;
    bad[bit / 8] ^= static_cast<std::byte>(1 << (bit % 8));
    EXPECT_EQ(DecodeHeader(bad), std::nullopt) << "bit " << bit;
  }
}

TEST(Wire, UnknownKindsFlagsAndReservedBytesAreRefused) {
  for (const auto& [at, value] :
       {std::pair(0, 0), std::pair(0, 13), std::pair(1, 2), std::pair(2, 1), std::pair(3, 1)}) {
    HeaderBytes bytes = EncodeHeader({.kind = Kind::kPing});
    bytes[static_cast<size_t>(at)] = static_cast<std::byte>(value);
    const uint32_t crc = Crc32c(std::span(bytes).first<20>());
    std::memcpy(&bytes[20], &crc, 4);
    EXPECT_EQ(DecodeHeader(bytes), std::nullopt) << "byte " << at << " = " << value;
  }
}

TEST(Wire, GreetingsReadAsTheyWereWritten) {
  const Hello hello{.node_id = 1, .wanted_id = 2, .max_frame_bytes = 3, .hello = std::string("x\0y", 3)};
  EXPECT_EQ(DecodeHello(Bytes(Encode(hello))), hello);
  EXPECT_EQ(Hex(Bytes(Encode(hello))),
            "4348524e4b544350"
            "0100"
            "0100"
            "0100000000000000"
            "0200000000000000"
            "03000000"
            "780079");
  const Welcome welcome{.node_id = 2, .max_frame_bytes = 9, .token = Token{std::byte{1}}, .hello = "z"};
  EXPECT_EQ(DecodeWelcome(Bytes(Encode(welcome))), welcome);
  const Attach attach{3, Token{std::byte{9}}};
  EXPECT_EQ(DecodeAttach(Bytes(Encode(attach))), attach);
  const Ending ending{-13, "no"};
  EXPECT_EQ(DecodeEnding(Bytes(Encode(ending))), ending);
  EXPECT_EQ(DecodeCredit(Bytes(EncodeCredit(1ull << 40))), 1ull << 40);
}

TEST(Wire, WhatIsTooShortOrTooLongIsRefused) {
  const std::string attach = Encode(Attach{1, {}});
  for (size_t size = 0; size < attach.size(); ++size) EXPECT_FALSE(DecodeAttach(Bytes(attach).first(size)));
  EXPECT_FALSE(DecodeAttach(Bytes(attach + "x")));
  const std::string hello = Encode(Hello{});
  for (size_t size = 0; size < hello.size(); ++size) EXPECT_FALSE(DecodeHello(Bytes(hello).first(size)));
  EXPECT_FALSE(DecodeHello(Bytes(hello + std::string(kHelloBytesMax + 1, 'x'))));
  EXPECT_FALSE(DecodeWelcome(Bytes(hello)));
  EXPECT_FALSE(DecodeCredit(Bytes("1234567")));
  EXPECT_FALSE(DecodeEnding(Bytes(std::string(4 + kTextBytesMax + 1, 'x'))));
}

TEST(Wire, TextsOfOthersStayOneLine) {
  std::string body = Encode(Ending{-1, "a\nb\x1b[2J"});
  EXPECT_EQ(DecodeEnding(Bytes(body))->text, "a?b?[2J");
}

}  // namespace
}  // namespace chronik_transport_tcp
