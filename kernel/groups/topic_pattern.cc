// SPDX-License-Identifier: Apache-2.0
#include "kernel/groups/topic_pattern.h"

#include <re2/re2.h>

namespace chronik::groups {
namespace {

constexpr int64_t kMaxProgramBytes = 1 << 20;

}  // namespace

Result<std::vector<std::string>> MatchTopics(const std::string& pattern, const std::vector<std::string>& names) {
  if (pattern.size() > kMaxPatternBytes) {
    return Error{ErrorCode::kInvalidArgument, "a regular expression of " + std::to_string(pattern.size()) +
                                                  " bytes; at most " + std::to_string(kMaxPatternBytes)};
  }
  RE2::Options options;
  options.set_log_errors(false);
  options.set_max_mem(kMaxProgramBytes);
  options.set_never_capture(true);
  const RE2 compiled(pattern, options);
  if (!compiled.ok()) return Error{ErrorCode::kInvalidArgument, compiled.error()};
  std::vector<std::string> matching;
  for (const std::string& name : names) {
    if (RE2::FullMatch(name, compiled)) matching.push_back(name);
  }
  return matching;
}

}  // namespace chronik::groups
