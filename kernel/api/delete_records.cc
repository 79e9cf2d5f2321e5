// SPDX-License-Identifier: Apache-2.0
// DeleteRecords (key 21, KIP-107): moves a partition's log start offset. The request's timeout is not needed: the
// partition answers within an election timeout, with an error if it is not known whether it was decided.
#include "kernel/protocol/generated/delete_records.h"

#include <utility>
#include <vector>

#include "kernel/api/errors.h"
#include "kernel/api/lookup.h"
#include "kernel/api/table.h"

namespace chronik::api {

void HandleDeleteRecords(CallPtr call) {
  protocol::DeleteRecordsRequest request;
  if (!call->Decode(&request)) return;
  protocol::DeleteRecordsResponse response;
  std::vector<std::pair<size_t, size_t>> places;
  std::vector<broker::DeleteRecordsItem> items;
  const metadata::ImagePtr image = call->broker.image(call->shard);
  for (const auto& topic : request.topics) {
    auto& out_topic = response.topics.emplace_back();
    out_topic.name = topic.name;
    const auto found = NotInternal(FindTopic(*image, false, {}, topic.name));
    for (const auto& partition : topic.partitions) {
      auto& out = out_topic.partitions.emplace_back();
      out.partition_index = partition.partition_index;
      out.low_watermark = -1;
      const auto ref =
          found.ok() ? FindPartition(**found, partition.partition_index) : Result<broker::PartitionRef>(found.error());
      if (!ref.ok()) {
        out.error_code = ToCode(ref.error().code);
        continue;
      }
      places.emplace_back(response.topics.size() - 1, out_topic.partitions.size() - 1);
      items.push_back({*ref, Offset(partition.offset)});
    }
  }
  broker::Broker& broker = call->broker;
  const ShardId shard = call->shard;
  broker.DeleteRecords(shard, std::move(items),
                       [call = std::move(call), response = std::move(response),
                        places = std::move(places)](std::vector<broker::DeleteRecordsOutcome> outcomes) mutable {
                         for (size_t i = 0; i < outcomes.size(); ++i) {
                           auto& out = response.topics[places[i].first].partitions[places[i].second];
                           out.error_code = ToCode(outcomes[i].error);
                           out.low_watermark = outcomes[i].log_start_offset.value;
                         }
                         call->Reply(response);
                       });
}

}  // namespace chronik::api
