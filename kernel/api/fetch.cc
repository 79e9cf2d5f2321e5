// SPDX-License-Identifier: Apache-2.0
// Fetch (key 1): committed batches of any number of partitions, with long polling and sessions.
#include "kernel/protocol/generated/fetch.h"

#include <algorithm>
#include <chrono>
#include <utility>
#include <vector>

#include "kernel/api/errors.h"
#include "kernel/api/fetch_session.h"
#include "kernel/api/lookup.h"
#include "kernel/api/table.h"

namespace chronik::api {
namespace {

using protocol::FetchRequest;
using protocol::FetchResponse;

constexpr int16_t kFirstWithRacks = 11;
constexpr int16_t kFirstWithTopicIds = 13;
constexpr int16_t kFirstWithEndpoints = 16;
constexpr std::chrono::milliseconds kLongestWait{300000};
constexpr int32_t kLargestResponse = 57671680;  // fetch.max.bytes

struct Work {
  CallPtr call;
  FetchSessionPtr session;
  bool incremental = false;
  std::vector<FetchKey> keys;  // of the items that the broker was asked for
  std::vector<std::pair<FetchKey, Error>> refused;
  std::vector<std::pair<FetchKey, NodeId>> elsewhere;  // where it had better ask
};

// Whether a consumer in `rack` had better ask an in-sync follower there: only the leader says so (KIP-392). 0: no.
NodeId NearerReplica(const Call& call, const metadata::MetadataImage& image, GroupId group, const std::string& rack) {
  const broker::Settings& settings = call.broker.settings();
  if (!settings.fetch_from_followers || rack.empty() || rack == settings.rack) return {};
  if (call.broker.leader(call.shard, group).leader != settings.node_id) return {};
  for (const NodeId node : call.broker.in_sync(call.shard, group)) {
    const metadata::Broker* known = image.FindBroker(node);
    if (known != nullptr && known->rack == rack && call.broker.IsAlive(call.shard, node)) return node;
  }
  return {};
}

FetchResponse::PartitionData ToWire(const FetchKey& key, broker::FetchOutcome& outcome) {
  FetchResponse::PartitionData out;
  out.partition_index = key.partition;
  out.error_code = ToCode(outcome.error);
  out.high_watermark = outcome.high_watermark.value;
  out.last_stable_offset = outcome.last_stable_offset.value;
  out.log_start_offset = outcome.log_start_offset.value;
  if (outcome.diverging) out.diverging_epoch = {outcome.diverging->epoch, outcome.diverging->end_offset.value};
  const bool moved = outcome.error && (outcome.error->code == ErrorCode::kNotLeader ||
                                       outcome.error->code == ErrorCode::kFencedLeaderEpoch);
  if (moved && outcome.leader.leader != NodeId(0)) {
    out.current_leader = {static_cast<int32_t>(outcome.leader.leader.value), outcome.leader.epoch};
  }
  out.records = std::move(outcome.records);
  return out;
}

// Whether a partition belongs in this response; remembers what the client now knows.
bool IsNews(Work& work, const FetchKey& key, const FetchResponse::PartitionData& data) {
  const auto known = work.session->partitions.find(key);
  if (known == work.session->partitions.end()) return true;
  const bool changed =
      known->second.high_watermark != data.high_watermark || known->second.log_start_offset != data.log_start_offset;
  known->second.high_watermark = data.high_watermark;
  known->second.log_start_offset = data.log_start_offset;
  if (!data.records->empty()) work.session->MoveToEnd(known->second);
  return !work.incremental || changed || data.error_code != 0 || data.diverging_epoch.epoch >= 0 ||
         !data.records->empty();
}

void Add(FetchResponse& response, const FetchKey& key, FetchResponse::PartitionData data) {
  if (response.responses.empty() || response.responses.back().topic != key.topic ||
      response.responses.back().topic_id != key.topic_id) {
    auto& topic = response.responses.emplace_back();
    topic.topic = key.topic;
    topic.topic_id = key.topic_id;
  }
  response.responses.back().partitions.push_back(std::move(data));
}

void Finish(Work work, std::vector<broker::FetchOutcome> outcomes) {
  FetchResponse response;
  response.session_id = work.session->id;
  bool moved = false;
  for (size_t i = 0; i < outcomes.size(); ++i) {
    FetchResponse::PartitionData data = ToWire(work.keys[i], outcomes[i]);
    moved |= data.current_leader.leader_id >= 0;
    if (IsNews(work, work.keys[i], data)) Add(response, work.keys[i], std::move(data));
  }
  for (const auto& [key, error] : work.refused) {
    FetchResponse::PartitionData data;
    data.partition_index = key.partition;
    data.error_code = ToCode(error.code);
    data.high_watermark = -1;
    Add(response, key, std::move(data));
  }
  for (const auto& [key, node] : work.elsewhere) {
    FetchResponse::PartitionData data;
    data.partition_index = key.partition;
    data.high_watermark = -1;
    data.preferred_read_replica = static_cast<int32_t>(node.value);
    Add(response, key, std::move(data));
  }
  if (moved && work.call->version() >= kFirstWithEndpoints) {
    response.node_endpoints = Endpoints<FetchResponse::NodeEndpoint>(*work.call->broker.image(work.call->shard));
  }
  work.call->Reply(response);
}

}  // namespace

void HandleFetch(CallPtr call) {
  FetchRequest request;
  if (!call->Decode(&request)) return;
  const bool by_id = call->version() >= kFirstWithTopicIds;
  FetchSessionCache::Begun begun =
      call->services.sessions(call->shard).Begin(request, by_id, call->services.Now(call->shard));
  if (begun.error != protocol::KafkaError::kNone) {
    FetchResponse response;
    response.error_code = protocol::ToInt16(begun.error);
    return call->Reply(response);
  }
  Work work;
  work.session = std::move(begun.session);
  work.incremental = begun.incremental;
  broker::FetchRequest ask;
  ask.max_wait = std::clamp(std::chrono::milliseconds(request.max_wait_ms), std::chrono::milliseconds(0), kLongestWait);
  ask.min_bytes = static_cast<uint32_t>(std::max(request.min_bytes, 0));
  ask.max_bytes = static_cast<uint32_t>(std::clamp(request.max_bytes, 0, kLargestResponse));
  ask.read_committed = request.isolation_level == 1;
  const metadata::ImagePtr image = call->broker.image(call->shard);
  for (const auto& [key, p] : work.session->InTurn()) {
    const auto topic = FindTopic(*image, by_id, key.topic_id, key.topic);
    const auto ref = topic.ok() ? FindPartition(**topic, key.partition) : Result<broker::PartitionRef>(topic.error());
    if (!ref.ok()) {
      work.refused.emplace_back(key, ref.error());
      continue;
    }
    const NodeId nearer =
        call->version() >= kFirstWithRacks ? NearerReplica(*call, *image, ref->group, request.rack_id) : NodeId{};
    if (nearer != NodeId{}) {
      work.elsewhere.emplace_back(key, nearer);
      continue;
    }
    work.keys.push_back(key);
    ask.items.push_back({*ref, Offset(p.fetch_offset), p.current_leader_epoch, p.last_fetched_epoch,
                         static_cast<uint32_t>(std::max(p.partition_max_bytes, 0))});
  }
  if (!work.refused.empty() || !work.elsewhere.empty()) ask.max_wait = std::chrono::milliseconds(0);
  broker::Broker& broker = call->broker;
  const ShardId shard = call->shard;
  work.call = std::move(call);
  broker.Fetch(shard, std::move(ask), [work = std::move(work)](std::vector<broker::FetchOutcome> outcomes) mutable {
    Finish(std::move(work), std::move(outcomes));
  });
}

}  // namespace chronik::api
