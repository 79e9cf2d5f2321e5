// SPDX-License-Identifier: Apache-2.0
// What the handlers of group APIs share: the way to a group's coordinator, and its words on the wire.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "kernel/api/call.h"
#include "kernel/groups/request.h"

namespace chronik::api {

// The numbers are Kafka's own.
inline int16_t ToCode(groups::GroupError error) { return static_cast<int16_t>(error); }

// As Kafka's brokers write them: an address with a slash before it.
inline groups::Client ClientOf(const Call& call) {
  return {call.header.client_id.value_or(""), "/" + call.peer.substr(0, call.peer.rfind(':'))};
}

// then(CallPtr, ReplyType): with what the coordinator of `group` answers.
template <class ReplyType, class Then>
void AskGroup(CallPtr call, const std::string& group, groups::Request request, Then then) {
  broker::Broker& broker = call->broker;
  const ShardId shard = call->shard;
  broker.AskGroup(shard, group, std::move(request),
                  [call = std::move(call), then = std::move(then)](groups::Response response) mutable {
                    then(std::move(call), std::get<ReplyType>(std::move(response)));
                  });
}

// The same for several groups, each with a request of its own: then(CallPtr, std::vector<ReplyType>), in their order.
template <class ReplyType, class Then>
void AskGroups(CallPtr call, std::vector<std::pair<std::string, groups::Request>> requests, Then then) {
  struct Gather {
    CallPtr call;
    std::vector<ReplyType> replies;
    size_t missing;
    Then then;
  };
  if (requests.empty()) return then(std::move(call), {});
  broker::Broker& broker = call->broker;
  const ShardId shard = call->shard;
  const size_t count = requests.size();
  auto gather =
      std::make_shared<Gather>(Gather{std::move(call), std::vector<ReplyType>(count), count, std::move(then)});
  for (size_t i = 0; i < count; ++i) {
    broker.AskGroup(shard, requests[i].first, std::move(requests[i].second), [gather, i](groups::Response response) {
      gather->replies[i] = std::get<ReplyType>(std::move(response));
      if (--gather->missing == 0) gather->then(std::move(gather->call), std::move(gather->replies));
    });
  }
}

}  // namespace chronik::api
