// SPDX-License-Identifier: Apache-2.0
// OffsetForLeaderEpoch (key 23): where an epoch ended, by which consumers find out that a log was truncated (KIP-320).
#include "kernel/protocol/generated/offset_for_leader_epoch.h"

#include <utility>
#include <vector>

#include "kernel/api/errors.h"
#include "kernel/api/lookup.h"
#include "kernel/api/table.h"

namespace chronik::api {

void HandleOffsetForLeaderEpoch(CallPtr call) {
  protocol::OffsetForLeaderEpochRequest request;
  if (!call->Decode(&request)) return;
  protocol::OffsetForLeaderEpochResponse response;
  std::vector<std::pair<size_t, size_t>> places;
  std::vector<broker::EpochQuery> items;
  const metadata::ImagePtr image = call->broker.image(call->shard);
  for (const auto& topic : request.topics) {
    auto& out_topic = response.topics.emplace_back();
    out_topic.topic = topic.topic;
    const auto found = FindTopic(*image, false, {}, topic.topic);
    for (const auto& partition : topic.partitions) {
      auto& out = out_topic.partitions.emplace_back();
      out.partition = partition.partition;
      const auto ref =
          found.ok() ? FindPartition(**found, partition.partition) : Result<broker::PartitionRef>(found.error());
      if (!ref.ok()) {
        out.error_code = ToCode(ref.error().code);
        continue;
      }
      places.emplace_back(response.topics.size() - 1, out_topic.partitions.size() - 1);
      items.push_back({*ref, partition.current_leader_epoch, partition.leader_epoch});
    }
  }
  broker::Broker& broker = call->broker;
  const ShardId shard = call->shard;
  broker.OffsetForLeaderEpoch(shard, std::move(items),
                              [call = std::move(call), response = std::move(response),
                               places = std::move(places)](std::vector<broker::EpochOutcome> outcomes) mutable {
                                for (size_t i = 0; i < outcomes.size(); ++i) {
                                  auto& out = response.topics[places[i].first].partitions[places[i].second];
                                  out.error_code = ToCode(outcomes[i].error);
                                  out.leader_epoch = outcomes[i].end.epoch;
                                  out.end_offset = outcomes[i].end.end_offset.value;
                                }
                                call->Reply(response);
                              });
}

}  // namespace chronik::api
