// SPDX-License-Identifier: Apache-2.0
// Metadata (key 3): brokers, topics, leaders; creates topics on first use where client and configuration allow it.
#include "kernel/protocol/generated/metadata.h"

#include <algorithm>
#include <map>
#include <utility>
#include <vector>

#include "kernel/api/errors.h"
#include "kernel/api/table.h"
#include "kernel/metadata/topic_name.h"

namespace chronik::api {
namespace {

using protocol::MetadataRequest;
using protocol::MetadataResponse;

constexpr std::chrono::seconds kAutoCreateTimeout{15};

std::vector<int32_t> Ids(const std::vector<NodeId>& nodes) {
  std::vector<int32_t> out;
  out.reserve(nodes.size());
  for (const NodeId node : nodes) out.push_back(static_cast<int32_t>(node.value));
  return out;
}

void AddTopic(const Call& call, const metadata::Topic& topic, MetadataResponse& response) {
  auto& out = response.topics.emplace_back();
  out.name = topic.name;
  out.topic_id = topic.id;
  out.is_internal = metadata::IsInternalTopic(topic.name);
  for (size_t i = 0; i < topic.partitions.size(); ++i) {
    const metadata::Partition& partition = topic.partitions[i];
    const broker::LeaderInfo leader = call.broker.leader(call.shard, partition.group);
    auto& p = out.partitions.emplace_back();
    const bool led = leader.leader != NodeId(0);
    p.error_code = led ? int16_t{0} : ToCode(ErrorCode::kLeaderNotAvailable);
    p.partition_index = static_cast<int32_t>(i);
    p.leader_id = led ? static_cast<int32_t>(leader.leader.value) : -1;
    p.leader_epoch = leader.epoch;
    const std::vector<NodeId> holders = partition.Holders();
    p.replica_nodes = Ids(holders);
    p.isr_nodes = Ids(call.broker.in_sync(call.shard, partition.group));
    if (p.isr_nodes.empty() && led) p.isr_nodes.push_back(p.leader_id);
    for (const NodeId node : holders) {
      if (!call.broker.IsAlive(call.shard, node)) p.offline_replicas.push_back(static_cast<int32_t>(node.value));
    }
  }
}

void AddError(const MetadataRequest::MetadataRequestTopic& asked, int16_t code, MetadataResponse& response) {
  auto& out = response.topics.emplace_back();
  out.error_code = code;
  out.name = asked.name;
  out.topic_id = asked.topic_id;
}

// Are most brokers out of this node's reach, and what is asked for without a leader as far as it knows? Then elsewhere
// there may be one, and librdkafka asks on where it is connected: a client of a node that is cut off would never find
// it.
bool LeadersMayBeElsewhere(const Call& call, const metadata::MetadataImage& image, const MetadataResponse& response) {
  if (response.brokers.size() * 2 >= image.Brokers().size()) return false;
  bool partitions = false;
  for (const auto& topic : response.topics) {
    for (const auto& partition : topic.partitions) {
      if (partition.leader_id != -1 && call.broker.IsAlive(call.shard, NodeId(partition.leader_id))) return false;
      partitions = true;
    }
  }
  return partitions;
}

// `failed`: why topics could not be created, by name.
void Respond(CallPtr call, const MetadataRequest& request, const std::map<std::string, Error>& failed) {
  const metadata::ImagePtr image = call->broker.image(call->shard);
  MetadataResponse response;
  for (const metadata::Broker& b : image->Brokers()) {
    if (!call->broker.IsAlive(call->shard, b.id)) continue;
    auto& out = response.brokers.emplace_back();
    out.node_id = static_cast<int32_t>(b.id.value);
    out.host = b.host;
    out.port = b.port;
    if (!b.rack.empty()) out.rack = b.rack;
  }
  response.cluster_id = image->cluster_id();
  response.controller_id = static_cast<int32_t>(call->broker.settings().node_id.value);
  const bool all = !request.topics || (call->version() == 0 && request.topics->empty());
  if (all) {
    image->ForEachTopic([&](const metadata::TopicPtr& topic) { AddTopic(*call, *topic, response); });
    return call->Reply(response);
  }
  for (const auto& asked : *request.topics) {
    const metadata::TopicPtr topic = asked.name ? image->FindTopic(*asked.name) : image->FindTopic(asked.topic_id);
    if (topic) {
      AddTopic(*call, *topic, response);
    } else if (!asked.name) {
      AddError(asked, ToCode(ErrorCode::kUnknownTopicId), response);
    } else if (const auto why = failed.find(*asked.name); why != failed.end()) {
      AddError(asked, ToCode(why->second.code), response);
    } else {
      const Status valid = metadata::ValidateTopicName(*asked.name);
      AddError(asked, ToCode(valid.ok() ? ErrorCode::kUnknownTopic : ErrorCode::kInvalidTopicName), response);
    }
  }
  if (LeadersMayBeElsewhere(*call, *image, response))
    return call->Close("this node is cut off, other brokers may know the leaders");
  call->Reply(response);
}

// Versions before 4 cannot say whether they allow it, and expect it.
std::vector<broker::NewTopic> TopicsToCreate(const Call& call, const MetadataRequest& request) {
  std::vector<broker::NewTopic> out;
  const bool allowed = call.version() < 4 || request.allow_auto_topic_creation;
  if (!allowed || !request.topics || !call.broker.settings().auto_create_topics) return out;
  const metadata::ImagePtr image = call.broker.image(call.shard);
  for (const auto& asked : *request.topics) {
    if (!asked.name || image->FindTopic(*asked.name) || !metadata::ValidateTopicName(*asked.name).ok()) continue;
    if (metadata::IsInternalTopic(*asked.name)) continue;  // it is created with its own settings when it is needed
    const bool twice = std::ranges::any_of(out, [&](const broker::NewTopic& t) { return t.name == *asked.name; });
    if (!twice) {
      broker::NewTopic topic;
      topic.name = *asked.name;
      out.push_back(std::move(topic));
    }
  }
  return out;
}

}  // namespace

void HandleMetadata(CallPtr call) {
  MetadataRequest request;
  if (!call->Decode(&request)) return;
  std::vector<broker::NewTopic> create = TopicsToCreate(*call, request);
  if (create.empty()) return Respond(std::move(call), request, {});
  std::vector<std::string> names;
  names.reserve(create.size());
  for (const broker::NewTopic& topic : create) names.push_back(topic.name);
  broker::Broker& broker = call->broker;
  const ShardId shard = call->shard;
  broker.CreateTopics(shard, std::move(create), false, kAutoCreateTimeout,
                      [call = std::move(call), request = std::move(request),
                       names = std::move(names)](std::vector<broker::CreateTopicOutcome> outcomes) mutable {
                        std::map<std::string, Error> failed;
                        for (size_t i = 0; i < outcomes.size(); ++i) {
                          // Somebody else may have created it at the same time.
                          if (outcomes[i].error && outcomes[i].error->code != ErrorCode::kTopicExists)
                            failed.emplace(names[i], *outcomes[i].error);
                        }
                        Respond(std::move(call), request, failed);
                      });
}

}  // namespace chronik::api
