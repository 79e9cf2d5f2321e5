// SPDX-License-Identifier: Apache-2.0
#include "kernel/metadata/topic_config.h"

#include <algorithm>

#include "kernel/metadata/config_value.h"

namespace chronik::metadata {
namespace {

const ConfigKey* FindIn(std::span<const ConfigKey> keys, std::string_view name) {
  const auto it = std::lower_bound(keys.begin(), keys.end(), name,
                                   [](const ConfigKey& key, std::string_view n) { return key.name < n; });
  return it != keys.end() && it->name == name ? &*it : nullptr;
}

// The value of an honoured config, if it is set and valid.
const std::string* ValidValue(const ConfigMap& configs, const char* name) {
  const auto it = configs.find(name);
  if (it == configs.end()) return nullptr;
  const ConfigKey* key = FindTopicConfig(name);
  CHRONIK_CHECK(key != nullptr && key->honoured) << name;
  return CheckConfigValue(*key, it->second).ok() ? &it->second : nullptr;
}

template <class T>
void ReadInteger(const ConfigMap& configs, const char* name, T* out) {
  if (const std::string* value = ValidValue(configs, name)) *out = static_cast<T>(*ParseConfigInteger(*value));
}

}  // namespace

const ConfigKey* FindTopicConfig(std::string_view name) { return FindIn(TopicConfigKeys(), name); }
const ConfigKey* FindBrokerConfig(std::string_view name) { return FindIn(BrokerConfigKeys(), name); }

Status CheckTopicConfig(std::string_view name, std::string_view value) {
  const ConfigKey* key = FindTopicConfig(name);
  if (key == nullptr) {
    return Error{ErrorCode::kInvalidConfig, "unknown topic config '" + std::string(name) + "'"};
  }
  CHRONIK_RETURN_IF_ERROR(CheckConfigValue(*key, value));
  if (key->honoured || SameConfigValue(*key, value, key->default_value)) return {};
  return Error{ErrorCode::kInvalidConfig,
               std::string(name) + " has no effect in this release yet, so it can only be '" +
                   std::string(key->default_value) + "', its default, not '" + std::string(value) + "'"};
}

Status CheckTopicConfigs(const ConfigMap& configs) {
  for (const auto& [name, value] : configs) CHRONIK_RETURN_IF_ERROR(CheckTopicConfig(name, value));
  return {};
}

TopicSettings SettingsOf(const ConfigMap& configs, const TopicSettings& defaults) {
  TopicSettings settings = defaults;
  ReadInteger(configs, "max.message.bytes", &settings.max_message_bytes);
  ReadInteger(configs, "min.insync.replicas", &settings.min_insync_replicas);
  ReadInteger(configs, "message.timestamp.before.max.ms", &settings.timestamp_before_max_ms);
  ReadInteger(configs, "message.timestamp.after.max.ms", &settings.timestamp_after_max_ms);
  ReadInteger(configs, "retention.ms", &settings.retention_ms);
  ReadInteger(configs, "retention.bytes", &settings.retention_bytes);
  if (const std::string* type = ValidValue(configs, "message.timestamp.type")) {
    settings.log_append_time = TrimConfigValue(*type) == "LogAppendTime";
  }
  return settings;
}

}  // namespace chronik::metadata
