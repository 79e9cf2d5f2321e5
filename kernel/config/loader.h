// SPDX-License-Identifier: Apache-2.0
// From texts to a Config, in two phases, because a plugin's keys are known only once the configuration named the
// plugin:
//   Loader loader(inputs);                          reads the documents, finds which plugins are meant
//   loader.PluginName("log_store") -> "log_wal"     the caller reads that plugin's descriptor ...
//   loader.schema().AddPluginOptions(...)           ... and adds its options, or calls RefusePlugin
//   Result<Config> config = loader.Finish();        checks everything
// Order: defaults < files < environment < flags. Pure: no file, no environment, no clock (source.h reads those).
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "kernel/base/result.h"
#include "kernel/config/config.h"
#include "kernel/config/document.h"
#include "kernel/config/schema.h"

namespace chronik::config {

struct FileText {
  std::string path;  // for messages; ".json" is read as JSON, all else as TOML
  std::string text;
};

struct Inputs {
  std::vector<FileText> files;                     // a key may stand in one of them only
  std::map<std::string, std::string> environment;  // the whole environment; names without CHRONIK_ are not looked at
  std::map<std::string, std::string> flags;        // "data-dir" -> value; those that override a key
  std::map<std::string, std::string> defaults;     // "broker.plugin_dir" -> a default that depends on this process
  std::vector<std::string> problems;               // what went wrong in reading the above; reported with the rest
};

class Loader {
 public:
  explicit Loader(Inputs inputs);
  Loader(const Loader&) = delete;
  Loader& operator=(const Loader&) = delete;

  Schema& schema() { return schema_; }
  const Schema& schema() const { return schema_; }

  // The plugin that the configuration names for a kind of Schema::PluginKinds(); "" if the kind is disabled, has no
  // effect in this version, or is given something that is not even a string (Finish says so).
  std::string PluginName(std::string_view kind);

  // The value that a kernel key will have, for what the caller needs before Finish (where plugins are). Empty if it is
  // refused: Finish says why.
  std::optional<Value> Peek(std::string_view name);

  // The plugin of this kind cannot be used; Finish reports `why` with the place that names the plugin, and the nearest
  // of `known`, what could have been meant. The section's other keys are not checked then.
  void RefusePlugin(std::string_view kind, std::string_view why, const std::vector<std::string>& known = {});

  // The configuration; or ErrorCode::kConfig with every problem there is, one a line: "file:line: key: what, and what
  // to do". Call it once.
  Result<Config> Finish();

 private:
  struct FileValue {
    Node node;
    const std::string* path;
    std::string Where(int line) const { return *path + ':' + std::to_string(line); }
  };
  struct Override {  // by a variable or a flag
    Origin origin;
    std::string text;
  };

  void ReadFile(const FileText& file);
  void ReadTable(const FileText& file, const Node& table, const std::string& section);
  void ReadEnvironment();
  void ReadFlags();
  std::vector<OptionSpec> ActiveOptions();
  void RefuseUnknownKeys(const std::vector<OptionSpec>& options);
  std::optional<Entry> Resolve(const OptionSpec& spec, const std::vector<Entry>& resolved);
  std::optional<Entry> ResolveDefault(const OptionSpec& spec, const std::vector<Entry>& resolved);
  void RefuseWithoutEffect(const Entry& entry);
  void Refuse(std::string_view where, std::string_view name, std::string_view what);

  Inputs inputs_;
  Schema schema_;
  std::map<std::string, FileValue, std::less<>> file_values_;            // by name, "broker.listen"
  std::map<std::string, std::vector<Override>, std::less<>> overrides_;  // by name; a later one wins
  std::set<std::string, std::less<>> refused_plugins_;                   // kinds
  std::vector<std::string> problems_;
  bool documents_read_ = true;  // false: a file is missing or is no TOML or JSON, so that keys may seem absent
};

}  // namespace chronik::config
