// SPDX-License-Identifier: Apache-2.0
// A parsed configuration file, TOML or JSON alike: values with the line they stand on.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "kernel/base/result.h"

namespace chronik::config {

struct Node {
  struct Table {};  // `children` have names
  struct Array {};  // `children` have none
  struct Other {
    std::string_view what;
  };  // a type that no option has: a date, a null
  std::string name;
  int line = 0;  // 1 and up
  std::variant<Table, Array, bool, int64_t, double, std::string, Other> value;
  std::vector<Node> children;

  bool IsTable() const { return std::holds_alternative<Table>(value); }
  bool IsArray() const { return std::holds_alternative<Array>(value); }
  std::string_view TypeName() const;  // "a table", "an integer"...
};

// The root table; or kConfig with "line: what" as the text. Both parsers bound the depth of nesting.
Result<Node> ParseToml(std::string_view text);
Result<Node> ParseJson(std::string_view text);

}  // namespace chronik::config
