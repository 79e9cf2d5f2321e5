// SPDX-License-Identifier: Apache-2.0
// The option registry: every key there is. The kernel's own are built in; a plugin's are added once its descriptor was
// read.
#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "kernel/config/option.h"

namespace chronik::config {

// The kernel's keys, in the order of the manual. The one table of what can be configured.
const std::vector<OptionSpec>& KernelOptions();

struct SectionDoc {
  std::string_view name;
  std::string_view doc;
};
// One sentence for each of the kernel's sections, in the order of the manual.
const std::vector<SectionDoc>& KernelSections();

class Schema {
 public:
  // kind: "log_store"; plugin: "log_wal", as the configuration names it. Every spec comes from MakePluginOption.
  // Refused: a kind that is not known, a key twice.
  Status AddPluginOptions(std::string_view kind, std::string_view plugin, std::vector<OptionSpec> specs);

  // "log_store" and the others: the kinds of plugins, which are the [plugins.<kind>] sections.
  static const std::vector<std::string>& PluginKinds();

  // The options of one plugin, empty if none were added.
  const std::vector<OptionSpec>& PluginOptions(std::string_view kind, std::string_view plugin) const;
  // Every (kind, plugin) with options, sorted.
  const std::map<std::pair<std::string, std::string>, std::vector<OptionSpec>>& plugins() const { return plugins_; }

 private:
  std::map<std::pair<std::string, std::string>, std::vector<OptionSpec>> plugins_;
};

}  // namespace chronik::config
