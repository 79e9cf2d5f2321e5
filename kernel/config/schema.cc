// SPDX-License-Identifier: Apache-2.0
#include "kernel/config/schema.h"

#include <algorithm>

#include "kernel/config/nearest.h"

namespace chronik::config {

const std::vector<std::string>& Schema::PluginKinds() {
  static const std::vector<std::string> kinds = {"log_store", "metrics_exporter", "transport", "discovery",
                                                 "snapshot_sink"};
  return kinds;
}

Status Schema::AddPluginOptions(std::string_view kind, std::string_view plugin, std::vector<OptionSpec> specs) {
  const std::vector<std::string>& kinds = PluginKinds();
  if (std::find(kinds.begin(), kinds.end(), kind) == kinds.end()) {
    return Error{ErrorCode::kPlugin, "unknown kind of plugin '" + std::string(kind) + "'" + Suggestion(kind, kinds)};
  }
  std::set<std::string> keys;
  for (const OptionSpec& spec : specs) {
    if (!keys.insert(spec.key).second) {
      return Error{ErrorCode::kPlugin,
                   "plugin '" + std::string(plugin) + "' declares the option '" + spec.key + "' twice"};
    }
  }
  plugins_[{std::string(kind), std::string(plugin)}] = std::move(specs);
  return {};
}

const std::vector<OptionSpec>& Schema::PluginOptions(std::string_view kind, std::string_view plugin) const {
  static const std::vector<OptionSpec> none;
  const auto found = plugins_.find({std::string(kind), std::string(plugin)});
  return found == plugins_.end() ? none : found->second;
}

}  // namespace chronik::config
