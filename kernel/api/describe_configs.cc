// SPDX-License-Identifier: Apache-2.0
// DescribeConfigs (key 32): the configs of topics and of this broker, with their origin and documentation.
#include "kernel/protocol/generated/describe_configs.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "kernel/api/config_values.h"
#include "kernel/api/errors.h"
#include "kernel/api/table.h"
#include "kernel/metadata/image.h"
#include "kernel/metadata/topic_config.h"

namespace chronik::api {
namespace {

using protocol::DescribeConfigsRequest;
using protocol::DescribeConfigsResponse;

constexpr int8_t kTopicResource = 2;
constexpr int8_t kBrokerResource = 4;
// `topic` null: the broker's own.
void Describe(const Call& call, const DescribeConfigsRequest& request, const metadata::ConfigKey& key,
              const metadata::Topic* topic, DescribeConfigsResponse::DescribeConfigsResult& out) {
  const broker::Settings& settings = call.broker.settings();
  const ConfigValue value =
      topic != nullptr ? TopicConfigValue(settings, *topic, key) : BrokerConfigValue(settings, key);
  auto& config = out.configs.emplace_back();
  config.name = std::string(key.name);
  config.value = value.value;
  config.read_only = topic == nullptr;
  config.config_source = static_cast<int8_t>(value.source);
  config.config_type = static_cast<int8_t>(key.type);
  if (request.include_documentation) config.documentation = std::string(key.doc);
  if (!request.include_synonyms) return;
  const auto add = [&config](std::string_view name, std::string text, ConfigSource source) {
    config.synonyms.push_back({std::string(name), std::move(text), static_cast<int8_t>(source)});
  };
  if (value.source == ConfigSource::kTopic) add(key.name, value.value, value.source);
  const std::string_view broker_name = topic != nullptr ? key.broker_name : key.name;
  if (broker_name.empty()) return;
  const ConfigValue inherited = topic != nullptr ? InheritedConfigValue(settings, key) : value;
  if (inherited.source == ConfigSource::kStaticBroker) add(broker_name, inherited.value, inherited.source);
  add(broker_name, std::string(key.default_value), ConfigSource::kDefault);
}

// Null and empty lists ask for everything.
bool IsAskedFor(const DescribeConfigsRequest::DescribeConfigsResource& resource, std::string_view name) {
  const auto& keys = resource.configuration_keys;
  return !keys || keys->empty() || std::ranges::find(*keys, name) != keys->end();
}

void Refuse(DescribeConfigsResponse::DescribeConfigsResult& out, ErrorCode code, std::string why) {
  out.error_code = ToCode(code);
  out.error_message = std::move(why);
}

}  // namespace

void HandleDescribeConfigs(CallPtr call) {
  DescribeConfigsRequest request;
  if (!call->Decode(&request)) return;
  DescribeConfigsResponse response;
  const metadata::ImagePtr image = call->broker.image(call->shard);
  for (const auto& resource : request.resources) {
    auto& out = response.results.emplace_back();
    out.resource_type = resource.resource_type;
    out.resource_name = resource.resource_name;
    if (resource.resource_type == kTopicResource) {
      const metadata::TopicPtr topic = image->FindTopic(resource.resource_name);
      if (!topic) {
        Refuse(out, ErrorCode::kUnknownTopic, "there is no topic '" + resource.resource_name + "'");
        continue;
      }
      for (const metadata::ConfigKey& key : metadata::TopicConfigKeys()) {
        if (IsAskedFor(resource, key.name)) Describe(*call, request, key, topic.get(), out);
      }
    } else if (resource.resource_type == kBrokerResource) {
      if (!resource.resource_name.empty() &&
          resource.resource_name != std::to_string(call->broker.settings().node_id.value)) {
        Refuse(out, ErrorCode::kInvalidArgument, "ask broker " + resource.resource_name + " itself");
        continue;
      }
      for (const metadata::ConfigKey& key : metadata::BrokerConfigKeys()) {
        if (IsAskedFor(resource, key.name)) Describe(*call, request, key, nullptr, out);
      }
    } else {
      Refuse(out, ErrorCode::kInvalidArgument, "only topics (2) and brokers (4) have configs here");
    }
  }
  call->Reply(response);
}

}  // namespace chronik::api
