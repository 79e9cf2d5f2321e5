// SPDX-License-Identifier: Apache-2.0
#include "sdk/conformance/common/kit.h"

#include "sdk/conformance/common/plugin_file.h"

namespace chronik_conformance {

KitOptions& Kit() {
  static KitOptions options;
  return options;
}

void ParseKitOptions(int argc, char** argv, const std::vector<KitFlag>& more) {
  ParseKitFlags(argc, argv, &Kit(), more);
}

const chr_plugin& ThePlugin() {
  static const chr_plugin plugin = LoadPlugin(Kit().plugin);
  return plugin;
}

const void* TheTable(const char* id) { return RequireInterface(ThePlugin(), id); }

void Breach(const std::string& rule) { ReportBreach(Kit(), rule); }

}  // namespace chronik_conformance
