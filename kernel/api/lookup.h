// SPDX-License-Identifier: Apache-2.0
// From the topic and partition that a client names to the partition that the broker knows.
#pragma once

#include <cstdint>
#include <string>

#include "kernel/base/result.h"
#include "kernel/broker/broker.h"
#include "kernel/metadata/image.h"
#include "kernel/metadata/topic_name.h"

namespace chronik::api {

// By id if `by_id`, else by name. kUnknownTopicId or kUnknownTopic.
inline Result<metadata::TopicPtr> FindTopic(const metadata::MetadataImage& image, bool by_id, const TopicId& id,
                                            const std::string& name) {
  metadata::TopicPtr topic = by_id ? image.FindTopic(id) : image.FindTopic(name);
  if (topic) return topic;
  if (by_id) return Error{ErrorCode::kUnknownTopicId, "there is no topic with id " + id.ToString()};
  return Error{ErrorCode::kUnknownTopic, "there is no topic '" + name + "'"};
}

// What only the broker itself may change: kInvalidTopicName for clients, as Kafka answers.
inline Result<metadata::TopicPtr> NotInternal(Result<metadata::TopicPtr> found) {
  if (!found.ok() || !metadata::IsInternalTopic((*found)->name)) return found;
  return Error{ErrorCode::kInvalidTopicName, "'" + (*found)->name + "' is an internal topic"};
}

inline Result<broker::PartitionRef> FindPartition(const metadata::Topic& topic, int32_t partition) {
  if (partition < 0 || static_cast<size_t>(partition) >= topic.partitions.size()) {
    return Error{ErrorCode::kUnknownPartition,
                 "topic '" + topic.name + "' has no partition " + std::to_string(partition)};
  }
  return broker::PartitionRef{topic.id, PartitionId(partition), topic.partitions[static_cast<size_t>(partition)].group};
}

// For the KIP-951 hints: the addresses of the brokers named as leaders.
template <class NodeEndpoint>
std::vector<NodeEndpoint> Endpoints(const metadata::MetadataImage& image) {
  std::vector<NodeEndpoint> out;
  for (const metadata::Broker& b : image.Brokers()) {
    NodeEndpoint& e = out.emplace_back();
    e.node_id = static_cast<int32_t>(b.id.value);
    e.host = b.host;
    e.port = b.port;
    if (!b.rack.empty()) e.rack = b.rack;
  }
  return out;
}

}  // namespace chronik::api
