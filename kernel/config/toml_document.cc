// SPDX-License-Identifier: Apache-2.0
// TOML by toml++. The only file that includes it: it is slow to compile.
#define TOML_EXCEPTIONS 0
#define TOML_ENABLE_FORMATTERS 0
#define TOML_ENABLE_WINDOWS_COMPAT 0
#define TOML_MAX_NESTED_VALUES 64
// Its parse_key asserts what nobody has checked ("[.a]" is enough), and then reports the same as an error, with its
// line.
#define TOML_ASSERT(expression) static_assert(true)
#include <toml++/toml.h>

#include <cmath>

#include "kernel/config/document.h"

namespace chronik::config {
namespace {

Node Convert(std::string name, const toml::node& toml) {
  Node node;
  node.name = std::move(name);
  node.line = static_cast<int>(toml.source().begin.line);
  if (const toml::table* table = toml.as_table()) {
    node.value = Node::Table{};
    for (const auto& [key, child] : *table) node.children.push_back(Convert(std::string(key.str()), child));
  } else if (const toml::array* array = toml.as_array()) {
    node.value = Node::Array{};
    for (const toml::node& child : *array) node.children.push_back(Convert("", child));
  } else if (const auto* boolean = toml.as_boolean()) {
    node.value = boolean->get();
  } else if (const auto* integer = toml.as_integer()) {
    node.value = integer->get();
  } else if (const auto* real = toml.as_floating_point()) {
    node.value = real->get();
  } else if (const auto* string = toml.as_string()) {
    node.value = string->get();
  } else {
    node.value = Node::Other{"a date or a time"};
  }
  return node;
}

}  // namespace

Result<Node> ParseToml(std::string_view text) {
  const toml::parse_result result = toml::parse(text);
  if (!result) {
    const toml::parse_error& error = result.error();
    return Error{ErrorCode::kConfig,
                 std::to_string(error.source().begin.line) + ": " + std::string(error.description())};
  }
  return Convert("", result.table());
}

}  // namespace chronik::config
