// SPDX-License-Identifier: Apache-2.0
// What a plugin's file shows without being loaded: no code of it runs here.
#pragma once

#include <string>

#include "sdk/conformance/check/finding.h"

namespace chronik_check {

// Throws std::runtime_error if the file cannot be read.
Findings CheckElf(const std::string& path);

}  // namespace chronik_check
