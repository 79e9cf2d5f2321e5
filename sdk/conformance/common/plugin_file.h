// SPDX-License-Identifier: Apache-2.0
// The plugin under test as a file.
#pragma once

#include <string>

#include <chronik/plugin.h>

namespace chronik_conformance {

// Loads it with RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE through its one symbol. Says why not and exits with 2 if it
// cannot.
chr_plugin LoadPlugin(const std::string& path);

// The table of that interface; likewise.
const void* RequireInterface(const chr_plugin& plugin, const char* id);

}  // namespace chronik_conformance
