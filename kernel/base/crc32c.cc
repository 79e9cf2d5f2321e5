// SPDX-License-Identifier: Apache-2.0
#include "kernel/base/crc32c.h"

#include <algorithm>

#include <isa-l/crc.h>

namespace chronik {

uint32_t Crc32c(ByteView bytes, uint32_t seed) {
  // crc32_iscsi takes and returns the register without the final inversion, and an int length.
  uint32_t state = ~seed;
  while (!bytes.empty()) {
    const size_t step = std::min<size_t>(bytes.size(), 1u << 30);
    state = crc32_iscsi(const_cast<unsigned char*>(bytes.data()), static_cast<int>(step), state);
    bytes = bytes.subspan(step);
  }
  return ~state;
}

}  // namespace chronik
