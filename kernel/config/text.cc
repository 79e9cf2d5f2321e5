// SPDX-License-Identifier: Apache-2.0
#include "kernel/config/text.h"

#include <cstdint>

namespace chronik::config {
namespace {

bool In(char byte, int first, int last) {
  const int value = static_cast<unsigned char>(byte);
  return value >= first && value <= last;
}

// How many bytes the character at the front has; 0: it is none. Table 3-7 of the Unicode standard.
size_t CharacterBytes(std::string_view text) {
  const auto follows = [text](size_t at, int first = 0x80, int last = 0xBF) {
    return at < text.size() && In(text[at], first, last);
  };
  const int lead = static_cast<unsigned char>(text.front());
  if (lead < 0x80) return 1;
  if (lead >= 0xC2 && lead <= 0xDF) return follows(1) ? 2 : 0;
  if (lead >= 0xE0 && lead <= 0xEF) {
    // No second way to write what is shorter, no surrogates.
    return follows(1, lead == 0xE0 ? 0xA0 : 0x80, lead == 0xED ? 0x9F : 0xBF) && follows(2) ? 3 : 0;
  }
  if (lead < 0xF0 || lead > 0xF4) return 0;
  return follows(1, lead == 0xF0 ? 0x90 : 0x80, lead == 0xF4 ? 0x8F : 0xBF) && follows(2) && follows(3) ? 4 : 0;
}

}  // namespace

Status CheckText(std::string_view text) {
  while (!text.empty()) {
    if (text.front() == '\0') return Error{ErrorCode::kConfig, "must not hold a NUL character"};
    const size_t bytes = CharacterBytes(text);
    if (bytes == 0) return Error{ErrorCode::kConfig, "is not UTF-8"};
    text.remove_prefix(bytes);
  }
  return {};
}

}  // namespace chronik::config
