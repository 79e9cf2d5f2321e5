// SPDX-License-Identifier: Apache-2.0
// LeaveGroup (key 13): members of a classic group leave; before version 3 one, and its error is the request's.
#include "kernel/protocol/generated/leave_group.h"

#include <utility>

#include "kernel/api/group_call.h"
#include "kernel/api/table.h"

namespace chronik::api {
namespace {

constexpr int16_t kFirstWithMembers = 3;

void Respond(CallPtr call, const groups::LeaveGroupReply& reply) {
  protocol::LeaveGroupResponse response;
  response.error_code = ToCode(reply.error);
  if (call->version() < kFirstWithMembers) {
    if (reply.error == groups::GroupError::kNone && !reply.members.empty())
      response.error_code = ToCode(reply.members.front().error);
    return call->Reply(response);
  }
  for (const auto& member : reply.members)
    response.members.push_back({member.id, member.instance, ToCode(member.error)});
  call->Reply(response);
}

}  // namespace

void HandleLeaveGroup(CallPtr call) {
  protocol::LeaveGroupRequest request;
  if (!call->Decode(&request)) return;
  groups::LeaveGroup leave{request.group_id, {}};
  if (call->version() < kFirstWithMembers) {
    leave.members.push_back({request.member_id, std::nullopt});
  } else {
    for (const auto& member : request.members) leave.members.push_back({member.member_id, member.group_instance_id});
  }
  AskGroup<groups::LeaveGroupReply>(std::move(call), request.group_id, std::move(leave), &Respond);
}

}  // namespace chronik::api
