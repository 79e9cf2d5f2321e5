// SPDX-License-Identifier: Apache-2.0
// What chronik-plugin-check says in the end: to a reader, to a program, and as its exit code.
#pragma once

#include <string>

#include "sdk/conformance/check/finding.h"

namespace chronik_check {

// 0: every rule that was looked at is kept. 1: a rule is broken. 2: nothing broken was seen, but the check is
// incomplete.
int ExitCode(const Findings& findings);

std::string ToText(const std::string& plugin, const Findings& findings);
std::string ToJson(const std::string& plugin, const std::string& level, const Findings& findings);

}  // namespace chronik_check
