// SPDX-License-Identifier: Apache-2.0
// DeleteGroups (key 42): groups without members go, with their offsets.
#include "kernel/protocol/generated/delete_groups.h"

#include <utility>

#include "kernel/api/group_call.h"
#include "kernel/api/table.h"

namespace chronik::api {

void HandleDeleteGroups(CallPtr call) {
  protocol::DeleteGroupsRequest request;
  if (!call->Decode(&request)) return;
  std::vector<std::pair<std::string, groups::Request>> requests;
  for (const std::string& group : request.groups_names) requests.emplace_back(group, groups::DeleteGroups{{group}});
  AskGroups<groups::DeleteGroupsReply>(std::move(call), std::move(requests),
                                       [](CallPtr asked, const std::vector<groups::DeleteGroupsReply>& replies) {
                                         protocol::DeleteGroupsResponse response;
                                         for (const auto& reply : replies) {
                                           const auto& group = reply.groups.front();
                                           response.results.push_back({group.id, ToCode(group.error), std::nullopt});
                                         }
                                         asked->Reply(response);
                                       });
}

}  // namespace chronik::api
