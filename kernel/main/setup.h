// SPDX-License-Identifier: Apache-2.0
// From the command line to a checked configuration with its plugins loaded: everything that can be refused before
// anything starts.
#pragma once

#include <map>
#include <string>

#include "kernel/base/result.h"
#include "kernel/config/config.h"
#include "kernel/config/flags.h"
#include "kernel/config/settings.h"
#include "kernel/host/plugin_instance.h"
#include "kernel/host/plugin_loader.h"

namespace chronik::main {

struct Setup {
  config::Config config;
  config::Settings settings;
  std::map<std::string, host::LoadedPluginPtr> plugins;  // by kind; absent: disabled
};

// Reads files and environment, loads the plugins they name, checks all of it. The error holds every problem, one a
// line.
Result<Setup> SetUp(const config::CommandLine& command_line);

// As the plugin's config service wants them.
host::OptionValues ToOptionValues(const config::PluginSettings& settings);

// The output of --list-plugins for the directory that the configuration names.
Result<std::string> ListPlugins(const config::CommandLine& command_line);
// docs/configuration.md, with the options of every plugin in the directory.
Result<std::string> GenerateManual(const config::CommandLine& command_line);

}  // namespace chronik::main
