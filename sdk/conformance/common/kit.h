// SPDX-License-Identifier: Apache-2.0
// What the kits for discovery, snapshot sinks and metrics exporters share: their options, the loaded plugin, and a
// breach that ends a child process.
#pragma once

#include <string>
#include <vector>

#include <chronik/plugin.h>

#include "sdk/conformance/common/calling.h"
#include "sdk/conformance/common/kit_options.h"

namespace chronik_conformance {

KitOptions& Kit();

void ParseKitOptions(int argc, char** argv, const std::vector<KitFlag>& more = {});

// The plugin of --plugin, loaded once.
const chr_plugin& ThePlugin();

// Its table of the interface `id`; exits with 2 if it has none.
const void* TheTable(const char* id);

}  // namespace chronik_conformance
