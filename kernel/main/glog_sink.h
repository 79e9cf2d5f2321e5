// SPDX-License-Identifier: Apache-2.0
// Sends the kernel's log lines and its dying words to glog.
#pragma once

#include "kernel/config/settings.h"

namespace chronik::main {

// Once, before other threads run.
void StartLogging(const config::LogSettings& settings);

}  // namespace chronik::main
