// SPDX-License-Identifier: Apache-2.0
#include "kernel/config/node_value.h"

namespace chronik::config {
namespace {

std::optional<Value> Refuse(const OptionSpec& spec, const Node& node, std::vector<NodeProblem>* problems) {
  problems->push_back({node.line, "expects " + TypeText(spec) + ", got " + std::string(node.TypeName())});
  return std::nullopt;
}

// An alternative that needs no text: a boolean, a number, a list.
std::optional<Value> DirectValue(const OptionSpec& spec, const Node& node, std::vector<NodeProblem>* problems) {
  const auto* integer = std::get_if<int64_t>(&node.value);
  switch (spec.type) {
    case OptionType::kBool:
      if (const auto* boolean = std::get_if<bool>(&node.value)) return Value(*boolean);
      break;
    case OptionType::kInt:
    case OptionType::kBytes:
      if (integer != nullptr && spec.type == OptionType::kBytes && *integer < 0) {
        problems->push_back({node.line, "a size cannot be negative"});
        return std::nullopt;
      }
      if (integer != nullptr) return Value(*integer);
      break;
    case OptionType::kFloat:
      if (const auto* real = std::get_if<double>(&node.value)) return Value(*real);
      if (integer != nullptr) return Value(static_cast<double>(*integer));
      break;
    case OptionType::kDuration:
      if (integer != nullptr && *integer != 0) {
        problems->push_back({node.line, "a duration needs a unit, as in \"" + std::to_string(*integer) + "ms\""});
        return std::nullopt;
      }
      if (integer != nullptr) return Value(int64_t{0});
      break;
    case OptionType::kStringList:
      if (node.IsArray()) {
        std::vector<std::string> items;
        for (const Node& child : node.children) {
          const auto* item = std::get_if<std::string>(&child.value);
          if (item == nullptr) return Refuse(spec, child, problems);
          items.push_back(*item);
        }
        return Value(std::move(items));
      }
      break;
    default: break;
  }
  return Refuse(spec, node, problems);
}

bool IsWrittenAsString(OptionType type) {
  switch (type) {
    case OptionType::kString:
    case OptionType::kSecret:
    case OptionType::kBytes:
    case OptionType::kDuration:
    case OptionType::kEnum:
    case OptionType::kPath:
    case OptionType::kHostPort: return true;
    case OptionType::kInt:
    case OptionType::kBool:
    case OptionType::kFloat:
    case OptionType::kStringList:
    case OptionType::kPeers: return false;
  }
  return false;
}

}  // namespace

std::optional<Value> ValueOfNode(const OptionSpec& spec, const Node& node, std::vector<NodeProblem>* problems) {
  if (spec.type == OptionType::kPeers) {
    const size_t problems_before = problems->size();
    std::vector<Peer> peers = PeersOfNode(node, problems);
    if (problems->size() > problems_before) return std::nullopt;
    return Value(std::move(peers));
  }
  if (const auto* text = std::get_if<std::string>(&node.value); text != nullptr && IsWrittenAsString(spec.type)) {
    Result<Value> value = ParseValue(spec, *text);
    if (value.ok()) return std::move(value).value();
    problems->push_back({node.line, value.error().message});
    return std::nullopt;
  }
  std::optional<Value> value = DirectValue(spec, node, problems);
  if (!value) return std::nullopt;
  if (const Status status = CheckValue(spec, *value); !status.ok()) {
    problems->push_back({node.line, status.error().message});
    return std::nullopt;
  }
  return value;
}

std::vector<std::string> SplitList(std::string_view text) {
  std::vector<std::string> items;
  while (!text.empty()) {
    const size_t comma = std::min(text.find(','), text.size());
    std::string_view item = text.substr(0, comma);
    while (item.starts_with(' ')) item.remove_prefix(1);
    while (item.ends_with(' ')) item.remove_suffix(1);
    items.emplace_back(item);
    text.remove_prefix(std::min(comma + 1, text.size()));
  }
  return items;
}

std::string QuoteToml(std::string_view text) {
  static constexpr char kHex[] = "0123456789ABCDEF";
  std::string out = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += {'\\', c};
    } else if (byte < 0x20 || byte == 0x7f) {
      out += std::string("\\u00") + kHex[byte >> 4] + kHex[byte & 15];
    } else {
      out += c;
    }
  }
  return out + '"';
}

}  // namespace chronik::config
