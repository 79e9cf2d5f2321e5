// SPDX-License-Identifier: Apache-2.0
// The command line of the kits: what all of them take, and how a kit adds what only it knows.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace chronik_conformance {

struct KitOptions {
  std::string plugin;
  std::map<std::string, std::string> plugin_options;
  uint64_t seed = 1;  // of the random tests; every failure prints the one it used
  uint64_t crash_rounds = 20;

  // Of a child process that the kit starts; empty in the kit itself.
  std::string child;
  std::string data_dir;
};

struct KitFlag {
  const char* flag;   // "--full-disk-mib"
  const char* value;  // "N", as the usage shows it; NULL: the kit's own children only
  std::function<void(const std::string& value)> set;
};

// Prints the usage and exits with 2 on what neither the kits nor `more` know.
void ParseKitFlags(int argc, char** argv, KitOptions* out, const std::vector<KitFlag>& more);

// Likewise if `text` is no number.
uint64_t NumberOf(std::string_view flag, std::string_view text);

// A test failure, or in a child process the end of it: for a suite's Breach.
void ReportBreach(const KitOptions& options, const std::string& rule);

// The flags that tell a child what the kit was told.
std::vector<std::string> FlagsForChild(const KitOptions& options);

}  // namespace chronik_conformance
