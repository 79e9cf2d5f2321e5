// SPDX-License-Identifier: Apache-2.0
// ListGroups (key 16): the groups that this broker coordinates; clients ask every broker.
#include "kernel/protocol/generated/list_groups.h"

#include <utility>

#include "kernel/api/group_call.h"
#include "kernel/api/table.h"

namespace chronik::api {

void HandleListGroups(CallPtr call) {
  protocol::ListGroupsRequest request;
  if (!call->Decode(&request)) return;
  broker::Broker& broker = call->broker;
  const ShardId shard = call->shard;
  broker.ListGroups(shard, {std::move(request.states_filter), std::move(request.types_filter)},
                    [call = std::move(call)](const groups::ListGroupsReply& reply) {
                      protocol::ListGroupsResponse response;
                      response.error_code = ToCode(reply.error);
                      for (const auto& group : reply.groups)
                        response.groups.push_back({group.id, group.protocol_type, group.state, group.type});
                      call->Reply(response);
                    });
}

}  // namespace chronik::api
