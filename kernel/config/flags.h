// SPDX-License-Identifier: Apache-2.0
// The command line of chronikd.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "kernel/base/result.h"

namespace chronik::config {

struct CommandLine {
  enum class Action {
    kServe,
    kHelp,
    kVersion,
    kCheckConfig,
    kExplain,  // `argument` is the key
    kPrintConfig,
    kListPlugins,
    kVersionCompat,
    kGenerateConfigDocs,
  };
  Action action = Action::kServe;
  std::string argument;
  std::vector<std::string> config_files;         // --config, then --cluster-config
  std::map<std::string, std::string> overrides;  // flags that override a key: "data-dir" -> value (Inputs::flags)
};

// Every problem of the command line at once, one a line: an unknown flag (with the nearest name), a missing value, two
// actions, anything that is not a flag. Sets the gflags of the same names. Call it once.
Result<CommandLine> ParseCommandLine(int argc, const char* const* argv);

// The text of --help: our flags only.
std::string HelpText();

}  // namespace chronik::config
