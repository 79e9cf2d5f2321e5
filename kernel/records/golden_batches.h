// SPDX-License-Identifier: Apache-2.0
// Batches that the Java library kafka-clients 4.4.0 wrote (MemoryRecords.withRecords and its idempotent and
// transactional variants; snappy-java 1.1.10.7, lz4-java 1.10.1, zstd-jni 1.5.6-10), as hexadecimal text. All hold the
// same three records:
//   1700000000000 ms  key "k1"  value "v1"   headers trace = "abc", trace = null
//   1700000000005 ms  key null  value ""
//   1699999999990 ms  key "k3"  value null
// Producer of the last two: id 4000, epoch 3, base sequence 2147483646 (idempotent) and 0 (transactional).
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace chronik::records {

inline constexpr std::string_view kJavaNone =
    "00000000000000000000005dffffffff023eb69a9e0000000000020000018bcfe568000000018bcfe56805ffffffffffffffffffffffff"
    "ffff0000000336000000046b31047631040a7472616365066162630a7472616365010c000a0201000010001304046b330100";
inline constexpr std::string_view kJavaGzip =
    "00000000000000000000006cffffffff0235e3e1560001000000020000018bcfe568000000018bcfe56805ffffffffffffffffffffffff"
    "ffff000000031f8b08000000000000ff3363606060c93664293364e12a294a4c4e654b4c4a86b0187918b8981819180418845958b28d19"
    "1900d9f69f382c000000";
inline constexpr std::string_view kJavaSnappy =
    "000000000000000000000070ffffffff0285676db20002000000020000018bcfe568000000018bcfe56805ffffffffffffffffffffffff"
    "ffff0000000382534e415050590000000001000000010000002b2c5036000000046b31047631040a747261636506616263090a40010c00"
    "0a0201000010001304046b330100";
inline constexpr std::string_view kJavaLz4 =
    "00000000000000000000006cffffffff0215368b630003000000020000018bcfe568000000018bcfe56805ffffffffffffffffffffffff"
    "ffff0000000304224d186040822c00008036000000046b31047631040a7472616365066162630a7472616365010c000a02010000100013"
    "04046b33010000000000";
inline constexpr std::string_view kJavaZstd =
    "000000000000000000000069ffffffff0205924def0004000000020000018bcfe568000000018bcfe56805ffffffffffffffffffffffff"
    "ffff0000000328b52ffd005860010036000000046b31047631040a7472616365066162630a7472616365010c000a020100001000130404"
    "6b330100010000";
inline constexpr std::string_view kJavaIdempotent =
    "00000000000000000000005dffffffff02b63744e30000000000020000018bcfe568000000018bcfe568050000000000000fa000037fff"
    "fffe0000000336000000046b31047631040a7472616365066162630a7472616365010c000a0201000010001304046b330100";
inline constexpr std::string_view kJavaTransactional =
    "00000000000000000000005dffffffff02be907ab50010000000020000018bcfe568000000018bcfe568050000000000000fa000030000"
    "00000000000336000000046b31047631040a7472616365066162630a7472616365010c000a0201000010001304046b330100";

inline std::vector<uint8_t> FromHex(std::string_view hex) {
  auto digit = [](char c) { return c <= '9' ? c - '0' : c - 'a' + 10; };
  std::vector<uint8_t> out;
  for (size_t i = 0; i + 1 < hex.size(); i += 2) {
    out.push_back(static_cast<uint8_t>(digit(hex[i]) << 4 | digit(hex[i + 1])));
  }
  return out;
}

}  // namespace chronik::records
