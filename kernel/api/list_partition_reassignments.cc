// SPDX-License-Identifier: Apache-2.0
// ListPartitionReassignments (key 46): what moves, from the metadata as this broker knows it. A move that was called
// off is none any more, though who was to get the partition may still hold it for a moment.
#include "kernel/protocol/generated/list_partition_reassignments.h"

#include <algorithm>
#include <vector>

#include "kernel/api/table.h"
#include "kernel/metadata/image.h"

namespace chronik::api {
namespace {

using protocol::ListPartitionReassignmentsRequest;
using protocol::ListPartitionReassignmentsResponse;

// Those of `nodes` that are not among `others`.
std::vector<int32_t> Without(const std::vector<NodeId>& nodes, const std::vector<NodeId>& others) {
  std::vector<int32_t> out;
  for (const NodeId node : nodes) {
    if (std::find(others.begin(), others.end(), node) == others.end()) out.push_back(static_cast<int32_t>(node.value));
  }
  return out;
}

void AddTopic(const metadata::Topic& topic, const std::vector<int32_t>* wanted,
              ListPartitionReassignmentsResponse& response) {
  ListPartitionReassignmentsResponse::OngoingTopicReassignment out;
  out.name = topic.name;
  for (size_t i = 0; i < topic.partitions.size(); ++i) {
    const metadata::Partition& partition = topic.partitions[i];
    const auto index = static_cast<int32_t>(i);
    if (!partition.IsReassigned()) continue;
    if (wanted != nullptr && std::find(wanted->begin(), wanted->end(), index) == wanted->end()) continue;
    auto& p = out.partitions.emplace_back();
    p.partition_index = index;
    const std::vector<NodeId> holders = partition.Holders();
    p.replicas = Without(holders, {});
    p.adding_replicas = Without(partition.replicas, partition.origin);
    p.removing_replicas = Without(holders, partition.replicas);
  }
  if (!out.partitions.empty()) response.topics.push_back(std::move(out));
}

}  // namespace

void HandleListPartitionReassignments(CallPtr call) {
  ListPartitionReassignmentsRequest request;
  if (!call->Decode(&request)) return;
  ListPartitionReassignmentsResponse response;
  const metadata::ImagePtr image = call->broker.image(call->shard);
  if (!request.topics) {
    image->ForEachTopic([&](const metadata::TopicPtr& topic) { AddTopic(*topic, nullptr, response); });
  } else {
    for (const auto& asked : *request.topics) {
      if (const metadata::TopicPtr topic = image->FindTopic(asked.name))
        AddTopic(*topic, &asked.partition_indexes, response);
    }
  }
  call->Reply(response);
}

}  // namespace chronik::api
