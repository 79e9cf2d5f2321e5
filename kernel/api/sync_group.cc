// SPDX-License-Identifier: Apache-2.0
// SyncGroup (key 14): the leader of a classic group hands out the assignment, every member gets its part.
#include "kernel/protocol/generated/sync_group.h"

#include <utility>

#include "kernel/api/group_call.h"
#include "kernel/api/table.h"

namespace chronik::api {

void HandleSyncGroup(CallPtr call) {
  protocol::SyncGroupRequest request;
  if (!call->Decode(&request)) return;
  groups::SyncGroup sync{request.group_id,
                         request.member_id,
                         request.group_instance_id,
                         request.generation_id,
                         request.protocol_type,
                         request.protocol_name,
                         {}};
  for (const auto& assigned : request.assignments)
    sync.assignments.push_back({assigned.member_id, std::string(assigned.assignment.text())});
  AskGroup<groups::SyncGroupReply>(std::move(call), request.group_id, std::move(sync),
                                   [](CallPtr asked, const groups::SyncGroupReply& reply) {
                                     protocol::SyncGroupResponse response;
                                     response.error_code = ToCode(reply.error);
                                     response.protocol_type = reply.protocol_type;
                                     response.protocol_name = reply.protocol;
                                     response.assignment = Bytes::Copy(reply.assignment);
                                     asked->Reply(response);
                                   });
}

}  // namespace chronik::api
