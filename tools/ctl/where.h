// SPDX-License-Identifier: Apache-2.0
// Where a broker is found: from the options given, else from the configuration that the broker itself would use.
#pragma once

#include <string>

#include "kernel/config/flags.h"
#include "tools/ctl/command.h"

namespace chronik::ctl {

// The command line of a chronikd with this configuration.
config::CommandLine BrokersCommandLine(const Globals& globals);

std::string DataDirectory(const Globals& globals);
// A path (it has a '/'), or host:port.
std::string AdminAddress(const Globals& globals);
std::string BootstrapServers(const Globals& globals);

}  // namespace chronik::ctl
