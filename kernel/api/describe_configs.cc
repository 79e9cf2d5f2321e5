// SPDX-License-Identifier: Apache-2.0
// DescribeConfigs (key 32): the configs of topics and of this broker, with their origin and documentation.
#include "kernel/protocol/generated/describe_configs.h"

#include <algorithm>
#include <charconv>
#include <utility>

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
constexpr int8_t kTopicSource = 1;
constexpr int8_t kDefaultSource = 5;

void Describe(const DescribeConfigsRequest& request, const DescribeConfigsRequest::DescribeConfigsResource& resource,
              const metadata::ConfigKey& key, const std::string* set, bool read_only,
              DescribeConfigsResponse::DescribeConfigsResult& out) {
  const std::string name(key.name);
  if (resource.configuration_keys &&
      std::ranges::find(*resource.configuration_keys, name) == resource.configuration_keys->end())
    return;
  auto& config = out.configs.emplace_back();
  config.name = name;
  config.value = set != nullptr ? *set : std::string(key.default_value);
  config.read_only = read_only;
  config.config_source = set != nullptr ? kTopicSource : kDefaultSource;
  config.config_type = static_cast<int8_t>(key.type);
  if (request.include_documentation) config.documentation = std::string(key.doc);
  if (!request.include_synonyms) return;
  if (set != nullptr) config.synonyms.push_back({name, *set, kTopicSource});
  if (!key.broker_name.empty())
    config.synonyms.push_back({std::string(key.broker_name), std::string(key.default_value), kDefaultSource});
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
        const auto set = topic->configs.find(std::string(key.name));
        Describe(request, resource, key, set != topic->configs.end() ? &set->second : nullptr, false, out);
      }
    } else if (resource.resource_type == kBrokerResource) {
      if (!resource.resource_name.empty() &&
          resource.resource_name != std::to_string(call->broker.settings().node_id.value)) {
        Refuse(out, ErrorCode::kInvalidArgument, "ask broker " + resource.resource_name + " itself");
        continue;
      }
      for (const metadata::ConfigKey& key : metadata::BrokerConfigKeys())
        Describe(request, resource, key, nullptr, true, out);
    } else {
      Refuse(out, ErrorCode::kInvalidArgument, "only topics (2) and brokers (4) have configs here");
    }
  }
  call->Reply(response);
}

}  // namespace chronik::api
