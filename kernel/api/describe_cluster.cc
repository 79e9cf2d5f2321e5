// SPDX-License-Identifier: Apache-2.0
// DescribeCluster (key 60): cluster id, controller, brokers.
#include "kernel/protocol/generated/describe_cluster.h"

#include <utility>

#include "kernel/api/errors.h"
#include "kernel/api/table.h"

namespace chronik::api {

void HandleDescribeCluster(CallPtr call) {
  protocol::DescribeClusterRequest request;
  if (!call->Decode(&request)) return;
  protocol::DescribeClusterResponse response;
  constexpr int8_t kBrokers = 1;
  response.endpoint_type = request.endpoint_type;
  if (request.endpoint_type != kBrokers) {
    response.error_code = protocol::ToInt16(protocol::KafkaError::kMismatchedEndpointType);
    response.error_message = "this listener is a broker's";
    return call->Reply(response);
  }
  const metadata::ImagePtr image = call->broker.image(call->shard);
  response.cluster_id = image->cluster_id();
  response.controller_id = static_cast<int32_t>(call->broker.settings().node_id.value);
  for (const metadata::Broker& b : image->Brokers()) {
    if (!call->broker.IsAlive(call->shard, b.id)) continue;
    auto& out = response.brokers.emplace_back();
    out.broker_id = static_cast<int32_t>(b.id.value);
    out.host = b.host;
    out.port = b.port;
    if (!b.rack.empty()) out.rack = b.rack;
  }
  call->Reply(response);
}

}  // namespace chronik::api
