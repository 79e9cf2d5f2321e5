// SPDX-License-Identifier: Apache-2.0
// Reads and checks what a loaded plugin says of itself.
#pragma once

#include <chronik/plugin.h>

#include <filesystem>

#include "kernel/base/result.h"
#include "kernel/host/plugin_loader.h"

namespace chronik::host {

// `raw`: what the entry function of `file` returned. Copies the descriptor and the tables of the interfaces that this
// host speaks into full-size ones. The error says what the plugin offers, what this host speaks, and what to do.
Result<LoadedPluginPtr> ReadDescriptor(const std::filesystem::path& file, const chr_plugin* raw);

}  // namespace chronik::host
