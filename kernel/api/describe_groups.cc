// SPDX-License-Identifier: Apache-2.0
// DescribeGroups (key 15): members and state of classic groups.
#include "kernel/protocol/generated/describe_groups.h"

#include <utility>

#include "kernel/api/group_call.h"
#include "kernel/api/table.h"

namespace chronik::api {
namespace {

using protocol::DescribeGroupsResponse;

constexpr int16_t kFirstWithNotFound = 6;

DescribeGroupsResponse::DescribedGroup ToWire(const groups::DescribeGroupsReply::Group& group, int16_t version) {
  DescribeGroupsResponse::DescribedGroup out;
  out.error_code = ToCode(group.error);
  out.group_id = group.id;
  out.group_state = group.state;
  out.protocol_type = group.protocol_type;
  out.protocol_data = group.protocol;
  if (group.error == groups::GroupError::kGroupIdNotFound) {
    out.group_state = "Dead";
    if (version < kFirstWithNotFound) out.error_code = 0;
  }
  for (const auto& member : group.members) {
    out.members.push_back({member.id, member.instance, member.client_id, member.client_host,
                           Bytes::Copy(member.metadata), Bytes::Copy(member.assignment)});
  }
  return out;
}

}  // namespace

void HandleDescribeGroups(CallPtr call) {
  protocol::DescribeGroupsRequest request;
  if (!call->Decode(&request)) return;
  std::vector<std::pair<std::string, groups::Request>> requests;
  for (const std::string& group : request.groups) requests.emplace_back(group, groups::DescribeGroups{{group}});
  AskGroups<groups::DescribeGroupsReply>(std::move(call), std::move(requests),
                                         [](CallPtr asked, const std::vector<groups::DescribeGroupsReply>& replies) {
                                           DescribeGroupsResponse response;
                                           for (const auto& reply : replies)
                                             response.groups.push_back(ToWire(reply.groups.front(), asked->version()));
                                           asked->Reply(response);
                                         });
}

}  // namespace chronik::api
