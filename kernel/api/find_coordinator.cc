// SPDX-License-Identifier: Apache-2.0
// FindCoordinator (key 10): this version has no group or transaction coordinator, and says so to the client and in the
// log.
//
// A group is told COORDINATOR_NOT_AVAILABLE, after which clients keep trying: librdkafka and its children ask for any
// consumer that names a group, also for one that was assigned its partitions by hand; any other code would reach its
// application as an error, although it works. A transactional id is told what InitProducerId would tell it: an error
// that is final, where the other would let initTransactions() run into its timeout.
#include "kernel/protocol/generated/find_coordinator.h"

#include <algorithm>
#include <utility>

#include "kernel/api/errors.h"
#include "kernel/api/table.h"
#include "kernel/base/log.h"

namespace chronik::api {
namespace {

using protocol::KafkaError;

enum KeyType : int8_t { kGroup = 0, kTransaction = 1 };

struct Refusal {
  KafkaError error;
  std::string why;
};

Refusal Refuse(int8_t key_type) {
  switch (key_type) {
    case kGroup: return {KafkaError::kCoordinatorNotAvailable, "this version of chronik has no consumer groups"};
    case kTransaction:
      return {KafkaError::kTransactionalIdAuthorizationFailed, "this version of chronik has no transactions"};
    default: return {KafkaError::kInvalidRequest, "there is no coordinator of type " + std::to_string(key_type)};
  }
}

// A client may wait without a word of its own (kafka-python does).
void Tell(const Call& call, const std::string& key, const std::string& why) {
  if (!call.services.MayComplain(call.shard)) return;
  std::string shown = key.substr(0, 100);
  std::ranges::replace_if(shown, [](char c) { return c < ' ' || c > '~'; }, '?');
  CHRONIK_LOG(kWarn) << "a client asks for the coordinator of '" << shown << "': " << why
                     << "; consumers must be assigned their partitions (said once a minute at most)";
}

}  // namespace

void HandleFindCoordinator(CallPtr call) {
  protocol::FindCoordinatorRequest request;
  if (!call->Decode(&request)) return;
  const Refusal refusal = Refuse(request.key_type);
  const int16_t code = protocol::ToInt16(refusal.error);
  protocol::FindCoordinatorResponse response;
  response.error_code = code;
  response.error_message = refusal.why;
  response.node_id = -1;
  response.port = -1;
  for (const std::string& key : request.coordinator_keys) {
    response.coordinators.push_back({key, -1, "", -1, code, refusal.why});
  }
  Tell(*call, request.coordinator_keys.empty() ? request.key : request.coordinator_keys.front(), refusal.why);
  call->Reply(response);
}

}  // namespace chronik::api
