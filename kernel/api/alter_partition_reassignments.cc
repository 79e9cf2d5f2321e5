// SPDX-License-Identifier: Apache-2.0
// AlterPartitionReassignments (key 45): partitions move to other brokers, or stay after all (KIP-455).
#include "kernel/protocol/generated/alter_partition_reassignments.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "kernel/api/errors.h"
#include "kernel/api/lookup.h"
#include "kernel/api/table.h"

namespace chronik::api {
namespace {

using protocol::AlterPartitionReassignmentsRequest;
using protocol::AlterPartitionReassignmentsResponse;

// A move that can be asked for, or why not.
Result<broker::PartitionMove> MoveOf(const metadata::MetadataImage& image, const std::string& topic_name,
                                     const AlterPartitionReassignmentsRequest::ReassignablePartition& asked,
                                     bool may_change_factor) {
  const auto topic = FindTopic(image, false, {}, topic_name);
  if (!topic.ok()) return topic.error();
  const auto ref = FindPartition(**topic, asked.partition_index);
  if (!ref.ok()) return ref.error();
  broker::PartitionMove move{ref->topic, ref->partition, std::nullopt};
  if (!asked.replicas) return move;
  move.replicas.emplace();
  for (const int32_t id : *asked.replicas) {
    if (id < 0) return Error{ErrorCode::kInvalidReplicaAssignment, "there is no broker " + std::to_string(id)};
    move.replicas->emplace_back(static_cast<uint64_t>(id));
  }
  const metadata::Partition& now = (*topic)->partitions[static_cast<size_t>(asked.partition_index)];
  const size_t factor = (now.moving() ? now.origin : now.replicas).size();
  if (!may_change_factor && move.replicas->size() != factor) {
    return Error{ErrorCode::kInvalidReplicationFactor, "the partition has " + std::to_string(factor) +
                                                           " replicas, and the request does not allow to change that"};
  }
  return move;
}

}  // namespace

void HandleAlterPartitionReassignments(CallPtr call) {
  AlterPartitionReassignmentsRequest request;
  if (!call->Decode(&request)) return;
  AlterPartitionReassignmentsResponse response;
  response.allow_replication_factor_change = request.allow_replication_factor_change;
  const metadata::ImagePtr image = call->broker.image(call->shard);
  std::vector<broker::PartitionMove> moves;
  std::vector<std::pair<size_t, size_t>> places;  // of the moves in the response
  for (const auto& topic : request.topics) {
    auto& answers = response.responses.emplace_back();
    answers.name = topic.name;
    for (const auto& asked : topic.partitions) {
      auto& answer = answers.partitions.emplace_back();
      answer.partition_index = asked.partition_index;
      auto move = MoveOf(*image, topic.name, asked, request.allow_replication_factor_change);
      if (move.ok()) {
        places.emplace_back(response.responses.size() - 1, answers.partitions.size() - 1);
        moves.push_back(*std::move(move));
      } else {
        answer.error_code = ToCode(move.error().code);
        answer.error_message = move.error().message;
      }
    }
  }
  broker::Broker& broker = call->broker;
  const ShardId shard = call->shard;
  broker.ReassignPartitions(shard, std::move(moves), std::chrono::milliseconds(std::max(request.timeout_ms, 0)),
                            [call = std::move(call), response = std::move(response),
                             places = std::move(places)](std::vector<std::optional<Error>> outcomes) mutable {
                              for (size_t i = 0; i < outcomes.size(); ++i) {
                                auto& answer = response.responses[places[i].first].partitions[places[i].second];
                                answer.error_code = ToCode(outcomes[i]);
                                answer.error_message = ToMessage(outcomes[i]);
                              }
                              call->Reply(response);
                            });
}

}  // namespace chronik::api
