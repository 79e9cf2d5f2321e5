// SPDX-License-Identifier: Apache-2.0
#include "sdk/conformance/common/plugin_file.h"

#include <dlfcn.h>

#include <cstdio>
#include <cstdlib>
#include <span>
#include <string_view>

#include <chronik/sdk/guard.h>

namespace chronik_conformance {

chr_plugin LoadPlugin(const std::string& path) {
  void* library = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
  if (library == nullptr) {
    std::fprintf(stderr, "%s\n", ::dlerror());
    std::exit(2);
  }
  const auto main = reinterpret_cast<chr_plugin_main_fn>(::dlsym(library, CHR_PLUGIN_MAIN_SYMBOL));
  if (main == nullptr) {
    std::fprintf(stderr, "%s has no symbol %s\n", path.c_str(), CHR_PLUGIN_MAIN_SYMBOL);
    std::exit(2);
  }
  return chronik::sdk::CopyIn(*main());
}

const void* RequireInterface(const chr_plugin& plugin, const char* id) {
  for (const chr_iface& iface : std::span(plugin.ifaces, plugin.iface_count)) {
    if (std::string_view(iface.id) == id) return iface.table;
  }
  std::fprintf(stderr, "%s offers no %s\n", plugin.id, id);
  std::exit(2);
}

}  // namespace chronik_conformance
