// SPDX-License-Identifier: Apache-2.0
// `chronikctl plugin`: what a broker runs, and what a file is.
#pragma once

#include <string>

#include "tools/ctl/command.h"

namespace chronik::ctl {

// `directory` empty: asks the broker.
int PluginList(const Globals& globals, const std::string& directory);
int PluginInspect(const Globals& globals, const std::string& file);

}  // namespace chronik::ctl
