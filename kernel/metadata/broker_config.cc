// SPDX-License-Identifier: Apache-2.0
// What DescribeConfigs shows of a broker: the synonyms of topic configs, and what tools look for. Names, types and
// defaults are those of Kafka 4.4; whoever answers the request puts in the values this broker really runs with.
#include <algorithm>
#include <array>
#include <vector>

#include "kernel/metadata/topic_config.h"

namespace chronik::metadata {
namespace {

// name, type, default, synonym (none), honoured, doc
constexpr std::array kOwnKeys = std::to_array<ConfigKey>({
    {"auto.create.topics.enable",
     ConfigType::kBoolean,
     "true",
     {},
     true,
     "Whether a topic that a client asks for is created."},
    {"broker.id", ConfigType::kInt, "-1", {}, true, "This broker's node id."},
    {"broker.rack", ConfigType::kString, "", {}, true, "The rack or zone this broker is in."},
    {"default.replication.factor",
     ConfigType::kInt,
     "1",
     {},
     true,
     "Replication factor of topics that are created without one."},
    {"delete.topic.enable", ConfigType::kBoolean, "true", {}, true, "Whether topics can be deleted."},
    {"fetch.max.bytes", ConfigType::kInt, "57671680", {}, true, "Most bytes that one Fetch response carries."},
    {"num.partitions", ConfigType::kInt, "1", {}, true, "Partitions of topics that are created without a number."},
    {"producer.id.expiration.ms",
     ConfigType::kInt,
     "86400000",
     {},
     true,
     "Time after which an idle producer's state is forgotten, in ms."},
    {"replica.lag.time.max.ms",
     ConfigType::kLong,
     "30000",
     {},
     true,
     "How long a replica may stay behind before it leaves the in-sync replicas, in ms."},
    {"socket.request.max.bytes", ConfigType::kInt, "104857600", {}, true, "Largest request accepted, in bytes."},
});

std::vector<ConfigKey> WithSynonyms() {
  std::vector<ConfigKey> keys(kOwnKeys.begin(), kOwnKeys.end());
  for (const ConfigKey& topic_key : TopicConfigKeys()) {
    if (topic_key.broker_name.empty()) continue;
    ConfigKey key = topic_key;
    key.name = topic_key.broker_name;
    key.broker_name = {};
    keys.push_back(key);
  }
  std::sort(keys.begin(), keys.end(), [](const ConfigKey& a, const ConfigKey& b) { return a.name < b.name; });
  return keys;
}

}  // namespace

std::span<const ConfigKey> BrokerConfigKeys() {
  static const std::vector<ConfigKey> kKeys = WithSynonyms();
  return kKeys;
}

}  // namespace chronik::metadata
