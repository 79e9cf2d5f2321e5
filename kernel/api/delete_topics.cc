// SPDX-License-Identifier: Apache-2.0
// DeleteTopics (key 20): by name, from version 6 on also by id.
#include "kernel/protocol/generated/delete_topics.h"

#include <utility>
#include <vector>

#include "kernel/api/errors.h"
#include "kernel/api/lookup.h"
#include "kernel/api/table.h"

namespace chronik::api {

void HandleDeleteTopics(CallPtr call) {
  protocol::DeleteTopicsRequest request;
  if (!call->Decode(&request)) return;
  for (std::string& name : request.topic_names) request.topics.push_back({std::move(name), {}});
  protocol::DeleteTopicsResponse response;
  std::vector<TopicId> topics;
  std::vector<size_t> places;
  const metadata::ImagePtr image = call->broker.image(call->shard);
  for (const auto& topic : request.topics) {
    auto& out = response.responses.emplace_back();
    out.name = topic.name;
    out.topic_id = topic.topic_id;
    const auto found = NotInternal(FindTopic(*image, !topic.name, topic.topic_id, topic.name.value_or("")));
    if (!found.ok()) {
      out.error_code = ToCode(found.error().code);
      out.error_message = found.error().message;
      continue;
    }
    out.name = (*found)->name;
    out.topic_id = (*found)->id;
    topics.push_back((*found)->id);
    places.push_back(response.responses.size() - 1);
  }
  broker::Broker& broker = call->broker;
  const ShardId shard = call->shard;
  broker.DeleteTopics(shard, std::move(topics), std::chrono::milliseconds(request.timeout_ms),
                      [call = std::move(call), response = std::move(response),
                       places = std::move(places)](std::vector<std::optional<Error>> outcomes) mutable {
                        for (size_t i = 0; i < outcomes.size(); ++i) {
                          response.responses[places[i]].error_code = ToCode(outcomes[i]);
                          response.responses[places[i]].error_message = ToMessage(outcomes[i]);
                        }
                        call->Reply(response);
                      });
}

}  // namespace chronik::api
