// SPDX-License-Identifier: Apache-2.0
// CreatePartitions (key 37).
#include "kernel/protocol/generated/create_partitions.h"

#include <utility>
#include <vector>

#include "kernel/api/errors.h"
#include "kernel/api/table.h"

namespace chronik::api {

void HandleCreatePartitions(CallPtr call) {
  protocol::CreatePartitionsRequest request;
  if (!call->Decode(&request)) return;
  protocol::CreatePartitionsResponse response;
  std::vector<broker::NewPartitions> topics;
  for (const auto& topic : request.topics) {
    response.results.emplace_back().name = topic.name;
    broker::NewPartitions wanted{topic.name, topic.count, {}};
    if (topic.assignments) {
      for (const auto& assigned : *topic.assignments) {
        auto& nodes = wanted.assignment.emplace_back();
        for (const int32_t id : assigned.broker_ids) nodes.emplace_back(static_cast<uint64_t>(std::max(id, 0)));
      }
    }
    topics.push_back(std::move(wanted));
  }
  broker::Broker& broker = call->broker;
  const ShardId shard = call->shard;
  broker.CreatePartitions(
      shard, std::move(topics), request.validate_only, std::chrono::milliseconds(request.timeout_ms),
      [call = std::move(call), response = std::move(response)](std::vector<std::optional<Error>> outcomes) mutable {
        for (size_t i = 0; i < outcomes.size(); ++i) {
          response.results[i].error_code = ToCode(outcomes[i]);
          response.results[i].error_message = ToMessage(outcomes[i]);
        }
        call->Reply(response);
      });
}

}  // namespace chronik::api
