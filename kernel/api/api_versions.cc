// SPDX-License-Identifier: Apache-2.0
// ApiVersions (key 18): what this broker speaks, straight from the handler table.
#include "kernel/protocol/generated/api_versions.h"

#include <algorithm>
#include <string_view>

#include "kernel/api/table.h"
#include "kernel/protocol/errors.h"

namespace chronik::api {
namespace {

constexpr int16_t kFirstWithNames = 3;

bool IsAlphanumeric(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'); }

// Letters, digits, and inside of them '-' and '.', so that the name may become part of a metric's name (KIP-511).
bool IsSoftwareName(std::string_view name) {
  return !name.empty() && IsAlphanumeric(name.front()) && IsAlphanumeric(name.back()) &&
         std::ranges::all_of(name, [](char c) { return IsAlphanumeric(c) || c == '-' || c == '.'; });
}

}  // namespace

void HandleApiVersions(CallPtr call) {
  protocol::ApiVersionsRequest request;
  protocol::ApiVersionsResponse response;
  // A client that cannot spell its own name is told so in a way that it understands (KIP-511).
  const bool decoded = request.Decode(call->reader, call->version()).ok();
  if (!decoded || (call->version() >= kFirstWithNames && (!IsSoftwareName(request.client_software_name) ||
                                                          !IsSoftwareName(request.client_software_version)))) {
    response.error_code = protocol::ToInt16(protocol::KafkaError::kInvalidRequest);
    return call->Reply(response);
  }
  for (const ApiEntry& api : Apis()) response.api_keys.push_back({api.key, api.min_version, api.max_version});
  call->Reply(response);
}

}  // namespace chronik::api
