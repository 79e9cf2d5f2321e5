// SPDX-License-Identifier: Apache-2.0
// The conformance programs: which holds a plugin to which interface, how much of it each level runs, and what it said.
#pragma once

#include <chrono>
#include <map>
#include <string>

#include "sdk/conformance/check/finding.h"

namespace chronik_check {

enum class Level { kQuick, kFull, kSoak };

struct KitRun {
  std::string directory;  // where the kits are
  std::string plugin;
  std::map<std::string, std::string> options;
  Level level = Level::kFull;
  std::chrono::seconds limit{0};  // for one run of a kit
};

// Runs the kit of `interface_id` on the plugin. One finding a test.
Findings RunKit(const KitRun& run, const std::string& interface_id);

}  // namespace chronik_check
