// SPDX-License-Identifier: Apache-2.0
// OffsetFetch (key 9): what was committed; from version 8 on of several groups, from 10 on by topic id.
#include "kernel/protocol/generated/offset_fetch.h"

#include <utility>

#include "kernel/api/errors.h"
#include "kernel/api/group_call.h"
#include "kernel/api/lookup.h"
#include "kernel/api/table.h"

namespace chronik::api {
namespace {

using protocol::OffsetFetchRequest;
using protocol::OffsetFetchResponse;
using OutGroup = OffsetFetchResponse::OffsetFetchResponseGroup;
using OutTopic = OffsetFetchResponse::OffsetFetchResponseTopics;

constexpr int16_t kFirstWithGroupError = 2;
constexpr int16_t kFirstWithGroups = 8;
constexpr int16_t kFirstWithTopicIds = 10;

// One group's request in the newest form.
OffsetFetchRequest::OffsetFetchRequestGroup OnlyGroup(const OffsetFetchRequest& request) {
  OffsetFetchRequest::OffsetFetchRequestGroup group;
  group.group_id = request.group_id;
  if (!request.topics) return group;
  group.topics.emplace();
  for (const auto& topic : *request.topics) group.topics->push_back({topic.name, {}, topic.partition_indexes});
  return group;
}

struct Asked {
  OutGroup answer;                                // with what has failed already
  std::vector<std::pair<size_t, size_t>> places;  // of what the coordinator was asked for
  bool all = false;
};

groups::OffsetFetch ToFetch(const metadata::MetadataImage& image, bool by_id, bool require_stable,
                            const OffsetFetchRequest::OffsetFetchRequestGroup& group, Asked* asked) {
  groups::OffsetFetch fetch{group.group_id, group.member_id, group.member_epoch, require_stable, std::nullopt};
  asked->answer.group_id = group.group_id;
  asked->all = !group.topics;
  if (asked->all) return fetch;
  fetch.topics.emplace();
  for (const auto& topic : *group.topics) {
    OutTopic& out = asked->answer.topics.emplace_back();
    out.name = topic.name;
    out.topic_id = topic.topic_id;
    const auto found = by_id ? FindTopic(image, true, topic.topic_id, "") : Result<metadata::TopicPtr>(nullptr);
    const int16_t code = found.ok() ? int16_t{0} : ToCode(found.error().code);
    if (found.ok()) fetch.topics->push_back({by_id ? (*found)->name : topic.name, topic.partition_indexes});
    for (const int32_t p : topic.partition_indexes) {
      out.partitions.push_back({p, -1, -1, "", code});
      if (found.ok()) asked->places.emplace_back(asked->answer.topics.size() - 1, out.partitions.size() - 1);
    }
  }
  return fetch;
}

void AddAll(const metadata::MetadataImage& image, bool by_id, const groups::OffsetFetchReply& reply, OutGroup* out) {
  std::string name;
  for (const auto& p : reply.partitions) {
    const metadata::TopicPtr topic = by_id ? image.FindTopic(p.topic) : nullptr;
    if (by_id && !topic) continue;  // it is gone, and so is its id
    if (out->topics.empty() || name != p.topic) out->topics.push_back({p.topic, topic ? topic->id : TopicId{}, {}});
    name = p.topic;
    out->topics.back().partitions.push_back({p.partition, p.offset, p.leader_epoch, p.metadata, ToCode(p.error)});
  }
}

OutGroup Fill(const Call& call, Asked asked, const groups::OffsetFetchReply& reply) {
  OutGroup& out = asked.answer;
  out.error_code = ToCode(reply.error);
  if (asked.all) {
    AddAll(*call.broker.image(call.shard), call.version() >= kFirstWithTopicIds, reply, &out);
  } else if (reply.error != groups::GroupError::kNone) {
    if (call.version() >= kFirstWithGroupError) {
      out.topics.clear();
      return std::move(out);
    }
    for (OutTopic& topic : out.topics) {
      for (auto& p : topic.partitions) p.error_code = out.error_code;
    }
  } else {
    for (size_t i = 0; i < asked.places.size(); ++i) {
      const auto& p = reply.partitions[i];
      out.topics[asked.places[i].first].partitions[asked.places[i].second] = {p.partition, p.offset, p.leader_epoch,
                                                                              p.metadata, ToCode(p.error)};
    }
  }
  return std::move(out);
}

void Respond(CallPtr call, std::vector<Asked> asked, const std::vector<groups::OffsetFetchReply>& replies) {
  OffsetFetchResponse response;
  for (size_t i = 0; i < asked.size(); ++i) response.groups.push_back(Fill(*call, std::move(asked[i]), replies[i]));
  if (call->version() < kFirstWithGroups) {
    OutGroup& only = response.groups.front();
    response.error_code = only.error_code;
    for (OutTopic& topic : only.topics) {
      auto& out = response.topics.emplace_back();
      out.name = topic.name;
      for (auto& p : topic.partitions) {
        out.partitions.push_back(
            {p.partition_index, p.committed_offset, p.committed_leader_epoch, p.metadata, p.error_code});
      }
    }
  }
  call->Reply(response);
}

}  // namespace

void HandleOffsetFetch(CallPtr call) {
  OffsetFetchRequest request;
  if (!call->Decode(&request)) return;
  if (call->version() < kFirstWithGroups) request.groups = {OnlyGroup(request)};
  const metadata::ImagePtr image = call->broker.image(call->shard);
  std::vector<Asked> asked;
  std::vector<std::pair<std::string, groups::Request>> requests;
  for (const auto& group : request.groups) {
    const bool by_id = call->version() >= kFirstWithTopicIds;
    requests.emplace_back(group.group_id, ToFetch(*image, by_id, request.require_stable, group, &asked.emplace_back()));
  }
  AskGroups<groups::OffsetFetchReply>(
      std::move(call), std::move(requests),
      [asked = std::move(asked)](CallPtr done, const std::vector<groups::OffsetFetchReply>& replies) mutable {
        Respond(std::move(done), std::move(asked), replies);
      });
}

}  // namespace chronik::api
