// SPDX-License-Identifier: Apache-2.0
// Bytes as hexadecimal text, for tests: goldens are easier to read and to check against a packet dump.
#pragma once

#include <string>
#include <string_view>

#include "kernel/base/bytes.h"

namespace chronik::protocol {

// Blanks between the digits are ignored.
inline Bytes FromHex(std::string_view hex) {
  std::string digits;
  for (char c : hex) {
    if (c != ' ' && c != '\n') digits.push_back(c);
  }
  std::string bytes;
  for (size_t i = 0; i + 1 < digits.size(); i += 2) {
    bytes.push_back(static_cast<char>(std::stoi(digits.substr(i, 2), nullptr, 16)));
  }
  return Bytes::Copy(bytes);
}

inline std::string ToHex(const Bytes& bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string hex;
  for (uint8_t byte : bytes.view()) {
    hex.push_back(kDigits[byte >> 4]);
    hex.push_back(kDigits[byte & 15]);
  }
  return hex;
}

}  // namespace chronik::protocol
