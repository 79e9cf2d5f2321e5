// SPDX-License-Identifier: Apache-2.0
// FindCoordinator (key 10): this version has no group or transaction coordinator and says so; clients keep trying.
#include "kernel/protocol/generated/find_coordinator.h"

#include <utility>

#include "kernel/api/errors.h"
#include "kernel/api/table.h"

namespace chronik::api {

void HandleFindCoordinator(CallPtr call) {
  protocol::FindCoordinatorRequest request;
  if (!call->Decode(&request)) return;
  constexpr auto kNone = protocol::KafkaError::kCoordinatorNotAvailable;
  const std::string why = "this version of chronik has no group or transaction coordinator";
  protocol::FindCoordinatorResponse response;
  response.error_code = protocol::ToInt16(kNone);
  response.error_message = why;
  response.node_id = -1;
  response.port = -1;
  for (const std::string& key : request.coordinator_keys) {
    response.coordinators.push_back({key, -1, "", -1, protocol::ToInt16(kNone), why});
  }
  call->Reply(response);
}

}  // namespace chronik::api
