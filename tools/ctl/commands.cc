// SPDX-License-Identifier: Apache-2.0
#include "tools/ctl/commands.h"

#include <CLI/CLI.hpp>
#include <iostream>
#include <utility>

#include "tools/ctl/cluster.h"
#include "tools/ctl/log.h"
#include "tools/ctl/membership.h"
#include "tools/ctl/messages.h"
#include "tools/ctl/plugin.h"
#include "tools/ctl/topic.h"

namespace chronik::ctl {
namespace {

// What parsing fills and commands read; lives as long as the command line.
struct Line {
  Globals globals;
  std::function<int()>* run;
  std::string topic;
  TransferOptions transfer;
  AddOptions add;
  LeaveOptions leave;
  NewTopicOptions new_topic;
  ProduceOptions produce;
  ConsumeOptions consume;
  DumpOptions dump;
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

void AddWaiting(CLI::App* command, Waiting* waiting, const std::string& until) {
  command->add_flag("--wait", waiting->wait, "Waits until " + until + "; progress goes to standard error");
  command->add_option("--within", waiting->within_s, "How long --wait waits; exit code 5 after that")
      ->check(CLI::Range(1, 7 * 24 * 3600))
      ->default_val(600)
      ->type_name("SECONDS");
}

void AddMembership(CLI::App* cluster, const LinePtr& line) {
  CLI::App* add = Command(cluster, "add", "Prints a configuration with which a new node joins; refuses what is in use",
                          line, [](Line& l) { return ClusterAdd(l.globals, l.add); });
  add->add_option("node", line->add.node, "Its id, new in the cluster")
      ->required()
      ->check(CLI::Range(1, INT32_MAX))
      ->type_name("NODE");
  add->add_option("--addr", line->add.address, "Where clients are to reach it")->required()->type_name("HOST:PORT");
  add->add_option("--rpc-addr", line->add.rpc_address, "Where other nodes are to; else the same host, port + 10000")
      ->type_name("HOST:PORT");
  add->add_option("--rack", line->add.rack, "Its rack")->type_name("NAME");
  add->add_option("--out", line->add.out, "Writes this new file in place of standard output")->type_name("FILE");
  AddWaiting(add, &line->add.waiting, "it has joined");
  CLI::App* leave = Command(cluster, "decommission", "Has a broker give all it holds to others, and leave", line,
                            [](Line& l) { return ClusterDecommission(l.globals, l.leave); });
  CLI::App* stay = Command(cluster, "recommission", "Calls a decommission off; what has moved stays where it is", line,
                           [](Line& l) { return ClusterRecommission(l.globals, l.leave); });
  for (CLI::App* command : {leave, stay})
    command->add_option("node", line->leave.node, "The broker")
        ->required()
        ->check(CLI::PositiveNumber)
        ->type_name("NODE");
  AddWaiting(leave, &line->leave.waiting, "it is no member any more");
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

  AddMembership(cluster, line);

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

void AddTopics(CLI::App* app, const LinePtr& line) {
  CLI::App* topics = Group(app, "topic", "Topics");
  CLI::App* create =
      Command(topics, "create", "Creates a topic", line, [](Line& l) { return TopicCreate(l.globals, l.new_topic); });
  create->add_option("name", line->new_topic.name, "The topic")->required()->type_name("NAME");
  create->add_option("--partitions", line->new_topic.partitions, "How many; else the broker's default")
      ->check(CLI::PositiveNumber)
      ->type_name("N");
  create
      ->add_option("--replication-factor", line->new_topic.replication_factor,
                   "Replicas of each partition; else the broker's default")
      ->check(CLI::PositiveNumber)
      ->type_name("N");
  create->add_option("--topic-config", line->new_topic.configs, "A configuration of the topic; may be repeated")
      ->type_name("KEY=VALUE")
      ->allow_extra_args(false);
  Command(topics, "list", "All topics", line, [](Line& l) { return TopicList(l.globals); });
  CLI::App* describe = Command(topics, "describe", "Partitions, leaders, replicas and set configurations", line,
                               [](Line& l) { return TopicDescribe(l.globals, l.topic); });
  describe->add_option("name", line->topic, "The topic")->required()->type_name("NAME");
  CLI::App* remove = Command(topics, "delete", "Deletes a topic with all its messages", line,
                             [](Line& l) { return TopicDelete(l.globals, l.topic); });
  remove->add_option("name", line->topic, "The topic")->required()->type_name("NAME");
}

void AddMessages(CLI::App* app, const LinePtr& line) {
  ProduceOptions& p = line->produce;
  CLI::App* produce = Command(app, "produce", "Sends each line of standard input as a message", line,
                              [](Line& l) { return Produce(l.globals, l.produce); });
  produce->add_option("topic", p.topic, "The topic, which must exist")->required()->type_name("NAME");
  produce->add_option("--partition", p.partition, "Only there; else by the key, or any")
      ->check(CLI::NonNegativeNumber)
      ->type_name("N");
  produce->add_option("--acks", p.acks, "Whom to wait for; all also makes it idempotent")
      ->check(CLI::IsMember({"all", "1", "0"}))
      ->default_val("all");
  produce->add_option("--key-separator", p.key_separator, "What stands before it in a line is the key")
      ->type_name("TEXT");

  ConsumeOptions& c = line->consume;
  CLI::App* consume = Command(app, "consume", "Prints messages, in JSON one object a line; joins no group", line,
                              [](Line& l) { return Consume(l.globals, l.consume); });
  consume->add_option("topic", c.topic, "The topic")->required()->type_name("NAME");
  consume->add_option("--partition", c.partitions, "Only this one; may be repeated")
      ->check(CLI::NonNegativeNumber)
      ->type_name("N")
      ->allow_extra_args(false);
  consume->add_option("--from", c.from, "beginning, end, or an offset")->default_val("beginning")->type_name("WHERE");
  consume->add_option("--count", c.count, "Ends after so many; 0: at the end of the partitions")
      ->check(CLI::NonNegativeNumber)
      ->default_val(0)
      ->type_name("N");
  consume->add_flag("--follow", c.follow, "Waits for more at the end");
  consume->add_flag("--keys", c.keys, "In text, key and value with a tab between them");
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

void AddSelector(CLI::App* command, LogSelector* log) {
  command->add_option("--topic", log->topic, "The topic")->type_name("NAME");
  command->add_option("--partition", log->partition, "Its partition")->check(CLI::NonNegativeNumber)->type_name("N");
  command->add_option("--group", log->group, "A Raft group by its id instead; 1 is the metadata")
      ->check(CLI::PositiveNumber)
      ->type_name("ID");
}

void AddLog(CLI::App* app, const LinePtr& line) {
  CLI::App* log = Group(app, "log", "The logs in the data directory of a broker that does not run");
  CLI::App* dump = Command(log, "dump", "Prints the entries of one log, in JSON one object a line", line,
                           [](Line& l) { return LogDump(l.globals, l.dump); });
  AddSelector(dump, &line->dump.log);
  dump->add_option("--from", line->dump.from, "The first index")->default_val(1)->type_name("INDEX");
  dump->add_option("--count", line->dump.count, "At most so many entries; 0: all")->default_val(0)->type_name("N");
  dump->add_flag("--records", line->dump.records, "Keys and values too");
  CLI::App* verify = Command(log, "verify",
                             "Reads logs, all or one, and checks indexes, terms, offsets, every CRC and every record; "
                             "exit code 11 if something is damaged",
                             line, [](Line& l) { return LogVerify(l.globals, l.dump.log); });
  AddSelector(verify, &line->dump.log);
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
  AddTopics(app.get(), line);
  AddMessages(app.get(), line);
  AddPlugins(app.get(), line);
  AddLog(app.get(), line);
  Command(app.get(), "generate-docs", "Prints docs/chronikctl.md", line, [app = app.get()](Line&) {
    std::cout << Manual(*app);
    return kOk;
  })->group("");
  return app;
}

}  // namespace chronik::ctl
