// SPDX-License-Identifier: Apache-2.0
// OffsetDelete (key 47): offsets of topics that a group no longer uses.
#include "kernel/protocol/generated/offset_delete.h"

#include <utility>

#include "kernel/api/errors.h"
#include "kernel/api/group_call.h"
#include "kernel/api/lookup.h"
#include "kernel/api/table.h"

namespace chronik::api {
namespace {

using protocol::OffsetDeleteResponse;
using Places = std::vector<std::pair<size_t, size_t>>;  // of what was asked of the coordinator, in the response

void Respond(CallPtr call, OffsetDeleteResponse response, const Places& places,
             const groups::OffsetDeleteReply& reply) {
  response.error_code = ToCode(reply.error);
  if (reply.error != groups::GroupError::kNone) {
    response.topics.clear();
    return call->Reply(response);
  }
  for (size_t i = 0; i < places.size(); ++i)
    response.topics[places[i].first].partitions[places[i].second].error_code = ToCode(reply.partitions[i].error);
  call->Reply(response);
}

}  // namespace

void HandleOffsetDelete(CallPtr call) {
  protocol::OffsetDeleteRequest request;
  if (!call->Decode(&request)) return;
  const metadata::ImagePtr image = call->broker.image(call->shard);
  groups::OffsetDelete remove{request.group_id, {}};
  OffsetDeleteResponse response;
  Places places;
  for (const auto& topic : request.topics) {
    const auto found = FindTopic(*image, false, {}, topic.name);
    auto& out = response.topics.emplace_back();
    out.name = topic.name;
    if (found.ok()) remove.topics.push_back({topic.name, {}});
    for (const auto& p : topic.partitions) {
      out.partitions.push_back({p.partition_index, found.ok() ? int16_t{0} : ToCode(found.error().code)});
      if (!found.ok()) continue;
      places.emplace_back(response.topics.size() - 1, out.partitions.size() - 1);
      remove.topics.back().partitions.push_back(p.partition_index);
    }
  }
  AskGroup<groups::OffsetDeleteReply>(std::move(call), request.group_id, std::move(remove),
                                      [response = std::move(response), places = std::move(places)](
                                          CallPtr asked, const groups::OffsetDeleteReply& reply) mutable {
                                        Respond(std::move(asked), std::move(response), places, reply);
                                      });
}

}  // namespace chronik::api
