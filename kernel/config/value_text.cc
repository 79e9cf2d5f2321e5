// SPDX-License-Identifier: Apache-2.0
// Sizes and durations as text.
#include <array>
#include <charconv>
#include <limits>

#include "kernel/config/option.h"

namespace chronik::config {
namespace {

struct Unit {
  std::string_view name;
  int64_t factor;
};

constexpr std::array<Unit, 9> kByteUnits = {{{"TiB", int64_t{1} << 40},
                                             {"GiB", int64_t{1} << 30},
                                             {"MiB", int64_t{1} << 20},
                                             {"KiB", int64_t{1} << 10},
                                             {"TB", 1'000'000'000'000},
                                             {"GB", 1'000'000'000},
                                             {"MB", 1'000'000},
                                             {"KB", 1'000},
                                             {"B", 1}}};
constexpr size_t kBinaryUnits = 4;  // the first of kByteUnits; those that FormatBytes writes

constexpr std::array<Unit, 8> kTimeUnits = {{{"d", 86'400'000'000'000},
                                             {"h", 3'600'000'000'000},
                                             {"min", 60'000'000'000},
                                             {"m", 60'000'000'000},
                                             {"s", 1'000'000'000},
                                             {"ms", 1'000'000},
                                             {"us", 1'000},
                                             {"ns", 1}}};

struct Quantity {
  int64_t count;
  std::string_view unit;
};

// Digits, then the rest. The count is not negative.
std::optional<Quantity> SplitQuantity(std::string_view text) {
  uint64_t count = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), count);
  if (error != std::errc() || count > uint64_t{std::numeric_limits<int64_t>::max()}) return std::nullopt;
  return Quantity{static_cast<int64_t>(count), text.substr(static_cast<size_t>(end - text.data()))};
}

template <size_t Size>
std::optional<int64_t> Multiply(const Quantity& quantity, const std::array<Unit, Size>& units) {
  for (const Unit& unit : units) {
    if (unit.name != quantity.unit) continue;
    if (quantity.count > std::numeric_limits<int64_t>::max() / unit.factor) return std::nullopt;
    return quantity.count * unit.factor;
  }
  return std::nullopt;
}

}  // namespace

Result<int64_t> ParseBytes(std::string_view text) {
  if (const auto quantity = SplitQuantity(text)) {
    if (quantity->unit.empty()) return quantity->count;
    if (const auto bytes = Multiply(*quantity, kByteUnits)) return *bytes;
  }
  return Error{ErrorCode::kConfig, "'" + std::string(text) + "' is not a size such as 1048576, \"64MiB\" or \"1GiB\""};
}

Result<int64_t> ParseDuration(std::string_view text) {
  if (const auto quantity = SplitQuantity(text)) {
    if (quantity->unit.empty() && quantity->count == 0) return int64_t{0};
    if (const auto nanoseconds = Multiply(*quantity, kTimeUnits)) return *nanoseconds;
  }
  return Error{ErrorCode::kConfig, "'" + std::string(text) + "' is not a duration such as \"10ms\", \"5s\" or \"1h\""};
}

std::string FormatBytes(int64_t bytes) {
  for (size_t i = 0; i < kBinaryUnits && bytes != 0; ++i) {
    if (bytes % kByteUnits[i].factor == 0)
      return std::to_string(bytes / kByteUnits[i].factor).append(kByteUnits[i].name);
  }
  return std::to_string(bytes);
}

std::string FormatDuration(int64_t nanoseconds) {
  if (nanoseconds == 0) return "0s";
  for (const Unit& unit : kTimeUnits) {
    if (unit.name == "d" || unit.name == "min") continue;  // "168h" and "10m" are what people write
    if (nanoseconds % unit.factor == 0) return std::to_string(nanoseconds / unit.factor).append(unit.name);
  }
  return std::to_string(nanoseconds) + "ns";
}

}  // namespace chronik::config
