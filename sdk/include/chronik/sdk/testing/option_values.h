// SPDX-License-Identifier: Apache-2.0
// The option table of a plugin applied to text values, as the kernel does it: defaults, types, ranges, unknown keys.
#pragma once

#include <charconv>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include <chronik/plugin.h>
#include <chronik/sdk/guard.h>

CHRONIK_SDK_BEGIN
namespace testing {

// "64MiB" -> 67108864 for type "bytes", "10ms" -> 10000000 for "duration", "true" -> 1 for "bool"; nullopt: malformed.
inline std::optional<int64_t> ParseInt(std::string_view type, std::string_view text) {
  if (type == "bool") {
    return text == "true" ? std::optional<int64_t>(1) : text == "false" ? std::optional<int64_t>(0) : std::nullopt;
  }
  int64_t number = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (code != std::errc()) {
    return std::nullopt;
  }
  static const std::map<std::string_view, std::map<std::string_view, int64_t>> kUnits{
      {"int", {{"", 1}}},
      {"bytes", {{"", 1}, {"B", 1}, {"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}}},
      {"duration",
       {{"ns", 1},
        {"us", 1000},
        {"ms", 1'000'000},
        {"s", 1'000'000'000},
        {"m", 60'000'000'000},
        {"h", 3'600'000'000'000}}}};
  const auto units = kUnits.find(type);
  if (units == kUnits.end()) {
    return std::nullopt;
  }
  const auto unit = units->second.find(text.substr(static_cast<size_t>(end - text.data())));
  int64_t value = 0;
  if (unit == units->second.end() || __builtin_mul_overflow(number, unit->second, &value)) {
    return std::nullopt;
  }
  return value;
}

class OptionValues {
 public:
  // Throws Error(CHR_E_CONFIG) naming the key.
  OptionValues(std::span<const chr_option> table, std::map<std::string, std::string> given) {
    for (const chr_option& option : table) {
      auto it = given.find(option.key);
      if (it == given.end() && option.dflt == nullptr) {
        throw Error(CHR_E_CONFIG, std::string(option.key) + " is required");
      }
      const std::string text = it == given.end() ? option.dflt : it->second;
      values_.emplace(option.key, Parse(option, text));
      if (it != given.end()) {
        given.erase(it);
      }
    }
    if (!given.empty()) {
      throw Error(CHR_E_CONFIG, "unknown option " + given.begin()->first);
    }
  }

  // nullptr: no such option, or not of this kind.
  const std::string* Text(std::string_view key) const {
    const Value* value = Find(key);
    return value == nullptr || value->number || value->real ? nullptr : &value->text;
  }
  const int64_t* Int(std::string_view key) const {
    const Value* value = Find(key);
    return value == nullptr || !value->number ? nullptr : &*value->number;
  }
  const double* Real(std::string_view key) const {
    const Value* value = Find(key);
    return value == nullptr || !value->real ? nullptr : &*value->real;
  }

 private:
  struct Value {
    std::string text;
    std::optional<int64_t> number;
    std::optional<double> real;
  };

  const Value* Find(std::string_view key) const {
    const auto it = values_.find(key);
    return it == values_.end() ? nullptr : &it->second;
  }

  static Value Parse(const chr_option& option, const std::string& text) {
    const std::string_view type = option.type;
    const auto refuse = [&](const std::string& why) -> Error {
      return Error(CHR_E_CONFIG, std::string(option.key) + " = \"" + text + "\": " + why);
    };
    Value value{text, std::nullopt, std::nullopt};
    if (type == "int" || type == "bytes" || type == "duration" || type == "bool") {
      value.number = ParseInt(type, text);
      if (!value.number) throw refuse("not of type " + std::string(type));
      if (option.range != nullptr && !InRange(type, option.range, *value.number)) {
        throw refuse(std::string("outside ") + option.range);
      }
    } else if (type == "float") {
      char* end = nullptr;
      value.real = std::strtod(text.c_str(), &end);
      if (text.empty() || *end != '\0' || !std::isfinite(*value.real)) throw refuse("not a number");
    } else if (type.starts_with("enum:")) {
      const std::string choices = "," + std::string(type.substr(5)) + ",";
      if (choices.find("," + text + ",") == std::string::npos) throw refuse("not one of " + choices);
    } else if (type != "string" && type != "path" && type != "secret") {
      throw refuse("the plugin declares the unknown type " + std::string(type));
    }
    return value;
  }

  static bool InRange(std::string_view type, std::string_view range, int64_t number) {
    const size_t dots = range.find("..");
    if (dots == std::string_view::npos) {
      return false;
    }
    const auto low = ParseInt(type, range.substr(0, dots));
    const auto high = ParseInt(type, range.substr(dots + 2));
    return low && high && *low <= number && number <= *high;
  }

  std::map<std::string, Value, std::less<>> values_;
};

}  // namespace testing
CHRONIK_SDK_END
