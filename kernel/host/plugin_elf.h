// SPDX-License-Identifier: Apache-2.0
// What a plugin's file shows without being loaded: no code of it runs here.
#pragma once

#include <filesystem>

#include "kernel/base/result.h"

namespace chronik::host {

// A complete shared object for this machine that exports chronik_plugin_main_v1 and nothing else but the entry symbols
// of other epochs (a plugin may serve several). The error says what is wrong and what to do.
Status CheckElf(const std::filesystem::path& file);

}  // namespace chronik::host
