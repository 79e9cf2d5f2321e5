// SPDX-License-Identifier: Apache-2.0
#include "kernel/metadata/config_value.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

namespace chronik::metadata {
namespace {

// Any blank that Java's String.trim would drop.
bool IsBlank(char c) { return static_cast<unsigned char>(c) <= ' '; }

template <class T>
std::optional<T> ParseWhole(std::string_view value) {
  value = TrimConfigValue(value);
  if (value.size() > 1 && value[0] == '+' && value[1] != '-') value.remove_prefix(1);  // Java accepts the sign
  T out{};
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), out);
  if (error != std::errc{} || end != value.data() + value.size()) return std::nullopt;
  return out;
}

std::optional<bool> ParseBoolean(std::string_view value) {
  std::string lower(TrimConfigValue(value));
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  if (lower == "true") return true;
  if (lower == "false") return false;
  return std::nullopt;
}

std::vector<std::string_view> Split(std::string_view text, char separator) {
  std::vector<std::string_view> out;
  text = TrimConfigValue(text);
  while (!text.empty()) {
    const size_t end = std::min(text.find(separator), text.size());
    out.push_back(TrimConfigValue(text.substr(0, end)));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return out;
}

Error Refuse(const ConfigKey& key, std::string_view value, const std::string& why) {
  return Error{ErrorCode::kInvalidConfig,
               "invalid value '" + std::string(value) + "' for " + std::string(key.name) + ": " + why};
}

std::string Shown(double bound) {
  if (bound != std::floor(bound)) return std::to_string(bound);
  return std::to_string(static_cast<int64_t>(bound));
}

Status CheckRange(const ConfigKey& key, std::string_view value, double number) {
  if (number < key.min) return Refuse(key, value, "must be at least " + Shown(key.min));
  if (number > key.max) return Refuse(key, value, "must be at most " + Shown(key.max));
  return {};
}

Status CheckAllowed(const ConfigKey& key, std::string_view value, std::string_view item) {
  if (key.values.empty()) return {};
  const std::vector<std::string_view> allowed = Split(key.values, '|');
  if (std::find(allowed.begin(), allowed.end(), item) != allowed.end()) return {};
  return Refuse(key, value, "must be one of " + std::string(key.values));
}

Status CheckInteger(const ConfigKey& key, std::string_view value, int64_t lowest, int64_t highest) {
  const std::optional<int64_t> number = ParseConfigInteger(value);
  if (!number || *number < lowest || *number > highest) return Refuse(key, value, "not an integer of the right size");
  return CheckRange(key, value, static_cast<double>(*number));
}

}  // namespace

std::string_view TrimConfigValue(std::string_view value) {
  while (!value.empty() && IsBlank(value.front())) value.remove_prefix(1);
  while (!value.empty() && IsBlank(value.back())) value.remove_suffix(1);
  return value;
}

std::optional<int64_t> ParseConfigInteger(std::string_view value) { return ParseWhole<int64_t>(value); }

Status CheckConfigValue(const ConfigKey& key, std::string_view value) {
  switch (key.type) {
    case ConfigType::kBoolean:
      if (!ParseBoolean(value)) return Refuse(key, value, "must be true or false");
      return {};
    case ConfigType::kShort:
      return CheckInteger(key, value, std::numeric_limits<int16_t>::min(), std::numeric_limits<int16_t>::max());
    case ConfigType::kInt:
      return CheckInteger(key, value, std::numeric_limits<int32_t>::min(), std::numeric_limits<int32_t>::max());
    case ConfigType::kLong:
      return CheckInteger(key, value, std::numeric_limits<int64_t>::min(), std::numeric_limits<int64_t>::max());
    case ConfigType::kDouble: {
      const std::optional<double> number = ParseWhole<double>(value);
      if (!number || !std::isfinite(*number)) return Refuse(key, value, "not a number");
      return CheckRange(key, value, *number);
    }
    case ConfigType::kList:
      for (const std::string_view item : Split(value, ',')) CHRONIK_RETURN_IF_ERROR(CheckAllowed(key, value, item));
      return {};
    case ConfigType::kString:
    case ConfigType::kClass:
    case ConfigType::kPassword: return CheckAllowed(key, value, TrimConfigValue(value));
  }
  return Refuse(key, value, "unknown type");
}

bool SameConfigValue(const ConfigKey& key, std::string_view a, std::string_view b) {
  switch (key.type) {
    case ConfigType::kBoolean: return ParseBoolean(a) == ParseBoolean(b);
    case ConfigType::kShort:
    case ConfigType::kInt:
    case ConfigType::kLong: return ParseConfigInteger(a) == ParseConfigInteger(b);
    case ConfigType::kDouble: return ParseWhole<double>(a) == ParseWhole<double>(b);
    case ConfigType::kList: return Split(a, ',') == Split(b, ',');
    case ConfigType::kString:
    case ConfigType::kClass:
    case ConfigType::kPassword: return TrimConfigValue(a) == TrimConfigValue(b);
  }
  return false;
}

}  // namespace chronik::metadata
