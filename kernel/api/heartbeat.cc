// SPDX-License-Identifier: Apache-2.0
// Heartbeat (key 12): a member of a classic group lives, and learns whether it must join again.
#include "kernel/protocol/generated/heartbeat.h"

#include <utility>

#include "kernel/api/group_call.h"
#include "kernel/api/table.h"

namespace chronik::api {

void HandleHeartbeat(CallPtr call) {
  protocol::HeartbeatRequest request;
  if (!call->Decode(&request)) return;
  groups::Heartbeat beat{request.group_id, request.member_id, request.group_instance_id, request.generation_id};
  AskGroup<groups::HeartbeatReply>(std::move(call), request.group_id, std::move(beat),
                                   [](CallPtr asked, const groups::HeartbeatReply& reply) {
                                     protocol::HeartbeatResponse response;
                                     response.error_code = ToCode(reply.error);
                                     asked->Reply(response);
                                   });
}

}  // namespace chronik::api
