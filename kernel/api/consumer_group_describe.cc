// SPDX-License-Identifier: Apache-2.0
// ConsumerGroupDescribe (key 69, KIP-848): members, their partitions and the state of consumer groups.
#include "kernel/protocol/generated/consumer_group_describe.h"

#include <utility>

#include "kernel/api/group_call.h"
#include "kernel/api/table.h"

namespace chronik::api {
namespace {

using protocol::ConsumerGroupDescribeResponse;

constexpr int8_t kConsumerMember = 1;  // KIP-1099; 0 would be one that speaks the classic protocol

ConsumerGroupDescribeResponse::Assignment ToWire(const std::vector<groups::NamedPartitions>& partitions) {
  ConsumerGroupDescribeResponse::Assignment out;
  for (const auto& topic : partitions) out.topic_partitions.push_back({topic.topic, topic.name, topic.partitions});
  return out;
}

ConsumerGroupDescribeResponse::Member ToWire(const groups::ConsumerGroupDescribeReply::Member& member) {
  ConsumerGroupDescribeResponse::Member out;
  out.member_id = member.id;
  out.instance_id = member.instance;
  out.rack_id = member.rack;
  out.member_epoch = member.epoch;
  out.client_id = member.client_id;
  out.client_host = member.client_host;
  out.subscribed_topic_names = member.topics;
  out.subscribed_topic_regex = member.topic_pattern;
  out.assignment = ToWire(member.assignment);
  out.target_assignment = ToWire(member.target);
  out.member_type = kConsumerMember;
  return out;
}

ConsumerGroupDescribeResponse::DescribedGroup ToWire(const groups::ConsumerGroupDescribeReply::Group& group) {
  ConsumerGroupDescribeResponse::DescribedGroup out;
  out.error_code = ToCode(group.error);
  out.group_id = group.id;
  out.group_state = group.state;
  out.group_epoch = group.epoch;
  out.assignment_epoch = group.assignment_epoch;
  out.assignor_name = group.assignor;
  for (const auto& member : group.members) out.members.push_back(ToWire(member));
  return out;
}

}  // namespace

void HandleConsumerGroupDescribe(CallPtr call) {
  protocol::ConsumerGroupDescribeRequest request;
  if (!call->Decode(&request)) return;
  std::vector<std::pair<std::string, groups::Request>> requests;
  for (const std::string& group : request.group_ids)
    requests.emplace_back(group, groups::ConsumerGroupDescribe{{group}});
  AskGroups<groups::ConsumerGroupDescribeReply>(
      std::move(call), std::move(requests),
      [](CallPtr asked, const std::vector<groups::ConsumerGroupDescribeReply>& replies) {
        ConsumerGroupDescribeResponse response;
        for (const auto& reply : replies) response.groups.push_back(ToWire(reply.groups.front()));
        asked->Reply(response);
      });
}

}  // namespace chronik::api
