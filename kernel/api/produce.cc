// SPDX-License-Identifier: Apache-2.0
// Produce (key 0): record batches for any number of partitions.
#include "kernel/protocol/generated/produce.h"

#include <utility>
#include <vector>

#include "kernel/api/errors.h"
#include "kernel/api/lookup.h"
#include "kernel/api/table.h"

namespace chronik::api {
namespace {

using protocol::ProduceRequest;
using protocol::ProduceResponse;

constexpr int16_t kFirstWithZstd = 7;
constexpr int16_t kFirstWithTopicIds = 13;
constexpr int16_t kLowestServed = 3;  // record batch v2

// Where the outcome of one item of the broker's request goes in the response.
struct Place {
  size_t topic;
  size_t partition;
};

struct Work {
  CallPtr call;
  ProduceResponse response;
  std::vector<Place> places;
  broker::Acks acks = broker::Acks::kAll;
};

// Versions 0 to 2 carry message sets of an older magic. No client sends them after it has seen the table: see there.
void RefuseOldVersion(CallPtr call) {
  call->Close("Produce version " + std::to_string(call->version()) + ": record batches need version 3 or later");
}

void Fill(ProduceResponse::PartitionProduceResponse& out, const broker::ProduceOutcome& outcome) {
  out.error_code = ToCode(outcome.error);
  out.error_message = ToMessage(outcome.error);
  if (outcome.bad_record >= 0) out.record_errors.push_back({outcome.bad_record, out.error_message});
  out.base_offset = outcome.base_offset.value;
  out.log_append_time_ms = outcome.log_append_time_ms;
  out.log_start_offset = outcome.log_start_offset.value;
  if (outcome.error && outcome.error->code == ErrorCode::kNotLeader && outcome.leader.leader != NodeId(0)) {
    out.current_leader = {static_cast<int32_t>(outcome.leader.leader.value), outcome.leader.epoch};
  }
}

void Finish(Work work, std::vector<broker::ProduceOutcome> outcomes) {
  bool failed = false;
  bool moved = false;
  for (size_t i = 0; i < outcomes.size(); ++i) {
    auto& partition = work.response.responses[work.places[i].topic].partition_responses[work.places[i].partition];
    Fill(partition, outcomes[i]);
    moved |= partition.current_leader.leader_id >= 0;
  }
  for (const auto& topic : work.response.responses) {
    for (const auto& partition : topic.partition_responses) failed |= partition.error_code != 0;
  }
  if (work.acks == broker::Acks::kNone) {
    // The client hears nothing; a closed connection is the only sign that something went wrong, as with Apache Kafka.
    if (failed) return work.call->Close("a Produce request with acks=0 failed");
    return work.call->NoReply();
  }
  if (moved) {
    work.response.node_endpoints = Endpoints<ProduceResponse::NodeEndpoint>(*work.call->broker.image(work.call->shard));
  }
  work.call->Reply(work.response);
}

}  // namespace

void HandleProduce(CallPtr call) {
  if (call->version() < kLowestServed) return RefuseOldVersion(std::move(call));
  ProduceRequest request;
  if (!call->Decode(&request)) return;
  Work work;
  broker::ProduceRequest ask;
  std::optional<Error> refused;
  if (request.acks != 0 && request.acks != 1 && request.acks != -1) {
    refused = Error{ErrorCode::kInvalidArgument, "acks is 0, 1 or -1"};
  } else if (request.transactional_id) {
    refused = Error{ErrorCode::kInvalidTransaction, "this version of chronik has no transactions"};
  }
  const bool by_id = call->version() >= kFirstWithTopicIds;
  const metadata::ImagePtr image = call->broker.image(call->shard);
  for (ProduceRequest::TopicProduceData& topic : request.topic_data) {
    auto& out_topic = work.response.responses.emplace_back();
    out_topic.name = topic.name;
    out_topic.topic_id = topic.topic_id;
    const auto found = NotInternal(FindTopic(*image, by_id, topic.topic_id, topic.name));
    for (ProduceRequest::PartitionProduceData& partition : topic.partition_data) {
      auto& out = out_topic.partition_responses.emplace_back();
      out.index = partition.index;
      out.base_offset = -1;
      const auto ref =
          found.ok() ? FindPartition(**found, partition.index) : Result<broker::PartitionRef>(found.error());
      if (refused || !ref.ok()) {
        const Error& error = refused ? *refused : ref.error();
        out.error_code = request.acks < -1 || request.acks > 1
                             ? protocol::ToInt16(protocol::KafkaError::kInvalidRequiredAcks)
                             : ToCode(error.code);
        out.error_message = error.message;
        continue;
      }
      work.places.push_back({work.response.responses.size() - 1, out_topic.partition_responses.size() - 1});
      ask.items.push_back({*ref, partition.records ? std::move(*partition.records) : Bytes()});
    }
  }
  work.acks = refused ? broker::Acks::kAll : static_cast<broker::Acks>(request.acks);
  ask.acks = work.acks;
  ask.timeout = std::chrono::milliseconds(request.timeout_ms);
  ask.zstd_allowed = call->version() >= kFirstWithZstd;
  broker::Broker& broker = call->broker;
  const ShardId shard = call->shard;
  work.call = std::move(call);
  broker.Produce(shard, std::move(ask), [work = std::move(work)](std::vector<broker::ProduceOutcome> outcomes) mutable {
    Finish(std::move(work), std::move(outcomes));
  });
}

}  // namespace chronik::api
