// SPDX-License-Identifier: Apache-2.0
// What a config is worth on this broker: set for the topic, by the broker's own settings, or Kafka's default; for
// DescribeConfigs and CreateTopics.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "kernel/broker/broker.h"
#include "kernel/metadata/image.h"
#include "kernel/metadata/topic_config.h"

namespace chronik::api {

// As DescribeConfigs names them (KIP-226).
enum class ConfigSource : int8_t { kTopic = 1, kStaticBroker = 4, kDefault = 5 };

struct ConfigValue {
  std::string value;
  ConfigSource source = ConfigSource::kDefault;
};

// Of a broker config: what the broker runs with.
ConfigValue BrokerConfigValue(const broker::Settings& settings, const metadata::ConfigKey& key);
// Of a topic's config that the topic does not set: its synonym of the broker, if there is one.
ConfigValue InheritedConfigValue(const broker::Settings& settings, const metadata::ConfigKey& key);
ConfigValue TopicConfigValue(const broker::Settings& settings, const metadata::Topic& topic,
                             const metadata::ConfigKey& key);

}  // namespace chronik::api
