// SPDX-License-Identifier: Apache-2.0
// Topic configuration: every name that Kafka 4.x knows, which of them this broker honours, and what they amount to.
#pragma once

#include <cstdint>
#include <limits>
#include <map>
#include <span>
#include <string>
#include <string_view>

#include "kernel/base/result.h"
#include "kernel/metadata/command.h"

namespace chronik::metadata {

// The values are those of DescribeConfigs (KIP-226).
enum class ConfigType : int8_t {
  kBoolean = 1,
  kString = 2,
  kInt = 3,
  kShort = 4,
  kLong = 5,
  kDouble = 6,
  kList = 7,
  kClass = 8,
  kPassword = 9,
};

struct ConfigKey {
  std::string_view name;
  ConfigType type = ConfigType::kString;
  std::string_view default_value;
  std::string_view broker_name;  // the broker option that is its synonym in DescribeConfigs; empty: none
  bool honoured = false;         // false: accepted at its default only
  std::string_view doc;
  std::string_view values = {};  // for strings and lists: the allowed values, separated by '|'; empty: any
  double min = std::numeric_limits<double>::lowest();
  double max = std::numeric_limits<double>::max();
};

// Both in ascending order of names.
std::span<const ConfigKey> TopicConfigKeys();
std::span<const ConfigKey> BrokerConfigKeys();            // read-only, what DescribeConfigs shows of a broker
const ConfigKey* FindTopicConfig(std::string_view name);  // nullptr: unknown
const ConfigKey* FindBrokerConfig(std::string_view name);

// Whether a client may set this now. kInvalidConfig, with the reason: an unknown name, a malformed or disallowed value,
// or a value other than the default for a config that has no effect yet. A value is never silently ignored.
Status CheckTopicConfig(std::string_view name, std::string_view value);
Status CheckTopicConfigs(const ConfigMap& configs);

// The honoured configs, ready to use.
struct TopicSettings {
  int32_t max_message_bytes = 1048588;
  int32_t min_insync_replicas = 1;
  bool log_append_time = false;  // message.timestamp.type
  int64_t timestamp_before_max_ms = std::numeric_limits<int64_t>::max();
  int64_t timestamp_after_max_ms = 3600000;
  int64_t retention_ms = 604800000;  // -1: for ever
  int64_t retention_bytes = -1;      // of a partition; -1: any number
  friend bool operator==(const TopicSettings&, const TopicSettings&) = default;
};

// Anything unknown or malformed in `configs` counts as not set (it may stem from another release). `defaults` is what
// the broker's own configuration says of topics that set nothing.
TopicSettings SettingsOf(const ConfigMap& configs, const TopicSettings& defaults = {});

}  // namespace chronik::metadata
