// SPDX-License-Identifier: Apache-2.0
#include "kernel/config/document.h"

namespace chronik::config {

std::string_view Node::TypeName() const {
  struct Visitor {
    std::string_view operator()(Table) const { return "a table"; }
    std::string_view operator()(Array) const { return "a list"; }
    std::string_view operator()(bool) const { return "a boolean"; }
    std::string_view operator()(int64_t) const { return "an integer"; }
    std::string_view operator()(double) const { return "a fraction"; }
    std::string_view operator()(const std::string&) const { return "a string"; }
    std::string_view operator()(Other other) const { return other.what; }
  };
  return std::visit(Visitor{}, value);
}

}  // namespace chronik::config
