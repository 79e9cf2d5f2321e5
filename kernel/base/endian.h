// SPDX-License-Identifier: Apache-2.0
// Unaligned loads and stores: big-endian for the Kafka protocol, little-endian for our own files and messages.
#pragma once

#include <bit>
#include <concepts>
#include <cstdint>
#include <cstring>

namespace chronik {

static_assert(std::endian::native == std::endian::little, "chronik runs on little-endian machines only");

template <std::integral T>
constexpr T ByteSwap(T value) {
  if constexpr (sizeof(T) == 1) return value;
  if constexpr (sizeof(T) == 2) return static_cast<T>(__builtin_bswap16(static_cast<uint16_t>(value)));
  if constexpr (sizeof(T) == 4) return static_cast<T>(__builtin_bswap32(static_cast<uint32_t>(value)));
  if constexpr (sizeof(T) == 8) return static_cast<T>(__builtin_bswap64(static_cast<uint64_t>(value)));
}

template <std::integral T>
T LoadLittle(const void* from) {
  T value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

template <std::integral T>
void StoreLittle(void* to, T value) {
  std::memcpy(to, &value, sizeof value);
}

template <std::integral T>
T LoadBig(const void* from) {
  return ByteSwap(LoadLittle<T>(from));
}

template <std::integral T>
void StoreBig(void* to, T value) {
  StoreLittle(to, ByteSwap(value));
}

}  // namespace chronik
