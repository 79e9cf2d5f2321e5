// SPDX-License-Identifier: Apache-2.0
// FindCoordinator (key 10): the broker that leads a group's partition of `__consumer_offsets`; the first one to ask has
// that topic created.
//
// While it has no leader the answer is COORDINATOR_NOT_AVAILABLE, after which clients ask again. A transactional id is
// told what InitProducerId would tell it, as this version has no transactions: an error that is final, where another
// would let initTransactions() run into its timeout.
#include "kernel/protocol/generated/find_coordinator.h"

#include <algorithm>
#include <utility>

#include "kernel/api/errors.h"
#include "kernel/api/table.h"
#include "kernel/base/log.h"

namespace chronik::api {
namespace {

using protocol::FindCoordinatorRequest;
using protocol::FindCoordinatorResponse;
using protocol::KafkaError;
using Coordinator = FindCoordinatorResponse::Coordinator;

constexpr int16_t kFirstWithKeys = 4;

enum KeyType : int8_t { kGroup = 0, kTransaction = 1 };

Coordinator Refusal(const std::string& key, KafkaError error, std::string why) {
  return {key, -1, "", -1, protocol::ToInt16(error), std::move(why)};
}

Coordinator Find(const Call& call, const std::string& group) {
  if (group.empty()) return Refusal(group, KafkaError::kInvalidGroupId, "a group has a name");
  const auto partition = call.broker.CoordinatorOf(call.shard, group);
  const broker::LeaderInfo leader = partition ? call.broker.leader(call.shard, partition->group) : broker::LeaderInfo{};
  const metadata::ImagePtr image = call.broker.image(call.shard);
  const metadata::Broker* node = image->FindBroker(leader.leader);
  if (node == nullptr || !call.broker.IsAlive(call.shard, leader.leader))
    return Refusal(group, KafkaError::kCoordinatorNotAvailable, "the group's partition has no leader yet");
  return {group, static_cast<int32_t>(node->id.value), node->host, node->port, 0, std::nullopt};
}

void Respond(CallPtr call, const std::vector<Coordinator>& found) {
  FindCoordinatorResponse response;
  if (call->version() >= kFirstWithKeys) {
    response.coordinators = found;
  } else {
    const Coordinator& only = found.front();
    response.error_code = only.error_code;
    response.error_message = only.error_message;
    response.node_id = only.node_id;
    response.host = only.host;
    response.port = only.port;
  }
  call->Reply(response);
}

void FindAll(CallPtr call, const std::vector<std::string>& groups) {
  std::vector<Coordinator> found;
  found.reserve(groups.size());
  for (const std::string& group : groups) found.push_back(Find(*call, group));
  Respond(std::move(call), found);
}

void RefuseAll(CallPtr call, const std::vector<std::string>& keys, KafkaError error, const std::string& why) {
  std::vector<Coordinator> refused;
  refused.reserve(keys.size());
  for (const std::string& key : keys) refused.push_back(Refusal(key, error, why));
  Respond(std::move(call), refused);
}

// A client may wait without a word of its own.
void Tell(const Call& call, const std::string& key, const std::string& why) {
  if (!call.services.MayComplain(call.shard)) return;
  std::string shown = key.substr(0, 100);
  std::ranges::replace_if(shown, [](char c) { return c < ' ' || c > '~'; }, '?');
  CHRONIK_LOG(kWarn) << "a client asks for the coordinator of '" << shown << "': " << why
                     << " (said once a minute at most)";
}

void RefuseKind(CallPtr call, const std::vector<std::string>& keys, int8_t key_type) {
  const bool transactions = key_type == kTransaction;
  const std::string why = transactions ? "this version of chronik has no transactions"
                                       : "there is no coordinator of type " + std::to_string(key_type);
  Tell(*call, keys.empty() ? "" : keys.front(), why);
  RefuseAll(std::move(call), keys,
            transactions ? KafkaError::kTransactionalIdAuthorizationFailed : KafkaError::kInvalidRequest, why);
}

}  // namespace

void HandleFindCoordinator(CallPtr call) {
  FindCoordinatorRequest request;
  if (!call->Decode(&request)) return;
  std::vector<std::string> keys = std::move(request.coordinator_keys);
  if (call->version() < kFirstWithKeys) keys = {std::move(request.key)};
  if (request.key_type != kGroup) return RefuseKind(std::move(call), keys, request.key_type);
  if (keys.empty() || call->broker.CoordinatorOf(call->shard, keys.front())) return FindAll(std::move(call), keys);
  broker::Broker& broker = call->broker;
  const ShardId shard = call->shard;
  broker.PrepareGroups(shard, [call = std::move(call), keys = std::move(keys)](const Status& prepared) mutable {
    if (prepared.ok()) return FindAll(std::move(call), keys);
    RefuseAll(std::move(call), keys, KafkaError::kCoordinatorNotAvailable, prepared.error().message);
  });
}

}  // namespace chronik::api
