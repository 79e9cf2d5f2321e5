// SPDX-License-Identifier: Apache-2.0
// What the command line asks for: the plugin, its options, and - in a child that the suite starts - the part to play.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace chronik_conformance {

struct SuiteOptions {
  std::string plugin;
  std::map<std::string, std::string> plugin_options;
  uint64_t seed = 1;  // of the random tests; every failure prints the one it used
  uint64_t crash_rounds = 20;
  uint64_t full_disk_mib = 48;  // size of the small file system

  // A child process (see process.h); empty in the suite itself.
  std::string child;
  std::string data_dir;
  std::vector<uint64_t> resume;  // history position per group
};

SuiteOptions& Options();

// Takes the suite's own flags; prints the usage and exits with 2 on what it does not know.
void ParseOptions(int argc, char** argv);

}  // namespace chronik_conformance
