// SPDX-License-Identifier: Apache-2.0
#include "kernel/config/option.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "kernel/config/nearest.h"
#include "kernel/config/node_value.h"
#include "kernel/config/text.h"

namespace chronik::config {
namespace {

constexpr std::string_view kRangeDots = "..";
constexpr std::string_view kEnumPrefix = "enum:";

Error Bad(std::string what) { return {ErrorCode::kConfig, std::move(what)}; }

std::string Quoted(std::string_view text) { return "'" + std::string(text) + "'"; }

Result<int64_t> ParseInt(std::string_view text) {
  int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return Bad(Quoted(text) + " is not an integer");
  return number;
}

Result<double> ParseFloat(std::string_view text) {
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || !std::isfinite(number)) {
    return Bad(Quoted(text) + " is not a number");
  }
  return number;
}

// The kinds that are an int64_t.
Result<int64_t> ParseWhole(OptionType type, std::string_view text) {
  if (type == OptionType::kBytes) return ParseBytes(text);
  if (type == OptionType::kDuration) return ParseDuration(text);
  return ParseInt(text);
}

template <class T>
struct Range {
  T least;
  T most;
};

template <class T, class Parse>
Result<Range<T>> ParseRange(std::string_view text, Parse parse) {
  const size_t dots = text.find(kRangeDots);
  if (dots == std::string_view::npos) return Bad("the range " + Quoted(text) + " is not a..b");
  const Result<T> least = parse(text.substr(0, dots));
  if (!least.ok()) return least.error();
  const Result<T> most = parse(text.substr(dots + kRangeDots.size()));
  if (!most.ok()) return most.error();
  if (*least > *most) return Bad("the range " + Quoted(text) + " is empty");
  return Range<T>{*least, *most};
}

template <class T>
Status CheckRange(const OptionSpec& spec, T number, const Result<Range<T>>& range) {
  if (!range.ok()) return range.error();
  if (number >= range->least && number <= range->most) return {};
  return Bad(FormatValue(spec, Value(number)) + " is out of range " + spec.range);
}

Result<Value> ParseBool(std::string_view text) {
  if (text == "true" || text == "1") return Value(true);
  if (text == "false" || text == "0") return Value(false);
  return Bad(Quoted(text) + " is neither true nor false");
}

template <class T>
Result<Value> ToValue(Result<T> result) {
  if (!result.ok()) return result.error();
  return Value(std::move(result).value());
}

// The value without range, choices and emptiness.
Result<Value> ParseUnchecked(const OptionSpec& spec, std::string_view text) {
  switch (spec.type) {
    case OptionType::kString:
    case OptionType::kSecret:
    case OptionType::kEnum:
    case OptionType::kPath: return Value(std::string(text));
    case OptionType::kInt:
    case OptionType::kBytes:
    case OptionType::kDuration: return ToValue(ParseWhole(spec.type, text));
    case OptionType::kBool: return ParseBool(text);
    case OptionType::kFloat: return ToValue(ParseFloat(text));
    case OptionType::kHostPort: return text.empty() ? Value(HostPort{}) : ToValue(ParseHostPort(text));
    case OptionType::kStringList: return Value(SplitList(text));
    case OptionType::kPeers: return ToValue(ParsePeers(text));
  }
  return Bad("unknown type");
}

bool IsKeyName(std::string_view key) {
  const auto lower = [](char c) { return c >= 'a' && c <= 'z'; };
  return !key.empty() && lower(key.front()) &&
         std::all_of(key.begin(), key.end(), [&](char c) { return lower(c) || (c >= '0' && c <= '9') || c == '_'; });
}

Status SetPluginType(std::string_view type, OptionSpec* spec) {
  static const std::vector<std::pair<std::string, OptionType>> types = {
      {"string", OptionType::kString},     {"int", OptionType::kInt},      {"bytes", OptionType::kBytes},
      {"duration", OptionType::kDuration}, {"bool", OptionType::kBool},    {"float", OptionType::kFloat},
      {"path", OptionType::kPath},         {"secret", OptionType::kSecret}};
  if (type.starts_with(kEnumPrefix)) {
    spec->type = OptionType::kEnum;
    spec->choices = SplitList(type.substr(kEnumPrefix.size()));
    if (!spec->choices.empty()) return {};
    return Bad("an enum without a choice");
  }
  for (const auto& [name, option_type] : types) {
    if (name != type) continue;
    spec->type = option_type;
    spec->may_be_empty = true;
    return {};
  }
  return Bad("unknown type " + Quoted(type));
}

std::string FormatFloat(double number) {
  char buffer[32];
  const auto [end, error] = std::to_chars(buffer, buffer + sizeof buffer, number);
  std::string out(buffer, error == std::errc() ? end : buffer);
  return out.find_first_of(".e") == std::string::npos ? out + ".0" : out;
}

std::string FormatWhole(OptionType type, int64_t number) {
  if (type == OptionType::kInt) return std::to_string(number);
  if (type == OptionType::kDuration) return QuoteToml(FormatDuration(number));
  const std::string text = FormatBytes(number);
  return text == std::to_string(number) ? text : QuoteToml(text);
}

std::string FormatList(const std::vector<std::string>& items) {
  std::string out = "[";
  for (const std::string& item : items) out += (out.size() > 1 ? ", " : "") + QuoteToml(item);
  return out + "]";
}

}  // namespace

Status CheckValue(const OptionSpec& spec, const Value& value) {
  if (const auto* text = std::get_if<std::string>(&value)) {
    if (spec.type == OptionType::kEnum) {
      if (std::find(spec.choices.begin(), spec.choices.end(), *text) != spec.choices.end()) return {};
      return Bad(Quoted(*text) + " is not " + TypeText(spec) + Suggestion(*text, spec.choices));
    }
    CHRONIK_RETURN_IF_ERROR(CheckText(*text));
    if (text->empty() && !spec.may_be_empty) return Bad("must not be empty");
    return {};
  }
  if (const auto* address = std::get_if<HostPort>(&value)) {
    return address->empty() && !spec.may_be_empty ? Status(Bad("must not be empty")) : Status();
  }
  if (const auto* list = std::get_if<std::vector<std::string>>(&value)) {
    for (const std::string& item : *list) CHRONIK_RETURN_IF_ERROR(CheckText(item));
    return {};
  }
  if (const auto* real = std::get_if<double>(&value); real != nullptr && !std::isfinite(*real)) {
    return Bad("must be a finite number");
  }
  if (spec.range.empty()) return {};
  if (const auto* whole = std::get_if<int64_t>(&value)) {
    const auto parse = [&spec](std::string_view text) { return ParseWhole(spec.type, text); };
    return CheckRange(spec, *whole, ParseRange<int64_t>(spec.range, parse));
  }
  if (const auto* real = std::get_if<double>(&value))
    return CheckRange(spec, *real, ParseRange<double>(spec.range, ParseFloat));
  return {};
}

Result<Value> ParseValue(const OptionSpec& spec, std::string_view text) {
  Result<Value> value = ParseUnchecked(spec, text);
  if (value.ok()) CHRONIK_RETURN_IF_ERROR(CheckValue(spec, *value));
  return value;
}

Result<OptionSpec> MakePluginOption(std::string_view kind, std::string_view key, std::string_view type,
                                    std::optional<std::string_view> default_text, std::string_view range,
                                    std::string_view doc, bool dynamic) {
  OptionSpec spec;
  spec.section = "plugins." + std::string(kind);
  spec.key = key;
  spec.range = range;
  spec.doc = doc;
  spec.dynamic = dynamic;
  const auto refuse = [&](const std::string& why) {
    return Error{ErrorCode::kPlugin, "the plugin's option " + Quoted(key) + ": " + why};
  };
  if (!IsKeyName(key)) return refuse("a key is [a-z][a-z0-9_]*");
  if (key == "plugin") return refuse("this key names the plugin itself");
  if (key == "sha256") return refuse("this key pins the plugin's file");
  if (const Status status = SetPluginType(type, &spec); !status.ok()) return refuse(status.error().message);
  const bool numeric = spec.type == OptionType::kInt || spec.type == OptionType::kBytes ||
                       spec.type == OptionType::kDuration || spec.type == OptionType::kFloat;
  if (!range.empty() && !numeric) return refuse("only numbers have a range");
  if (default_text) {
    spec.default_text = std::string(*default_text);
    const Result<Value> value = ParseValue(spec, *default_text);
    if (!value.ok()) return refuse("its default: " + value.error().message);
  } else if (!range.empty()) {
    const auto parse = [&spec](std::string_view text) { return ParseWhole(spec.type, text); };
    const bool readable = spec.type == OptionType::kFloat ? ParseRange<double>(range, ParseFloat).ok()
                                                          : ParseRange<int64_t>(range, parse).ok();
    if (!readable) return refuse("its range " + Quoted(range) + " is not a..b");
  }
  return spec;
}

std::string FormatValue(const OptionSpec& spec, const Value& value) {
  struct Visitor {
    const OptionSpec& spec;
    std::string operator()(bool boolean) const { return boolean ? "true" : "false"; }
    std::string operator()(int64_t whole) const { return FormatWhole(spec.type, whole); }
    std::string operator()(double real) const { return FormatFloat(real); }
    std::string operator()(const std::string& text) const {
      return QuoteToml(spec.type == OptionType::kSecret && !text.empty() ? "***" : text);
    }
    std::string operator()(const HostPort& address) const { return QuoteToml(address.ToString()); }
    std::string operator()(const std::vector<std::string>& items) const { return FormatList(items); }
    std::string operator()(const std::vector<Peer>& peers) const { return FormatPeers(peers); }
  };
  return std::visit(Visitor{spec}, value);
}

std::string TypeText(const OptionSpec& spec) {
  switch (spec.type) {
    case OptionType::kString: return "a string";
    case OptionType::kSecret: return "a secret string";
    case OptionType::kInt: return "an integer";
    case OptionType::kBytes: return "a size";
    case OptionType::kDuration: return "a duration";
    case OptionType::kBool: return "true or false";
    case OptionType::kFloat: return "a number";
    case OptionType::kPath: return "a path";
    case OptionType::kHostPort: return "host:port";
    case OptionType::kStringList: return "a list of strings";
    case OptionType::kPeers: return "a list of peers";
    case OptionType::kEnum: break;
  }
  std::string out = "one of ";
  for (size_t i = 0; i < spec.choices.size(); ++i) out += (i == 0 ? "" : ", ") + spec.choices[i];
  return out;
}

}  // namespace chronik::config
