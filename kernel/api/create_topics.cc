// SPDX-License-Identifier: Apache-2.0
// CreateTopics (key 19).
#include "kernel/protocol/generated/create_topics.h"

#include <map>
#include <set>
#include <utility>
#include <vector>

#include "kernel/api/config_values.h"
#include "kernel/api/errors.h"
#include "kernel/api/table.h"
#include "kernel/metadata/topic_config.h"
#include "kernel/metadata/topic_name.h"

namespace chronik::api {
namespace {

using protocol::CreateTopicsRequest;
using protocol::CreateTopicsResponse;

// The assignment by partition number, which must be 0 .. n-1, each once.
Result<std::vector<std::vector<NodeId>>> Assignment(const CreateTopicsRequest::CreatableTopic& topic) {
  std::map<int32_t, std::vector<NodeId>> by_partition;
  for (const auto& assigned : topic.assignments) {
    auto& nodes = by_partition[assigned.partition_index];
    if (!nodes.empty()) return Error{ErrorCode::kInvalidReplicaAssignment, "a partition is assigned twice"};
    for (const int32_t id : assigned.broker_ids) {
      if (id < 0) return Error{ErrorCode::kInvalidReplicaAssignment, "broker ids are not negative"};
      nodes.emplace_back(static_cast<uint64_t>(id));
    }
  }
  std::vector<std::vector<NodeId>> out;
  for (auto& [partition, nodes] : by_partition) {
    if (partition != static_cast<int32_t>(out.size())) {
      return Error{ErrorCode::kInvalidReplicaAssignment, "partitions are numbered from 0 without a gap"};
    }
    out.push_back(std::move(nodes));
  }
  return out;
}

void AddConfigs(const broker::Broker& broker, ShardId shard, CreateTopicsResponse::CreatableTopicResult& out) {
  const metadata::TopicPtr topic = broker.image(shard)->FindTopic(out.name);
  if (!topic) return;
  out.configs.emplace();
  for (const metadata::ConfigKey& key : metadata::TopicConfigKeys()) {
    ConfigValue value = TopicConfigValue(broker.settings(), *topic, key);
    out.configs->push_back(
        {std::string(key.name), std::move(value.value), false, static_cast<int8_t>(value.source), false});
  }
}

}  // namespace

void HandleCreateTopics(CallPtr call) {
  CreateTopicsRequest request;
  if (!call->Decode(&request)) return;
  CreateTopicsResponse response;
  std::vector<broker::NewTopic> topics;
  std::vector<size_t> places;
  std::map<std::string, int> times;
  for (const auto& topic : request.topics) ++times[topic.name];
  for (const auto& topic : request.topics) {
    auto& out = response.topics.emplace_back();
    out.name = topic.name;
    auto assignment = Assignment(topic);
    if (metadata::IsInternalTopic(topic.name))  // made by the broker, with settings that keep what is in it
      assignment = Error{ErrorCode::kInvalidTopicName, "'" + topic.name + "' is an internal topic"};
    if (times[topic.name] > 1 || !assignment.ok()) {
      out.error_code = assignment.ok() ? ToCode(ErrorCode::kInvalidArgument) : ToCode(assignment.error().code);
      out.error_message = assignment.ok() ? "the topic is named more than once" : assignment.error().message;
      continue;
    }
    broker::NewTopic wanted{topic.name, topic.num_partitions, topic.replication_factor, *std::move(assignment), {}};
    for (const auto& config : topic.configs) wanted.configs.emplace_back(config.name, config.value);
    topics.push_back(std::move(wanted));
    places.push_back(response.topics.size() - 1);
  }
  broker::Broker& broker = call->broker;
  const ShardId shard = call->shard;
  broker.CreateTopics(shard, std::move(topics), request.validate_only, std::chrono::milliseconds(request.timeout_ms),
                      [call = std::move(call), response = std::move(response),
                       places = std::move(places)](std::vector<broker::CreateTopicOutcome> outcomes) mutable {
                        for (size_t i = 0; i < outcomes.size(); ++i) {
                          auto& out = response.topics[places[i]];
                          out.error_code = ToCode(outcomes[i].error);
                          out.error_message = ToMessage(outcomes[i].error);
                          if (outcomes[i].error) continue;
                          out.topic_id = outcomes[i].id;
                          out.num_partitions = outcomes[i].partition_count;
                          out.replication_factor = outcomes[i].replication_factor;
                          AddConfigs(call->broker, call->shard, out);
                        }
                        call->Reply(response);
                      });
}

}  // namespace chronik::api
