// SPDX-License-Identifier: Apache-2.0
// From a file's typed value to an option's, and the small syntax that both share.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "kernel/config/document.h"
#include "kernel/config/option.h"
#include "kernel/config/peers.h"

namespace chronik::config {

// The node's value, type and range checked; or none, and at least one problem more.
std::optional<Value> ValueOfNode(const OptionSpec& spec, const Node& node, std::vector<NodeProblem>* problems);

std::vector<std::string> SplitList(std::string_view text);  // "a, b" -> a b; "" -> nothing
std::string QuoteToml(std::string_view text);               // a TOML basic string

}  // namespace chronik::config
