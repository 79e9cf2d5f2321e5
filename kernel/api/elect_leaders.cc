// SPDX-License-Identifier: Apache-2.0
// ElectLeaders (key 43): preferred replicas take the lead (KIP-460).
#include "kernel/protocol/generated/elect_leaders.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "kernel/api/errors.h"
#include "kernel/api/lookup.h"
#include "kernel/api/table.h"

namespace chronik::api {
namespace {

using protocol::ElectLeadersRequest;
using protocol::ElectLeadersResponse;

constexpr int8_t kPreferred = 0;
constexpr int8_t kUnclean = 1;

// The elections that can be asked for, each with its answer's place; the other answers are complete.
struct Asked {
  ElectLeadersResponse response;
  std::vector<broker::PartitionElection> elections;
  std::vector<std::pair<size_t, size_t>> places;

  void Add(const metadata::MetadataImage& image, const std::string& topic_name, int32_t partition, bool unclean) {
    auto& answers = response.replica_election_results.back().partition_result;
    auto& answer = answers.emplace_back();
    answer.partition_id = partition;
    const auto topic = FindTopic(image, false, {}, topic_name);
    const auto ref = topic.ok() ? FindPartition(**topic, partition) : Result<broker::PartitionRef>(topic.error());
    if (!ref.ok()) {
      answer.error_code = ToCode(ref.error().code);
      answer.error_message = ref.error().message;
      return;
    }
    elections.push_back({ref->topic, ref->partition, unclean});
    places.emplace_back(response.replica_election_results.size() - 1, answers.size() - 1);
  }
};

Asked Read(const metadata::MetadataImage& image, const ElectLeadersRequest& request, bool unclean) {
  Asked asked;
  auto& results = asked.response.replica_election_results;
  if (request.topic_partitions) {
    for (const auto& topic : *request.topic_partitions) {
      results.emplace_back().topic = topic.topic;
      for (const int32_t partition : topic.partitions) asked.Add(image, topic.topic, partition, unclean);
    }
    return asked;
  }
  image.ForEachTopic([&](const metadata::TopicPtr& topic) {
    results.emplace_back().topic = topic->name;
    const auto count = static_cast<int32_t>(topic->partitions.size());
    for (int32_t i = 0; i < count; ++i) asked.Add(image, topic->name, i, unclean);
  });
  return asked;
}

// Where all partitions were asked for, those that nothing had to be done for are left out.
void LeaveOutNotNeeded(ElectLeadersResponse& response) {
  for (auto& topic : response.replica_election_results) {
    std::erase_if(topic.partition_result,
                  [](const auto& answer) { return answer.error_code == ToCode(ErrorCode::kElectionNotNeeded); });
  }
  std::erase_if(response.replica_election_results, [](const auto& topic) { return topic.partition_result.empty(); });
}

}  // namespace

void HandleElectLeaders(CallPtr call) {
  ElectLeadersRequest request;
  if (!call->Decode(&request)) return;
  if (request.election_type != kPreferred && request.election_type != kUnclean) {
    ElectLeadersResponse response;
    response.error_code = ToCode(ErrorCode::kInvalidArgument);
    return call->Reply(response);
  }
  const bool all = !request.topic_partitions;
  Asked asked = Read(*call->broker.image(call->shard), request, request.election_type == kUnclean);
  broker::Broker& broker = call->broker;
  const ShardId shard = call->shard;
  broker.ElectLeaders(shard, std::move(asked.elections), std::chrono::milliseconds(std::max(request.timeout_ms, 0)),
                      [call = std::move(call), all, response = std::move(asked.response),
                       places = std::move(asked.places)](std::vector<std::optional<Error>> outcomes) mutable {
                        for (size_t i = 0; i < outcomes.size(); ++i) {
                          auto& answer =
                              response.replica_election_results[places[i].first].partition_result[places[i].second];
                          answer.error_code = ToCode(outcomes[i]);
                          answer.error_message = ToMessage(outcomes[i]);
                        }
                        if (all) LeaveOutNotNeeded(response);
                        call->Reply(response);
                      });
}

}  // namespace chronik::api
