// SPDX-License-Identifier: Apache-2.0
#include "kernel/base/ids.h"

namespace chronik {

std::ostream& operator<<(std::ostream& out, ReplicaId id) {
  out << id.node();
  return id.generation() == 0 ? out : out << '.' << id.generation();
}

std::string TopicId::ToString() const {
  static constexpr char kAlphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  std::string out;
  out.reserve(22);
  uint32_t bits = 0;
  int bit_count = 0;
  for (uint8_t byte : bytes) {
    bits = bits << 8 | byte;
    bit_count += 8;
    while (bit_count >= 6) {
      bit_count -= 6;
      out.push_back(kAlphabet[bits >> bit_count & 63]);
    }
  }
  out.push_back(kAlphabet[bits << (6 - bit_count) & 63]);  // 128 = 21 * 6 + 2: two bits are left
  return out;
}

}  // namespace chronik
