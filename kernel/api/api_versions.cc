// SPDX-License-Identifier: Apache-2.0
// ApiVersions (key 18): what this broker speaks, straight from the handler table.
#include "kernel/protocol/generated/api_versions.h"

#include "kernel/api/table.h"
#include "kernel/protocol/errors.h"

namespace chronik::api {

void HandleApiVersions(CallPtr call) {
  protocol::ApiVersionsRequest request;
  protocol::ApiVersionsResponse response;
  // A client that cannot spell its own name is told so in a way that it understands (KIP-511).
  if (!request.Decode(call->reader, call->version()).ok()) {
    response.error_code = protocol::ToInt16(protocol::KafkaError::kInvalidRequest);
    return call->Reply(response);
  }
  for (const ApiEntry& api : Apis()) response.api_keys.push_back({api.key, api.min_version, api.max_version});
  call->Reply(response);
}

}  // namespace chronik::api
