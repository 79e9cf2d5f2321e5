// SPDX-License-Identifier: Apache-2.0
// JSON by jsoncpp, which knows offsets; lines are counted from them.
#include <json/json.h>

#include <algorithm>
#include <memory>

#include "kernel/config/document.h"

namespace chronik::config {
namespace {

constexpr int kNestingMax = 64;

class Converter {
 public:
  explicit Converter(std::string_view text) {
    for (size_t i = 0; i < text.size(); ++i) {
      if (text[i] == '\n') newlines_.push_back(i);
    }
  }

  Node Convert(std::string name, const Json::Value& json) const {
    Node node;
    node.name = std::move(name);
    node.line = LineOf(json.getOffsetStart());
    switch (json.type()) {
      case Json::objectValue:
        node.value = Node::Table{};
        for (const std::string& member : json.getMemberNames()) node.children.push_back(Convert(member, json[member]));
        break;
      case Json::arrayValue:
        node.value = Node::Array{};
        for (const Json::Value& item : json) node.children.push_back(Convert("", item));
        break;
      case Json::booleanValue: node.value = json.asBool(); break;
      case Json::realValue: node.value = json.asDouble(); break;
      case Json::stringValue: node.value = json.asString(); break;
      case Json::intValue:
      case Json::uintValue:
        if (json.isInt64()) {
          node.value = static_cast<int64_t>(json.asInt64());
        } else {
          node.value = Node::Other{"an integer of more than 64 bits"};
        }
        break;
      case Json::nullValue: node.value = Node::Other{"null"}; break;
    }
    return node;
  }

 private:
  int LineOf(ptrdiff_t offset) const {
    const auto next =
        std::lower_bound(newlines_.begin(), newlines_.end(), static_cast<size_t>(std::max<ptrdiff_t>(offset, 0)));
    return static_cast<int>(next - newlines_.begin()) + 1;
  }

  std::vector<size_t> newlines_;
};

// jsoncpp's "* Line 3, Column 5\n  Missing ..." as "3: Missing ...": the first error, for the others follow from it.
Error SyntaxError(const std::string& report) {
  constexpr std::string_view kLine = "* Line ";
  std::string line = "1";
  if (report.starts_with(kLine)) {
    line = report.substr(kLine.size(), report.find_first_not_of("0123456789", kLine.size()) - kLine.size());
  }
  const size_t text_begin = report.find_first_not_of(" \n", report.find('\n'));
  const std::string text = text_begin == std::string::npos ? "not JSON" : report.substr(text_begin);
  return {ErrorCode::kConfig, line + ": " + text.substr(0, text.find('\n'))};
}

}  // namespace

Result<Node> ParseJson(std::string_view text) {
  Json::CharReaderBuilder builder;
  Json::CharReaderBuilder::strictMode(&builder.settings_);  // no duplicate keys, nothing behind the value
  builder["stackLimit"] = kNestingMax;
  Json::Value root;
  std::string report;
  try {
    const std::unique_ptr<Json::CharReader> reader(builder.newCharReader());
    if (!reader->parse(text.data(), text.data() + text.size(), &root, &report)) return SyntaxError(report);
    if (!root.isObject()) return Error{ErrorCode::kConfig, "1: the file must hold one JSON object"};
    return Converter(text).Convert("", root);
  } catch (const std::exception& e) {  // nesting beyond stackLimit
    return Error{ErrorCode::kConfig, std::string("1: ") + e.what()};
  }
}

}  // namespace chronik::config
