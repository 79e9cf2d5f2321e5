// SPDX-License-Identifier: Apache-2.0
// ListOffsets (key 2): earliest, latest, by timestamp, and the record with the largest timestamp.
#include "kernel/protocol/generated/list_offsets.h"

#include <utility>
#include <vector>

#include "kernel/api/errors.h"
#include "kernel/api/lookup.h"
#include "kernel/api/table.h"

namespace chronik::api {

void HandleListOffsets(CallPtr call) {
  protocol::ListOffsetsRequest request;
  if (!call->Decode(&request)) return;
  protocol::ListOffsetsResponse response;
  std::vector<std::pair<size_t, size_t>> places;
  std::vector<broker::ListOffsetItem> items;
  const metadata::ImagePtr image = call->broker.image(call->shard);
  for (const auto& topic : request.topics) {
    auto& out_topic = response.topics.emplace_back();
    out_topic.name = topic.name;
    const auto found = FindTopic(*image, false, {}, topic.name);
    for (const auto& partition : topic.partitions) {
      auto& out = out_topic.partitions.emplace_back();
      out.partition_index = partition.partition_index;
      const auto ref =
          found.ok() ? FindPartition(**found, partition.partition_index) : Result<broker::PartitionRef>(found.error());
      if (!ref.ok()) {
        out.error_code = ToCode(ref.error().code);
        continue;
      }
      places.emplace_back(response.topics.size() - 1, out_topic.partitions.size() - 1);
      items.push_back({*ref, partition.timestamp, partition.current_leader_epoch, request.isolation_level == 1});
    }
  }
  broker::Broker& broker = call->broker;
  const ShardId shard = call->shard;
  broker.ListOffsets(shard, std::move(items),
                     [call = std::move(call), response = std::move(response),
                      places = std::move(places)](std::vector<broker::ListOffsetOutcome> outcomes) mutable {
                       for (size_t i = 0; i < outcomes.size(); ++i) {
                         auto& out = response.topics[places[i].first].partitions[places[i].second];
                         out.error_code = ToCode(outcomes[i].error);
                         out.offset = outcomes[i].offset.value;
                         out.timestamp = outcomes[i].timestamp_ms;
                         out.leader_epoch = outcomes[i].leader_epoch;
                       }
                       call->Reply(response);
                     });
}

}  // namespace chronik::api
