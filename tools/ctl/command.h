// SPDX-License-Identifier: Apache-2.0
// What every command of chronikctl shares: the global options, the exit codes, and how a command fails.
#pragma once

#include <stdexcept>
#include <string>
#include <vector>

namespace chronik::ctl {

// Scripts depend on them: they never change their meaning.
enum ExitCode : int {
  kOk = 0,
  kFailed = 1,        // asked for, and refused or not done; the message says why
  kUsage = 2,         // the command line or the configuration is wrong
  kNotReachable = 3,  // no broker answered where it was looked for
  kNotFound = 4,      // no such topic, partition or node
  kNotInTime = 5,     // what was asked for is under way, and was not seen to end within the time given
  kUnhealthy = 10,    // `cluster health`, `cluster safe-to-stop`: the answer is no
  kDamaged = 11,      // `log verify`: the log is damaged
  kInUse = 12,        // `log`: a broker runs on the data directory
};

// Thrown by commands, caught in main.
class Failure : public std::runtime_error {
 public:
  Failure(ExitCode exit_code, const std::string& message) : std::runtime_error(message), code(exit_code) {}
  const ExitCode code;
};

struct Globals {
  std::string format = "text";
  std::string admin;                 // a path, host:port or http://host:port; empty: from the configuration
  std::vector<std::string> configs;  // as given to chronikd
  std::string data_dir;
  std::string plugin_dir;
  std::string bootstrap;  // empty: broker.listen of the configuration
  int timeout_s = 15;
  bool json() const { return format == "json"; }
};

}  // namespace chronik::ctl
