// SPDX-License-Identifier: Apache-2.0
// OffsetCommit (key 8): how far a group has come. Of a topic that does not exist nothing is kept, as with Kafka.
#include "kernel/protocol/generated/offset_commit.h"

#include <utility>

#include "kernel/api/errors.h"
#include "kernel/api/group_call.h"
#include "kernel/api/lookup.h"
#include "kernel/api/table.h"

namespace chronik::api {
namespace {

using protocol::OffsetCommitRequest;
using protocol::OffsetCommitResponse;

constexpr int16_t kFirstWithTopicIds = 10;

groups::OffsetCommit ToCommit(const Call& call, const OffsetCommitRequest& request) {
  groups::OffsetCommit commit;
  commit.group = request.group_id;
  commit.member = request.member_id;
  commit.instance = request.group_instance_id;
  commit.generation = request.generation_id_or_member_epoch;
  commit.version = call.version();
  if (request.retention_time_ms >= 0) commit.retention = groups::Milliseconds(request.retention_time_ms);
  return commit;
}

using Places = std::vector<std::pair<size_t, size_t>>;  // of what was asked of the coordinator, in the response

void Respond(CallPtr call, OffsetCommitResponse response, const Places& places,
             const groups::OffsetCommitReply& reply) {
  for (size_t i = 0; i < places.size(); ++i)
    response.topics[places[i].first].partitions[places[i].second].error_code = ToCode(reply.partitions[i].error);
  call->Reply(response);
}

}  // namespace

void HandleOffsetCommit(CallPtr call) {
  OffsetCommitRequest request;
  if (!call->Decode(&request)) return;
  const metadata::ImagePtr image = call->broker.image(call->shard);
  groups::OffsetCommit commit = ToCommit(*call, request);
  OffsetCommitResponse response;
  Places places;
  for (const auto& topic : request.topics) {
    const auto found = FindTopic(*image, call->version() >= kFirstWithTopicIds, topic.topic_id, topic.name);
    auto& out = response.topics.emplace_back();
    out.name = topic.name;
    out.topic_id = topic.topic_id;
    if (found.ok()) commit.topics.push_back({(*found)->name, {}});
    for (const auto& p : topic.partitions) {
      out.partitions.push_back({p.partition_index, found.ok() ? int16_t{0} : ToCode(found.error().code)});
      if (!found.ok()) continue;
      places.emplace_back(response.topics.size() - 1, out.partitions.size() - 1);
      commit.topics.back().partitions.push_back(
          {p.partition_index, p.committed_offset, p.committed_leader_epoch, p.committed_metadata});
    }
  }
  AskGroup<groups::OffsetCommitReply>(std::move(call), request.group_id, std::move(commit),
                                      [response = std::move(response), places = std::move(places)](
                                          CallPtr asked, const groups::OffsetCommitReply& reply) mutable {
                                        Respond(std::move(asked), std::move(response), places, reply);
                                      });
}

}  // namespace chronik::api
