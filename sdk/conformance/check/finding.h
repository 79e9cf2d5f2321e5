// SPDX-License-Identifier: Apache-2.0
// One thing that chronik-plugin-check looked at, and what it saw.
#pragma once

#include <string>
#include <vector>

namespace chronik_check {

enum class Outcome {
  kKept,
  kBroken,
  kSkipped,    // could not be looked at here; the text says why
  kRemark,     // breaks no rule, and the operator should know
  kUnchecked,  // the check itself failed: the verdict is open
};

struct Finding {
  std::string name;   // "elf: exported symbols", "log store: Append.ReplacesTheSuffix"
  std::string rules;  // "LS-10 LS-11", of interfaces/ABI.md
  Outcome outcome = Outcome::kKept;
  std::string text = {};
};

using Findings = std::vector<Finding>;

}  // namespace chronik_check
