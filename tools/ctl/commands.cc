// SPDX-License-Identifier: Apache-2.0
#include "tools/ctl/commands.h"

#include <CLI/CLI.hpp>
#include <iostream>
#include <utility>

#include "tools/ctl/cluster.h"
#include "tools/ctl/plugin.h"

namespace chronik::ctl {
namespace {

// What parsing fills and commands read; lives as long as the command line.
struct Line {
  Globals globals;
  std::function<int()>* run;
  std::string topic;
  TransferOptions transfer;
  std::string plugin;
};
using LinePtr = std::shared_ptr<Line>;

// A command: what it does with the options that were parsed.
template <class F>
CLI::App* Command(CLI::App* parent, const std::string& name, const std::string& what, const LinePtr& line, F run) {
  CLI::App* command = parent->add_subcommand(name, what);
  command->callback([line, run] { *line->run = [line, run] { return run(*line); }; });
  return command;
}

CLI::App* Group(CLI::App* app, const std::string& name, const std::string& what) {
  CLI::App* group = app->add_subcommand(name, what);
  group->require_subcommand(1);
  return group;
}

void AddGlobals(CLI::App* app, Globals* g) {
  app->add_option("--format", g->format, "How answers are printed")
      ->check(CLI::IsMember({"text", "json"}))
      ->default_val("text");
  app->add_option("--config", g->configs, "A configuration file of the broker, to find it or its data; may be repeated")
      ->type_name("FILE")
      ->allow_extra_args(false);
  app->add_option("--data-dir", g->data_dir, "The broker's data directory")->type_name("DIR");
  app->add_option("--plugin-dir", g->plugin_dir, "Where plugins are")->type_name("DIR");
  app->add_option("--admin", g->admin,
                  "The admin endpoint: the path of its socket, host:port or http://host:port; else it is found from "
                  "--config or --data-dir")
      ->type_name("PATH-OR-URL");
  app->add_option("--bootstrap", g->bootstrap, "Kafka listeners to begin with; else broker.listen of --config")
      ->type_name("HOST:PORT");
  app->add_option("--timeout", g->timeout_s, "Seconds until a question counts as not answered")
      ->check(CLI::Range(1, 3600))
      ->default_val(15)
      ->type_name("SECONDS");
}

void AddCluster(CLI::App* app, const LinePtr& line) {
  CLI::App* cluster = Group(app, "cluster", "The cluster as one broker sees it");
  Command(cluster, "status", "A summary: members, metadata, partitions, health", line,
          [](Line& l) { return ClusterStatus(l.globals); });
  Command(cluster, "health", "Healthy, or why not; exit code 10 if not", line,
          [](Line& l) { return ClusterHealth(l.globals); });
  Command(cluster, "members", "The brokers", line, [](Line& l) { return ClusterMembers(l.globals); });
  Command(cluster, "safe-to-stop", "Whether the broker that is asked may stop now; exit code 10 if not", line,
          [](Line& l) { return SafeToStop(l.globals); });

  CLI::App* partitions = Group(app, "partitions", "Replicas and leaders");
  CLI::App* list = Command(partitions, "list", "Leader, replicas and in-sync replicas of each partition", line,
                           [](Line& l) { return PartitionsList(l.globals, l.topic); });
  list->add_option("--topic", line->topic, "Of this topic only")->type_name("NAME");
  CLI::App* transfer = Command(partitions, "transfer", "Has another replica lead a partition, and waits for it", line,
                               [](Line& l) { return PartitionsTransfer(l.globals, l.transfer); });
  transfer->add_option("--topic", line->transfer.topic, "The topic")->required()->type_name("NAME");
  transfer->add_option("--partition", line->transfer.partition, "The partition")
      ->required()
      ->check(CLI::NonNegativeNumber)
      ->type_name("N");
  transfer->add_option("--to", line->transfer.to, "The node that shall lead")
      ->required()
      ->check(CLI::PositiveNumber)
      ->type_name("NODE");
}

void AddPlugins(CLI::App* app, const LinePtr& line) {
  CLI::App* plugins = Group(app, "plugin", "Plugins");
  CLI::App* list = Command(plugins, "list", "The plugins that a broker runs, or those of --dir", line,
                           [](Line& l) { return PluginList(l.globals, l.plugin); });
  list->add_option("--dir", line->plugin, "Look into this directory instead of asking a broker")->type_name("DIR");
  CLI::App* inspect =
      Command(plugins, "inspect", "Identity, interfaces and options of one plugin. Loads the file into this process",
              line, [](Line& l) { return PluginInspect(l.globals, l.plugin); });
  inspect->add_option("file", line->plugin, "The plugin's file")->required()->type_name("FILE");
}

}  // namespace

std::shared_ptr<CLI::App> MakeCommandLine(std::function<int()>* run) {
  auto app = std::make_shared<CLI::App>("Operates and looks into a chronik cluster.", "chronikctl");
  auto line = std::make_shared<Line>();
  line->run = run;
  app->fallthrough();
  app->require_subcommand(1);
  app->set_help_all_flag("--help-all", "Help of all commands");
  app->set_version_flag("--version", "chronikctl " CHRONIK_VERSION);
  AddGlobals(app.get(), &line->globals);
  AddCluster(app.get(), line);
  AddPlugins(app.get(), line);
  Command(app.get(), "generate-docs", "Prints docs/chronikctl.md", line, [app = app.get()](Line&) {
    std::cout << Manual(*app);
    return kOk;
  })->group("");
  return app;
}

}  // namespace chronik::ctl
