// SPDX-License-Identifier: Apache-2.0
// What the command line asks for: the plugin, its options, and - in a child that the suite starts - the part to play.
#pragma once

#include <cstdint>
#include <vector>

#include "sdk/conformance/common/kit_options.h"

namespace chronik_conformance {

struct SuiteOptions : KitOptions {
  uint64_t full_disk_mib = 48;   // size of the small file system
  std::vector<uint64_t> resume;  // of a child (see process.h): history position per group
};

SuiteOptions& Options();

// Takes the suite's own flags; prints the usage and exits with 2 on what it does not know.
void ParseOptions(int argc, char** argv);

}  // namespace chronik_conformance
