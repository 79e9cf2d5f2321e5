// SPDX-License-Identifier: Apache-2.0
// The one place that reads configuration files and the environment; all else of this folder is given texts.
#pragma once

#include <string>
#include <string_view>

#include "kernel/config/flags.h"
#include "kernel/config/loader.h"

namespace chronik::config {

// The files that the command line names, this process's environment and its flags. A file that cannot be read or is
// larger than 1 MiB becomes one of `problems`.
Inputs ReadInputs(const CommandLine& command_line);

}  // namespace chronik::config
