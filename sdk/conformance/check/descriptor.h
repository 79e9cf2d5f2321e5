// SPDX-License-Identifier: Apache-2.0
// What a plugin says of itself once it is loaded, looked at in a child process: loading runs the plugin's code.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "sdk/conformance/check/finding.h"

namespace chronik_check {

struct Description {
  Findings findings;
  std::vector<std::string> interfaces;  // ids, as offered
};

// In the child: loads the plugin, looks, and writes what it found to `report`. Returns the exit code.
int DescribeInChild(const std::string& plugin, const std::map<std::string, std::string>& options,
                    const std::string& report);

// In the parent: starts the child and reads what it found. A child that crashes or hangs is a finding.
Description Describe(const std::string& plugin, const std::string& config);

}  // namespace chronik_check
