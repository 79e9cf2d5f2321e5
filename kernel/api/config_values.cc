// SPDX-License-Identifier: Apache-2.0
#include "kernel/api/config_values.h"

namespace chronik::api {
namespace {

// nullopt: nothing here can be set, so Kafka's default is what it is.
std::optional<std::string> SettingOf(const broker::Settings& settings, std::string_view name) {
  if (name == "auto.create.topics.enable") return settings.auto_create_topics ? "true" : "false";
  if (name == "broker.id") return std::to_string(settings.node_id.value);
  if (name == "broker.rack") return settings.rack;
  if (name == "default.replication.factor") return std::to_string(settings.default_replication_factor);
  if (name == "log.retention.bytes") return std::to_string(settings.retention_bytes);
  if (name == "log.retention.ms") return std::to_string(settings.retention_ms);
  if (name == "message.max.bytes") return std::to_string(settings.message_max_bytes);
  if (name == "num.partitions") return std::to_string(settings.default_partitions);
  if (name == "socket.request.max.bytes") return std::to_string(settings.request_max_bytes);
  return std::nullopt;
}

}  // namespace

ConfigValue BrokerConfigValue(const broker::Settings& settings, const metadata::ConfigKey& key) {
  const std::string standard(key.default_value);
  const std::string value = SettingOf(settings, key.name).value_or(standard);
  return {value, value == standard ? ConfigSource::kDefault : ConfigSource::kStaticBroker};
}

ConfigValue InheritedConfigValue(const broker::Settings& settings, const metadata::ConfigKey& key) {
  const metadata::ConfigKey* const synonym = metadata::FindBrokerConfig(key.broker_name);
  if (synonym == nullptr) return {std::string(key.default_value), ConfigSource::kDefault};
  return BrokerConfigValue(settings, *synonym);
}

ConfigValue TopicConfigValue(const broker::Settings& settings, const metadata::Topic& topic,
                             const metadata::ConfigKey& key) {
  const auto set = topic.configs.find(std::string(key.name));
  if (set != topic.configs.end()) return {set->second, ConfigSource::kTopic};
  return InheritedConfigValue(settings, key);
}

}  // namespace chronik::api
