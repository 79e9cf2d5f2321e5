// SPDX-License-Identifier: Apache-2.0
// The variable-length integers inside records: base 128, least significant group first, zigzag for the sign (as
// Protocol Buffers' sint32 and sint64).
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "kernel/base/bytes.h"

namespace chronik::records {

// Takes one value from the front of `*rest`. nullopt if it is cut short or does not fit 64 bits.
inline std::optional<int64_t> TakeVarlong(ByteView* rest) {
  uint64_t raw = 0;
  for (size_t i = 0; i < rest->size() && i < 10; ++i) {
    const uint64_t group = (*rest)[i] & 0x7fu;
    if (i == 9 && group > 1) return std::nullopt;
    raw |= group << (7 * i);
    if (((*rest)[i] & 0x80u) == 0) {
      *rest = rest->subspan(i + 1);
      return static_cast<int64_t>((raw >> 1) ^ (~(raw & 1) + 1));
    }
  }
  return std::nullopt;
}

// As TakeVarlong, for what must fit 32 bits.
inline std::optional<int32_t> TakeVarint(ByteView* rest) {
  const std::optional<int64_t> value = TakeVarlong(rest);
  if (!value || *value != static_cast<int32_t>(*value)) return std::nullopt;
  return static_cast<int32_t>(*value);
}

inline void PutVarlong(std::vector<uint8_t>* out, int64_t value) {
  uint64_t raw = (static_cast<uint64_t>(value) << 1) ^ static_cast<uint64_t>(value >> 63);
  while (raw >= 0x80) {
    out->push_back(static_cast<uint8_t>(raw | 0x80));
    raw >>= 7;
  }
  out->push_back(static_cast<uint8_t>(raw));
}

}  // namespace chronik::records
