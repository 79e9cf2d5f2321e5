// SPDX-License-Identifier: Apache-2.0
// What every text in a configuration must be, wherever it comes from, so that it can be printed as TOML and read again.
#pragma once

#include <string_view>

#include "kernel/base/result.h"

namespace chronik::config {

// UTF-8 without NUL. The error is one sentence without the text.
Status CheckText(std::string_view text);

}  // namespace chronik::config
