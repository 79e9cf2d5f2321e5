// SPDX-License-Identifier: Apache-2.0
// What one configuration key is: its type, default, range, documentation, and what may override it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "kernel/base/result.h"
#include "kernel/config/host_port.h"

namespace chronik::config {

enum class OptionType {
  kString,
  kSecret,  // a string that is never printed
  kInt,
  kBytes,     // 1048576, "64MiB", "1GiB": a size
  kDuration,  // "10ms", "5s", "1h"; held in nanoseconds
  kBool,
  kFloat,
  kEnum,  // one of `choices`
  kPath,
  kHostPort,
  kStringList,
  kPeers,  // the nodes of the cluster
};

// One node of [cluster.peers].
struct Peer {
  uint64_t id = 0;       // 1 and up
  HostPort address;      // what Kafka clients connect to
  HostPort rpc_address;  // what other nodes connect to; the port of `address` + 10000 unless it is given
  std::string rack;
  std::string datacenter;

  friend bool operator==(const Peer&, const Peer&) = default;
};

// kString, kSecret, kEnum, kPath: string. kInt, kBytes, kDuration: int64_t. The rest is what its name says.
using Value = std::variant<bool, int64_t, double, std::string, HostPort, std::vector<std::string>, std::vector<Peer>>;

struct OptionSpec {
  std::string section;  // "broker", "plugins.log_store"
  std::string key;      // "listen"
  OptionType type = OptionType::kString;
  std::optional<std::string> default_text;  // as an environment variable would hold it; none: the key is required
  std::string range;                        // "1..65535", "1MiB..8GiB", inclusive; empty: any
  std::vector<std::string> choices = {};    // kEnum
  std::string doc;                          // what, unit, what a larger value costs
  std::string environment = {};             // the variable that overrides the file, or empty
  std::string flag = {};                    // the flag that overrides all, "data-dir", or empty
  std::string default_doc = {};             // what stands in the manual for a default that depends on the machine
  bool may_be_empty = false;                // of kString, kSecret, kPath, kHostPort: is "" a value?
  bool effective = true;                    // false: accepted at its default only, in this version
  bool dynamic = false;                     // may change while the process runs

  std::string name() const { return section + '.' + key; }
};

// A plugin's own option, from the texts of its chr_option (<chronik/plugin.h>): type is "string" "int" "bytes"
// "duration" "bool" "float" "enum:a,b,c" "path" or "secret"; no default: required. Refuses what the ABI does not allow:
// the key's form or the reserved keys "plugin" and "sha256", an unknown type, a default that is not of the type or out
// of range.
Result<OptionSpec> MakePluginOption(std::string_view kind, std::string_view key, std::string_view type,
                                    std::optional<std::string_view> default_text, std::string_view range,
                                    std::string_view doc, bool dynamic);

// The value that `text` stands for, type and range checked; as in an environment variable, a flag or a default. The
// error is one sentence without the key's name and, for a secret, without the text.
Result<Value> ParseValue(const OptionSpec& spec, std::string_view text);

// Range, choices and emptiness of a value that already has the right alternative.
Status CheckValue(const OptionSpec& spec, const Value& value);

// As it may stand in a TOML file; a secret as "***".
std::string FormatValue(const OptionSpec& spec, const Value& value);

// "int", "one of zstd, gzip, none"...: the type for people.
std::string TypeText(const OptionSpec& spec);

Result<int64_t> ParseBytes(std::string_view text);  // a count, or with B KiB MiB GiB TiB, KB MB GB TB (powers of 1000)
Result<int64_t> ParseDuration(std::string_view text);  // nanoseconds; a count with ns us ms s m min h d
std::string FormatBytes(int64_t bytes);                // the largest unit without loss: "64MiB"
std::string FormatDuration(int64_t nanoseconds);

}  // namespace chronik::config
