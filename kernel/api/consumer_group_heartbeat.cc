// SPDX-License-Identifier: Apache-2.0
// ConsumerGroupHeartbeat (key 68, KIP-848): joins, lives in and leaves a consumer group; the answer brings its
// partitions.
#include "kernel/protocol/generated/consumer_group_heartbeat.h"

#include <utility>

#include "kernel/api/group_call.h"
#include "kernel/api/table.h"

namespace chronik::api {
namespace {

using protocol::ConsumerGroupHeartbeatRequest;
using protocol::ConsumerGroupHeartbeatResponse;

groups::ConsumerGroupHeartbeat ToBeat(const Call& call, ConsumerGroupHeartbeatRequest request) {
  groups::ConsumerGroupHeartbeat beat;
  beat.group = std::move(request.group_id);
  beat.member = std::move(request.member_id);
  beat.epoch = request.member_epoch;
  beat.instance = std::move(request.instance_id);
  beat.rack = std::move(request.rack_id);
  beat.client = ClientOf(call);
  if (request.rebalance_timeout_ms != -1) beat.rebalance_timeout = groups::Milliseconds(request.rebalance_timeout_ms);
  beat.topics = std::move(request.subscribed_topic_names);
  beat.topic_pattern = std::move(request.subscribed_topic_regex);
  beat.assignor = std::move(request.server_assignor);
  if (!request.topic_partitions) return beat;
  beat.owned.emplace();
  for (auto& topic : *request.topic_partitions) beat.owned->push_back({topic.topic_id, std::move(topic.partitions)});
  return beat;
}

void Respond(CallPtr call, const groups::ConsumerGroupHeartbeatReply& reply) {
  ConsumerGroupHeartbeatResponse response;
  response.error_code = ToCode(reply.error);
  if (!reply.message.empty()) response.error_message = reply.message;
  if (!reply.member.empty()) response.member_id = reply.member;
  response.member_epoch = reply.epoch;
  response.heartbeat_interval_ms = static_cast<int32_t>(reply.heartbeat_interval.count());
  if (reply.assignment) {
    auto& assignment = response.assignment.emplace();
    for (const auto& topic : *reply.assignment) assignment.topic_partitions.push_back({topic.topic, topic.partitions});
  }
  call->Reply(response);
}

}  // namespace

void HandleConsumerGroupHeartbeat(CallPtr call) {
  ConsumerGroupHeartbeatRequest request;
  if (!call->Decode(&request)) return;
  const std::string group = request.group_id;
  groups::ConsumerGroupHeartbeat beat = ToBeat(*call, std::move(request));
  AskGroup<groups::ConsumerGroupHeartbeatReply>(std::move(call), group, std::move(beat), &Respond);
}

}  // namespace chronik::api
