// SPDX-License-Identifier: Apache-2.0
#include "kernel/config/loader.h"

#include <algorithm>

#include "kernel/config/environment.h"
#include "kernel/config/nearest.h"
#include "kernel/config/node_value.h"
#include "kernel/config/settings.h"

namespace chronik::config {
namespace {

constexpr std::string_view kPluginSectionPrefix = "plugins.";

// The broker has one HTTP address; an exporter that serves HTTP itself and calls its address `listen` takes it from
// there. Likewise the transport and the address for other nodes, which may also stand in this node's peer entry.
constexpr std::string_view kHttpListen = "broker.http_listen";
constexpr std::string_view kExporterListen = "plugins.metrics_exporter.listen";
constexpr std::string_view kRpcListen = "broker.rpc_listen";
constexpr std::string_view kTransportListen = "plugins.transport.listen";
// What a discovery starts from, which the operator says in other terms.
constexpr std::string_view kDiscoveryPlugin = "plugins.discovery.plugin";
constexpr std::string_view kDiscoveryMode = "cluster.discovery.mode";
constexpr std::string_view kDiscoveryService = "plugins.discovery.service";
constexpr std::string_view kDiscoveryNodes = "plugins.discovery.nodes";

template <class T>
const T* FindValue(const std::vector<Entry>& entries, std::string_view name) {
  for (const Entry& entry : entries) {
    if (entry.spec.name() == name) return std::get_if<T>(&entry.value);
  }
  return nullptr;
}

// What a plugin's own `listen` is unless it is set, and the key that says so; empty: nothing does.
std::pair<HostPort, std::string_view> ListenOf(std::string_view name, const std::vector<Entry>& resolved) {
  if (name == kExporterListen) {
    const auto* http = FindValue<HostPort>(resolved, kHttpListen);
    return {http != nullptr ? *http : HostPort{}, kHttpListen};
  }
  if (name != kTransportListen) return {};
  if (const auto* rpc = FindValue<HostPort>(resolved, kRpcListen); rpc != nullptr && !rpc->empty())
    return {*rpc, kRpcListen};
  const auto* peers = FindValue<std::vector<Peer>>(resolved, "cluster.peers.nodes");
  const auto* self = FindValue<int64_t>(resolved, "cluster.node_id");
  if (peers == nullptr || self == nullptr) return {};
  for (const Peer& peer : *peers) {
    if (peer.id == static_cast<uint64_t>(*self)) return {peer.rpc_address, "cluster.peers.nodes"};
  }
  return {};
}

// The default that other keys make for this one, and the key it comes from; empty: none.
std::pair<std::string, std::string_view> DerivedDefault(std::string_view name, const std::vector<Entry>& resolved) {
  constexpr std::string_view kPeers = "cluster.peers.nodes";
  constexpr std::string_view kService = "cluster.discovery.dns_service";
  if (name == kDiscoveryPlugin) {
    const auto* mode = FindValue<std::string>(resolved, kDiscoveryMode);
    return {mode != nullptr ? "discovery_" + *mode : "", kDiscoveryMode};
  }
  if (name == kDiscoveryService) {
    const auto* service = FindValue<std::string>(resolved, kService);
    return {service != nullptr ? *service : "", kService};
  }
  if (name == kDiscoveryNodes) {
    const auto* peers = FindValue<std::vector<Peer>>(resolved, kPeers);
    return {peers != nullptr ? FormatNodes(*peers) : "", kPeers};
  }
  const auto [address, key] = ListenOf(name, resolved);
  return {address.empty() ? "" : address.ToString(), key};
}

std::string SectionOf(std::string_view name) { return std::string(name.substr(0, name.rfind('.'))); }

const std::vector<std::string>& SectionNames() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> all;
    for (const SectionDoc& section : KernelSections()) all.emplace_back(section.name);
    return all;
  }();
  return names;
}

bool IsSection(std::string_view name) {
  return std::find(SectionNames().begin(), SectionNames().end(), name) != SectionNames().end();
}

const OptionSpec* FindKernelOption(std::string_view name) {
  for (const OptionSpec& spec : KernelOptions()) {
    if (spec.name() == name) return &spec;
  }
  return nullptr;
}

// "broker.listen" for "listen": a key that exists, but elsewhere.
std::string SameKeyElsewhere(std::string_view key, const std::vector<OptionSpec>& options) {
  for (const OptionSpec& spec : options) {
    if (spec.key == key) return spec.name();
  }
  return "";
}

std::string SuggestKey(std::string_view section, std::string_view key, const std::vector<OptionSpec>& options) {
  std::vector<std::string> keys;
  for (const OptionSpec& spec : options) {
    if (spec.section == section) keys.push_back(spec.key);
  }
  const std::string elsewhere = SameKeyElsewhere(key, options);
  if (NearestName(key, keys).empty() && !elsewhere.empty()) return "; did you mean '" + elsewhere + "'?";
  return Suggestion(key, keys);
}

std::string Join(const std::vector<std::string>& lines) {
  std::string out;
  for (const std::string& line : lines) out += (out.empty() ? "" : "\n") + line;
  return out;
}

}  // namespace

Loader::Loader(Inputs inputs) : inputs_(std::move(inputs)), problems_(inputs_.problems) {
  documents_read_ = inputs_.problems.empty();
  for (const FileText& file : inputs_.files) ReadFile(file);
  ReadEnvironment();
  ReadFlags();
}

void Loader::Refuse(std::string_view where, std::string_view name, std::string_view what) {
  problems_.push_back(ProblemText(where, name, what));
}

void Loader::ReadFile(const FileText& file) {
  const Result<Node> root = file.path.ends_with(".json") ? ParseJson(file.text) : ParseToml(file.text);
  if (root.ok()) return ReadTable(file, *root, "");
  documents_read_ = false;
  problems_.push_back(file.path + ':' + root.error().message);
}

// Sorts out sections; what is left are keys, known or not.
void Loader::ReadTable(const FileText& file, const Node& table, const std::string& section) {
  for (const Node& member : table.children) {
    const std::string name = section.empty() ? member.name : section + '.' + member.name;
    const std::string where = file.path + ':' + std::to_string(member.line);
    if (IsSection(name)) {
      if (member.IsTable()) {
        ReadTable(file, member, name);
      } else {
        Refuse(where, name, "is a section, not a key: write [" + name + "] above its keys");
      }
    } else if (section.empty() && !member.IsTable()) {
      const std::string meant = SameKeyElsewhere(member.name, KernelOptions());
      Refuse(where, name, "stands in no section" + (meant.empty() ? "" : "; did you mean '" + meant + "'?"));
    } else if (member.IsTable() && FindKernelOption(name) == nullptr) {
      const bool kind = name.starts_with(kPluginSectionPrefix) && section + '.' == kPluginSectionPrefix;
      Refuse(where, name,
             kind ? "unknown kind of plugin" + Suggestion(member.name, Schema::PluginKinds())
                  : "unknown section" + Suggestion(name, SectionNames()));
    } else if (const auto [first, added] = file_values_.emplace(name, FileValue{member, &file.path}); !added) {
      Refuse(where, name, "stands at " + first->second.Where(first->second.node.line) + " too");
    }
  }
}

void Loader::ReadEnvironment() {
  std::vector<std::string> known;
  for (const OptionSpec& spec : KernelOptions()) {
    if (!spec.environment.empty()) known.push_back(spec.environment);
  }
  for (const auto& [name, value] : inputs_.environment) {
    if (!name.starts_with(kEnvironmentPrefix) || IsKubernetesServiceLink(name, value)) continue;
    const auto spec = std::find_if(KernelOptions().begin(), KernelOptions().end(),
                                   [&name](const OptionSpec& option) { return option.environment == name; });
    if (spec == KernelOptions().end()) {
      Refuse(name, "", "unknown environment variable" + Suggestion(name, known));
    } else {
      overrides_[spec->name()].push_back({{Origin::Layer::kEnvironment, name}, value});
    }
  }
}

void Loader::ReadFlags() {
  for (const auto& [flag, value] : inputs_.flags) {
    const auto spec = std::find_if(KernelOptions().begin(), KernelOptions().end(),
                                   [&flag](const OptionSpec& option) { return option.flag == flag; });
    CHRONIK_CHECK(!flag.empty() && spec != KernelOptions().end()) << "--" << flag << " overrides no key";
    overrides_[spec->name()].push_back({{Origin::Layer::kFlag, "--" + flag}, value});
  }
}

std::optional<Value> Loader::Peek(std::string_view name) {
  const OptionSpec* spec = FindKernelOption(name);
  CHRONIK_CHECK(spec != nullptr) << name << " is no key";
  const std::vector<std::string> problems = problems_;
  std::optional<Entry> entry = Resolve(*spec, {});
  problems_ = problems;
  return entry ? std::optional<Value>(std::move(entry->value)) : std::nullopt;
}

std::string Loader::PluginName(std::string_view kind) {
  const std::string name = std::string(kPluginSectionPrefix).append(kind) + ".plugin";
  const OptionSpec* spec = FindKernelOption(name);
  CHRONIK_CHECK(spec != nullptr) << kind << " is no kind of plugin";
  if (!spec->effective) return "";
  std::string plugin = spec->default_text.value_or("");
  if (const auto found = file_values_.find(name); found != file_values_.end()) {
    const auto* text = std::get_if<std::string>(&found->second.node.value);
    plugin = text == nullptr ? "" : *text;
  }
  if (plugin.empty() && name == kDiscoveryPlugin && !file_values_.contains(name)) {
    if (const auto mode = Peek(kDiscoveryMode)) plugin = "discovery_" + std::get<std::string>(*mode);
  }
  return plugin == "none" ? "" : plugin;
}

void Loader::RefusePlugin(std::string_view kind, std::string_view why, const std::vector<std::string>& known) {
  const std::string name = std::string(kPluginSectionPrefix).append(kind) + ".plugin";
  const auto found = file_values_.find(name);
  const std::string where = found == file_values_.end() ? "" : found->second.Where(found->second.node.line);
  const std::string plugin = PluginName(kind);
  Refuse(where, name, "'" + plugin + "': " + std::string(why) + (known.empty() ? "" : Suggestion(plugin, known)));
  refused_plugins_.emplace(kind);
}

// The kernel's options, those of the chosen plugins behind the key that names the plugin.
std::vector<OptionSpec> Loader::ActiveOptions() {
  std::vector<OptionSpec> options;
  for (const OptionSpec& spec : KernelOptions()) {
    options.push_back(spec);
    if (spec.key != "plugin") continue;
    const std::string kind = spec.section.substr(kPluginSectionPrefix.size());
    if (refused_plugins_.contains(kind)) continue;
    for (const OptionSpec& own : schema_.PluginOptions(kind, PluginName(kind))) options.push_back(own);
  }
  return options;
}

void Loader::RefuseUnknownKeys(const std::vector<OptionSpec>& options) {
  std::set<std::string> known;
  for (const OptionSpec& spec : options) known.insert(spec.name());
  for (const auto& [name, value] : file_values_) {
    if (known.contains(name)) continue;
    const std::string section = SectionOf(name);
    if (section.starts_with(kPluginSectionPrefix) &&
        refused_plugins_.contains(section.substr(kPluginSectionPrefix.size()))) {
      continue;
    }
    Refuse(value.Where(value.node.line), name, "unknown key" + SuggestKey(section, value.node.name, options));
  }
}

std::optional<Entry> Loader::ResolveDefault(const OptionSpec& spec, const std::vector<Entry>& resolved) {
  if (const auto [text, key] = DerivedDefault(spec.name(), resolved); !text.empty()) {
    const Result<Value> value = ParseValue(spec, text);
    if (value.ok()) return Entry{spec, *value, {Origin::Layer::kDefault, std::string(key)}};
  }
  const auto own = inputs_.defaults.find(spec.name());
  if (own == inputs_.defaults.end() && !spec.default_text) {
    if (documents_read_) Refuse("", spec.name(), "is required and has no default; it must be " + TypeText(spec));
    return std::nullopt;
  }
  const Result<Value> value = ParseValue(spec, own == inputs_.defaults.end() ? *spec.default_text : own->second);
  if (value.ok()) return Entry{spec, *value, Origin{}};
  Refuse("default", spec.name(), value.error().message);
  return std::nullopt;
}

// The value of the highest layer; every layer is checked, so that a mistake does not hide behind an override.
std::optional<Entry> Loader::Resolve(const OptionSpec& spec, const std::vector<Entry>& resolved) {
  std::optional<Entry> entry;
  bool valid = true;
  if (const auto found = file_values_.find(spec.name()); found != file_values_.end()) {
    const FileValue& in_file = found->second;
    std::vector<NodeProblem> problems;
    std::optional<Value> value = ValueOfNode(spec, in_file.node, &problems);
    for (const NodeProblem& problem : problems) Refuse(in_file.Where(problem.line), spec.name(), problem.what);
    valid = value.has_value();
    if (value) entry = Entry{spec, std::move(*value), {Origin::Layer::kFile, in_file.Where(in_file.node.line)}};
  }
  if (const auto found = overrides_.find(spec.name()); found != overrides_.end()) {
    for (const Override& override : found->second) {
      Result<Value> value = ParseValue(spec, override.text);
      if (value.ok()) {
        entry = Entry{spec, std::move(value).value(), override.origin};
      } else {
        valid = false;
        Refuse(override.origin.where, spec.name(), value.error().message);
      }
    }
  }
  if (!valid) return std::nullopt;
  return entry ? entry : ResolveDefault(spec, resolved);
}

void Loader::RefuseWithoutEffect(const Entry& entry) {
  if (entry.spec.effective || entry.origin.layer == Origin::Layer::kDefault) return;
  const Result<Value> standard = ParseValue(entry.spec, entry.spec.default_text.value_or(""));
  if (standard.ok() && *standard == entry.value) return;
  Refuse(entry.origin.where, entry.spec.name(),
         "has no effect in this version of chronik; only its default " +
             (standard.ok() ? FormatValue(entry.spec, *standard) : "") + " is accepted");
}

Result<Config> Loader::Finish() {
  const std::vector<OptionSpec> options = ActiveOptions();
  RefuseUnknownKeys(options);
  std::vector<Entry> entries;
  for (const OptionSpec& spec : options) {
    std::optional<Entry> entry = Resolve(spec, entries);
    if (!entry) continue;
    RefuseWithoutEffect(*entry);
    entries.push_back(std::move(*entry));
  }
  Config config(std::move(entries));
  for (std::string& problem : CrossCheck(config)) problems_.push_back(std::move(problem));
  if (!problems_.empty()) return Error{ErrorCode::kConfig, Join(problems_)};
  return config;
}

}  // namespace chronik::config
