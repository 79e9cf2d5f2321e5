// SPDX-License-Identifier: Apache-2.0
// What the command line asks for: the plugin and its options.
#pragma once

#include <chrono>
#include <map>
#include <string>
#include <vector>

#include "sdk/conformance/common/kit_options.h"

namespace chronik_conformance {

// Options that make a node one that no node of the suite may let in, nor be let in by.
struct RefusedNode {
  std::string name;
  std::map<std::string, std::string> options;
};

struct SuiteOptions : KitOptions {
  std::vector<RefusedNode> refused;
  std::string toxiproxy;                          // where its HTTP interface is; empty: the suite's own proxy
  std::chrono::milliseconds notice_limit{10000};  // within which a loss that makes no noise is reported
};

SuiteOptions& Options();

// Takes the suite's own flags; prints the usage and exits with 2 on what it does not know.
void ParseOptions(int argc, char** argv);

}  // namespace chronik_conformance
