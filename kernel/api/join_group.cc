// SPDX-License-Identifier: Apache-2.0
// JoinGroup (key 11): a member of a classic group joins; answered when its generation begins.
#include "kernel/protocol/generated/join_group.h"

#include <utility>

#include "kernel/api/group_call.h"
#include "kernel/api/table.h"

namespace chronik::api {
namespace {

constexpr int16_t kFirstWithRebalanceTimeout = 1;
constexpr int16_t kFirstWithMemberIdRequired = 4;
constexpr int16_t kFirstWithNullProtocol = 7;
constexpr int16_t kFirstWithSkipAssignment = 9;

groups::JoinGroup ToRequest(const Call& call, protocol::JoinGroupRequest request) {
  groups::JoinGroup join;
  join.group = std::move(request.group_id);
  join.member = std::move(request.member_id);
  join.instance = std::move(request.group_instance_id);
  join.client = ClientOf(call);
  join.session_timeout = groups::Milliseconds(request.session_timeout_ms);
  join.rebalance_timeout = groups::Milliseconds(
      call.version() < kFirstWithRebalanceTimeout ? request.session_timeout_ms : request.rebalance_timeout_ms);
  join.protocol_type = std::move(request.protocol_type);
  for (auto& p : request.protocols) join.protocols.push_back({std::move(p.name), std::string(p.metadata.text())});
  join.knows_member_id_required = call.version() >= kFirstWithMemberIdRequired;
  join.knows_skip_assignment = call.version() >= kFirstWithSkipAssignment;
  return join;
}

void Respond(CallPtr call, groups::JoinGroupReply reply) {
  protocol::JoinGroupResponse response;
  response.error_code = ToCode(reply.error);
  response.generation_id = reply.generation;
  response.protocol_type = std::move(reply.protocol_type);
  response.protocol_name = std::move(reply.protocol);
  if (!response.protocol_name && call->version() < kFirstWithNullProtocol) response.protocol_name = "";
  response.leader = std::move(reply.leader);
  response.skip_assignment = reply.skip_assignment;
  response.member_id = std::move(reply.member);
  for (const groups::JoinedMember& member : reply.members)
    response.members.push_back({member.id, member.instance, Bytes::Copy(member.metadata)});
  call->Reply(response);
}

}  // namespace

void HandleJoinGroup(CallPtr call) {
  protocol::JoinGroupRequest request;
  if (!call->Decode(&request)) return;
  groups::JoinGroup join = ToRequest(*call, std::move(request));
  const std::string group = join.group;
  AskGroup<groups::JoinGroupReply>(std::move(call), group, std::move(join), &Respond);
}

}  // namespace chronik::api
