// SPDX-License-Identifier: Apache-2.0
// InitProducerId (key 22): an id for an idempotent producer. Transactional ids need a coordinator, which this version
// has not.
#include "kernel/protocol/generated/init_producer_id.h"

#include <utility>

#include "kernel/api/errors.h"
#include "kernel/api/table.h"

namespace chronik::api {

void HandleInitProducerId(CallPtr call) {
  protocol::InitProducerIdRequest request;
  if (!call->Decode(&request)) return;
  if (request.transactional_id) {
    // Fatal for the client, so that the application hears that it cannot have transactions here.
    protocol::InitProducerIdResponse response;
    response.error_code = protocol::ToInt16(protocol::KafkaError::kTransactionalIdAuthorizationFailed);
    return call->Reply(response);
  }
  broker::Broker& broker = call->broker;
  const ShardId shard = call->shard;
  // A producer that asks again with its old id gets a new one: it starts a new sequence (KIP-360).
  broker.AllocateProducerId(shard, [call = std::move(call)](Result<broker::NewProducerId> id) mutable {
    protocol::InitProducerIdResponse response;
    if (id.ok()) {
      response.producer_id = id->id.value;
      response.producer_epoch = id->epoch;
    } else {
      response.error_code = protocol::ToInt16(protocol::KafkaError::kCoordinatorNotAvailable);
    }
    call->Reply(response);
  });
}

}  // namespace chronik::api
