// SPDX-License-Identifier: Apache-2.0
#include "kernel/broker/topic_plan.h"

#include <algorithm>
#include <utility>

#include "kernel/metadata/assignment.h"
#include "kernel/metadata/topic_config.h"
#include "kernel/metadata/topic_name.h"

namespace chronik::broker {
namespace {

using Replicas = std::vector<std::vector<NodeId>>;

Result<Replicas> Assign(const metadata::MetadataImage& image, int32_t count, int32_t replication_factor, uint64_t start,
                        int32_t first_partition) {
  std::vector<metadata::AssignableBroker> brokers;
  for (const metadata::Broker& broker : image.Brokers()) {
    if (!broker.leaving) brokers.push_back({broker.id, broker.rack});
  }
  return metadata::AssignReplicas(std::move(brokers), count, replication_factor, start, first_partition);
}

Status CheckAssignment(const metadata::MetadataImage& image, const Replicas& assignment) {
  for (const std::vector<NodeId>& replicas : assignment) {
    if (replicas.empty()) return Error{ErrorCode::kInvalidReplicaAssignment, "a partition has no replica"};
    if (replicas.size() != assignment.front().size()) {
      return Error{ErrorCode::kInvalidReplicaAssignment, "all partitions must have the same number of replicas"};
    }
    for (const NodeId node : replicas) {
      if (image.FindBroker(node) == nullptr) {
        return Error{ErrorCode::kInvalidReplicaAssignment, "there is no broker " + std::to_string(node.value)};
      }
    }
  }
  return {};
}

std::vector<metadata::PartitionAssignment> Number(Replicas replicas, int32_t first) {
  std::vector<metadata::PartitionAssignment> out;
  for (std::vector<NodeId>& nodes : replicas) out.push_back({PartitionId(first++), GroupId(0), std::move(nodes)});
  return out;
}

}  // namespace

Result<metadata::CreateTopic> PlanTopic(const metadata::MetadataImage& image, const Settings& settings,
                                        const NewTopic& topic, TopicId id) {
  CHRONIK_RETURN_IF_ERROR(metadata::ValidateTopicName(topic.name));
  if (image.FindTopic(topic.name)) return Error{ErrorCode::kTopicExists, "topic '" + topic.name + "' exists"};
  if (!topic.assignment.empty() && (topic.partition_count != -1 || topic.replication_factor != -1)) {
    return Error{ErrorCode::kInvalidArgument, "give either an assignment or counts, not both"};
  }
  metadata::CreateTopic command{.name = topic.name, .id = id, .partitions = {}, .configs = {}, .created_by = {}};
  for (const auto& [name, value] : topic.configs) {
    if (!value) return Error{ErrorCode::kInvalidConfig, "config '" + name + "' has no value"};
    if (!command.configs.emplace(name, *value).second) {
      return Error{ErrorCode::kInvalidConfig, "config '" + name + "' is given twice"};
    }
  }
  CHRONIK_RETURN_IF_ERROR(metadata::CheckTopicConfigs(command.configs));
  if (!topic.assignment.empty()) {
    CHRONIK_RETURN_IF_ERROR(CheckAssignment(image, topic.assignment));
    command.partitions = Number(topic.assignment, 0);
    return command;
  }
  const int32_t count = topic.partition_count == -1 ? settings.default_partitions : topic.partition_count;
  const int32_t factor =
      topic.replication_factor == -1 ? settings.default_replication_factor : topic.replication_factor;
  if (count < 1 || count > kPartitionsPerTopicMax) {
    return Error{ErrorCode::kInvalidPartitionCount, "a topic has 1 to " + std::to_string(kPartitionsPerTopicMax) +
                                                        " partitions, not " + std::to_string(count)};
  }
  auto replicas = Assign(image, count, factor, image.next_group_id().value, 0);
  if (!replicas.ok()) return replicas.error();
  command.partitions = Number(*std::move(replicas), 0);
  return command;
}

Result<metadata::AddPartitions> PlanPartitions(const metadata::MetadataImage& image, const NewPartitions& request) {
  const metadata::TopicPtr topic = image.FindTopic(request.topic);
  if (!topic) return Error{ErrorCode::kUnknownTopic, "there is no topic '" + request.topic + "'"};
  const auto present = static_cast<int32_t>(topic->partitions.size());
  if (request.count <= present || request.count > kPartitionsPerTopicMax) {
    return Error{ErrorCode::kInvalidPartitionCount, "topic '" + request.topic + "' has " + std::to_string(present) +
                                                        " partitions; the new count must be larger, and at most " +
                                                        std::to_string(kPartitionsPerTopicMax)};
  }
  const int32_t added = request.count - present;
  if (!request.assignment.empty()) {
    if (request.assignment.size() != static_cast<size_t>(added)) {
      return Error{ErrorCode::kInvalidReplicaAssignment, std::to_string(added) + " partitions are new, " +
                                                             std::to_string(request.assignment.size()) +
                                                             " are assigned"};
    }
    CHRONIK_RETURN_IF_ERROR(CheckAssignment(image, request.assignment));
    return metadata::AddPartitions{topic->id, Number(request.assignment, present)};
  }
  const auto factor = static_cast<int32_t>(topic->partitions.front().replicas.size());
  auto replicas = Assign(image, added, factor, topic->partitions.front().group.value, present);
  if (!replicas.ok()) return replicas.error();
  return metadata::AddPartitions{topic->id, Number(*std::move(replicas), present)};
}

}  // namespace chronik::broker
