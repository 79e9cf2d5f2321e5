// SPDX-License-Identifier: Apache-2.0
// Topics subscribed to by a regular expression. RE2 matches in time linear in the text and compiles within a bound of
// memory, whatever a client sends; the syntax is the one that Kafka uses (RE2/J).
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "kernel/base/result.h"

namespace chronik::groups {

inline constexpr size_t kMaxPatternBytes = 4096;

// The names that the pattern matches as a whole. kInvalidArgument: no pattern, or one too large; the text says why.
Result<std::vector<std::string>> MatchTopics(const std::string& pattern, const std::vector<std::string>& names);

}  // namespace chronik::groups
