// SPDX-License-Identifier: Apache-2.0
// The flags are defined and held by gflags; the scan of the command line is ours, because gflags exits on an error,
// reports only the first, and would accept the flags of every library in the process.
#include "kernel/config/flags.h"

#include <gflags/gflags.h>

#include <algorithm>
#include <array>
#include <string_view>

#include "kernel/config/nearest.h"

DEFINE_string(config, "", "Read this configuration file: TOML, or JSON if it ends in .json.");
DEFINE_string(cluster_config, "", "Read the cluster's keys from a second file.");
DEFINE_string(node_id, "", "This node's id (cluster.node_id).");
DEFINE_string(listen, "", "Where Kafka clients connect (broker.listen).");
DEFINE_string(rpc_listen, "", "Where other nodes connect (broker.rpc_listen).");
DEFINE_string(http_listen, "", "Where health and metrics are served (broker.http_listen).");
DEFINE_string(data_dir, "", "Where this node stores everything (broker.data_dir).");
DEFINE_string(check_plugins, "", "How plugins are held to their contract (plugins.checks): off, report or full.");
DEFINE_string(plugin_dir, "", "Where plugins are looked for (broker.plugin_dir).");
DEFINE_bool(check_config, false, "Check the configuration, report every problem, and end.");
DEFINE_string(explain, "", "Print all about a key (broker.listen) or a section (broker), and end.");
DEFINE_bool(print_config, false, "Print every value and where it comes from, and end.");
DEFINE_bool(list_plugins, false, "Print the plugins there are, and end.");
DEFINE_bool(version_compat, false, "Print the formats and interfaces that this version reads and writes, and end.");
DEFINE_bool(generate_config_docs, false, "Print docs/configuration.md, and end.");

namespace chronik::config {
namespace {

using Action = CommandLine::Action;

// What a flag does besides being set.
struct FlagRow {
  std::string_view name;   // as people type it; gflags has underscores instead
  std::string_view value;  // the value's name for --help; empty: a switch
  Action action = Action::kServe;
  bool overrides = false;  // a key of the registry
};

constexpr std::array<FlagRow, 17> kFlags = {{{"config", "FILE"},
                                             {"cluster-config", "FILE"},
                                             {"node-id", "N", Action::kServe, true},
                                             {"listen", "HOST:PORT", Action::kServe, true},
                                             {"rpc-listen", "HOST:PORT", Action::kServe, true},
                                             {"http-listen", "HOST:PORT", Action::kServe, true},
                                             {"data-dir", "DIR", Action::kServe, true},
                                             {"plugin-dir", "DIR", Action::kServe, true},
                                             {"check-plugins", "LEVEL", Action::kServe, true},
                                             {"check-config", "", Action::kCheckConfig},
                                             {"explain", "KEY", Action::kExplain},
                                             {"print-config", "", Action::kPrintConfig},
                                             {"list-plugins", "", Action::kListPlugins},
                                             {"version-compat", "", Action::kVersionCompat},
                                             {"generate-config-docs", "", Action::kGenerateConfigDocs},
                                             {"version", "", Action::kVersion},
                                             {"help", "", Action::kHelp}}};

std::string GflagsName(std::string_view name) {
  std::string out(name);
  std::replace(out.begin(), out.end(), '-', '_');
  return out;
}

const FlagRow* FindFlag(std::string_view name) {
  std::string dashed(name);
  std::replace(dashed.begin(), dashed.end(), '_', '-');
  const auto found = std::find_if(kFlags.begin(), kFlags.end(), [&](const FlagRow& row) { return row.name == dashed; });
  return found == kFlags.end() ? nullptr : &*found;
}

std::string SuggestFlag(std::string_view name) {
  std::vector<std::string> names;
  names.reserve(kFlags.size());
  for (const FlagRow& row : kFlags) names.emplace_back(row.name);
  const std::string nearest = NearestName(name, names);
  return nearest.empty() ? "; --help lists the flags" : "; did you mean '--" + nearest + "'?";
}

class Scanner {
 public:
  Scanner(int argc, const char* const* argv) {
    for (int i = 1; i < argc; ++i) arguments_.emplace_back(argv[i]);
  }

  Result<CommandLine> Scan() {
    while (next_ < arguments_.size()) TakeArgument(arguments_[next_++]);
    for (const std::string_view name : {"config", "cluster-config"}) {
      if (values_.contains(name)) out_.config_files.push_back(values_[name]);
    }
    if (problems_.empty()) return std::move(out_);
    return Error{ErrorCode::kConfig, problems_};
  }

 private:
  void Refuse(std::string_view what) { problems_.append(problems_.empty() ? "" : "\n").append(what); }

  void TakeArgument(std::string_view argument) {
    if (!argument.starts_with('-') || argument.find_first_not_of('-') == std::string_view::npos) {
      return Refuse("unexpected argument '" + std::string(argument) + "'; --help lists the flags");
    }
    std::string_view text = argument.substr(argument.starts_with("--") ? 2 : 1);
    if (argument == "-h") text = "help";
    const size_t equals = text.find('=');
    const std::string_view name = text.substr(0, equals);
    const FlagRow* row = FindFlag(name);
    if (row == nullptr) return Refuse("unknown flag '--" + std::string(name) + "'" + SuggestFlag(name));
    if (equals != std::string_view::npos) return Set(*row, text.substr(equals + 1));
    if (row->value.empty()) return Set(*row, "true");
    if (next_ == arguments_.size() || arguments_[next_].starts_with("--")) {
      return Refuse("--" + std::string(row->name) + " needs a value: --" + std::string(row->name) + ' ' +
                    std::string(row->value));
    }
    Set(*row, arguments_[next_++]);
  }

  void Set(const FlagRow& row, std::string_view text) {
    const std::string flag = "--" + std::string(row.name);
    if (!values_.emplace(row.name, text).second) return Refuse(flag + " is given twice");
    const bool own =
        row.action != Action::kHelp && row.action != Action::kVersion;  // those two belong to gflags itself
    if (own && gflags::SetCommandLineOption(GflagsName(row.name).c_str(), std::string(text).c_str()).empty()) {
      return Refuse(flag + " does not take '" + std::string(text) + "'");
    }
    if (row.value.empty() && text != "true") return;  // --check-config=false
    if (row.overrides) out_.overrides.emplace(row.name, text);
    if (row.action == Action::kServe) return;
    if (out_.action != Action::kServe) return Refuse(flag + " does not go with " + action_flag_);
    out_.action = row.action;
    action_flag_ = flag;
    if (!row.value.empty()) out_.argument = text;
  }

  std::vector<std::string_view> arguments_;
  size_t next_ = 0;
  std::map<std::string_view, std::string> values_;
  std::string action_flag_;
  std::string problems_;
  CommandLine out_;
};

std::string_view OwnDescription(const FlagRow& row) {
  return row.action == Action::kHelp ? "Print this text, and end." : "Print the version, and end.";
}

}  // namespace

Result<CommandLine> ParseCommandLine(int argc, const char* const* argv) { return Scanner(argc, argv).Scan(); }

std::string HelpText() {
  constexpr size_t kTextColumn = 28;
  std::string out =
      "chronikd - a broker that speaks the Kafka protocol\n\n"
      "usage: chronikd [flags]       without any: a single node on 127.0.0.1:9092, data in ./chronik-data\n\n";
  for (const FlagRow& row : kFlags) {
    std::string line = "  --" + std::string(row.name) + (row.value.empty() ? "" : " " + std::string(row.value));
    line.append(line.size() < kTextColumn ? kTextColumn - line.size() : 1, ' ');
    gflags::CommandLineFlagInfo info;
    const bool own = row.action != Action::kHelp && row.action != Action::kVersion;
    const bool known = own && gflags::GetCommandLineFlagInfo(GflagsName(row.name).c_str(), &info);
    out += line + (known ? info.description : std::string(OwnDescription(row))) + '\n';
  }
  return out + "\nEvery key, its environment variable and its default: docs/configuration.md, or --explain SECTION.\n";
}

}  // namespace chronik::config
