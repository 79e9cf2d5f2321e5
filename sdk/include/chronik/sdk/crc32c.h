// SPDX-License-Identifier: Apache-2.0
// CRC-32C (Castagnoli), which the interfaces use for checksums: by the processor's instruction where it has one.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include <chronik/sdk/version.h>

CHRONIK_SDK_BEGIN

namespace crc32c_detail {

constexpr std::array<uint32_t, 256> kTable = [] {
  constexpr uint32_t kReversedPolynomial = 0x82F63B78;
  std::array<uint32_t, 256> table{};
  for (uint32_t byte = 0; byte < table.size(); ++byte) {
    uint32_t crc = byte;
    for (int bit = 0; bit < 8; ++bit) {
      crc = (crc >> 1) ^ ((crc & 1) != 0 ? kReversedPolynomial : 0);
    }
    table[byte] = crc;
  }
  return table;
}();

inline uint32_t Portable(uint32_t state, const unsigned char* data, size_t size) noexcept {
  for (size_t i = 0; i < size; ++i) {
    state = (state >> 8) ^ kTable[(state ^ data[i]) & 0xFF];
  }
  return state;
}

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) inline uint32_t Hardware(uint32_t state, const unsigned char* data,
                                                           size_t size) noexcept {
  uint64_t wide = state;
  for (; size >= 8; size -= 8, data += 8) {
    uint64_t word = 0;
    std::memcpy(&word, data, 8);
    wide = __builtin_ia32_crc32di(wide, word);
  }
  return Portable(static_cast<uint32_t>(wide), data, size);
}
#endif

}  // namespace crc32c_detail

// Of `bytes` behind what `crc` is the checksum of; 0 to begin with.
inline uint32_t Crc32c(std::span<const std::byte> bytes, uint32_t crc = 0) noexcept {
  const auto* data = reinterpret_cast<const unsigned char*>(bytes.data());
#if defined(__x86_64__)
  if (__builtin_cpu_supports("sse4.2")) return ~crc32c_detail::Hardware(~crc, data, bytes.size());
#endif
  return ~crc32c_detail::Portable(~crc, data, bytes.size());
}

CHRONIK_SDK_END
