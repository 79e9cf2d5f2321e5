// SPDX-License-Identifier: Apache-2.0
#include "tools/ctl/plugin.h"

#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>

#include "kernel/host/plugin_loader.h"
#include "kernel/host/sha256.h"
#include "tools/ctl/admin_client.h"
#include "tools/ctl/output.h"

namespace chronik::ctl {
namespace {

namespace fs = std::filesystem;

// A tool looks at drafts too; it starts nothing.
host::LoadRules Rules(const fs::path& directory) {
  host::LoadRules rules;
  rules.directory = fs::absolute(directory);
  rules.allow_draft = true;
  return rules;
}

std::string ReadFile(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

Json::Value Described(const host::ListedPlugin& listed) {
  Json::Value out;
  out["path"] = listed.path.string();
  out["sha256"] = listed.sha256;
  if (!listed.plugin.ok()) {
    out["refused"] = listed.plugin.error().message;
    return out;
  }
  const host::LoadedPlugin& plugin = **listed.plugin;
  out["id"] = plugin.id;
  out["version"] = plugin.version;
  out["vendor"] = plugin.vendor;
  out["built_with"] = plugin.built_with;
  out["interfaces"] = Json::Value(Json::arrayValue);
  for (const host::PluginInterface& interface : plugin.interfaces) {
    Json::Value& one = out["interfaces"].append(Json::Value());
    one["id"] = interface.id;
    one["table_size"] = interface.size;
    one["spoken"] = interface.known;
  }
  out["options"] = Json::Value(Json::arrayValue);
  for (const host::PluginOption& option : plugin.options) {
    Json::Value& one = out["options"].append(Json::Value());
    one["key"] = option.key;
    one["type"] = option.type;
    one["default"] = option.required ? Json::Value() : Json::Value(option.default_value);
    one["range"] = option.range;
    one["doc"] = option.doc;
    one["dynamic"] = option.dynamic;
  }
  return out;
}

std::string Interfaces(const Json::Value& plugin) {
  std::string out;
  for (const Json::Value& interface : plugin["interfaces"])
    out += (out.empty() ? "" : ", ") + interface["id"].asString();
  return out;
}

Json::Value ListDirectory(const std::string& directory) {
  const auto listed = host::ListPlugins(Rules(directory));
  if (!listed.ok()) throw Failure(kFailed, listed.error().message);
  Json::Value out;
  out["plugins"] = Json::Value(Json::arrayValue);
  for (const host::ListedPlugin& plugin : *listed) out["plugins"].append(Described(plugin));
  return out;
}

}  // namespace

int PluginList(const Globals& globals, const std::string& directory) {
  const Json::Value said = directory.empty() ? GetAdmin(globals, "/v1/plugins") : ListDirectory(directory);
  bool refused = false;
  for (const Json::Value& plugin : said["plugins"]) refused |= plugin.isMember("refused");
  if (globals.json()) {
    PrintJson(said);
    return refused ? kFailed : kOk;
  }
  Table table({"ID", "VERSION", "INTERFACES", "FILE"});
  for (const Json::Value& plugin : said["plugins"]) {
    if (plugin.isMember("refused")) {
      std::cerr << plugin["refused"].asString() << "\n";
    } else {
      table.Add({plugin["id"].asString(), plugin["version"].asString(), Interfaces(plugin), plugin["path"].asString()});
    }
  }
  table.Print();
  return refused ? kFailed : kOk;
}

int PluginInspect(const Globals& globals, const std::string& file) {
  const fs::path path = fs::absolute(file);
  if (!fs::is_regular_file(path)) throw Failure(kNotFound, "there is no file " + path.string());
  auto loaded = host::LoadPlugin(Rules(path.parent_path()), path.filename().string());
  if (!loaded.ok()) throw Failure(kFailed, loaded.error().message);
  const Json::Value plugin = Described({path.stem().string(), path, host::Sha256(ReadFile(path)), std::move(loaded)});
  if (globals.json()) {
    PrintJson(plugin);
    return kOk;
  }
  std::cout << plugin["path"].asString() << "\n  id " << plugin["id"].asString() << ", version "
            << plugin["version"].asString() << ", vendor " << plugin["vendor"].asString() << ", built with "
            << plugin["built_with"].asString() << "\n  sha256 " << plugin["sha256"].asString() << "\n";
  for (const Json::Value& interface : plugin["interfaces"]) {
    std::cout << "  interface " << interface["id"].asString() << ", table of " << interface["table_size"].asString()
              << " bytes" << (interface["spoken"].asBool() ? "" : " (not spoken by this release)") << "\n";
  }
  for (const Json::Value& option : plugin["options"]) {
    std::cout << "  option " << option["key"].asString() << ", " << option["type"].asString() << ", "
              << (option["default"].isNull() ? "required" : "default \"" + option["default"].asString() + "\"") << ": "
              << option["doc"].asString() << "\n";
  }
  return kOk;
}

}  // namespace chronik::ctl
