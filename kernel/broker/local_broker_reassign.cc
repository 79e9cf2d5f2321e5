// SPDX-License-Identifier: Apache-2.0
// What clients ask of replicas and leaders: where partitions shall be (KIP-455), and that preferred replicas lead
// (KIP-460). The moves themselves are in local_broker_moves.cc, the transfers in local_broker_admin.cc.
#include <algorithm>
#include <utility>

#include "kernel/broker/answers.h"
#include "kernel/broker/local_broker.h"

namespace chronik::broker {
namespace {

using Outcomes = std::vector<std::optional<Error>>;
constexpr std::chrono::milliseconds kElectionMax{25'000};  // as long as a transfer is waited for

// The partition and its topic, or why there is none.
Result<std::pair<metadata::TopicPtr, const metadata::Partition*>> Find(const metadata::MetadataImage& image,
                                                                       const TopicId& id, PartitionId partition) {
  metadata::TopicPtr topic = image.FindTopic(id);
  if (!topic) return Error{ErrorCode::kUnknownTopicId, "there is no topic with id " + id.ToString()};
  if (partition.value < 0 || static_cast<size_t>(partition.value) >= topic->partitions.size()) {
    return Error{ErrorCode::kUnknownPartition,
                 "topic '" + topic->name + "' has no partition " + std::to_string(partition.value)};
  }
  const metadata::Partition* found = &topic->partitions[static_cast<size_t>(partition.value)];
  return std::pair(std::move(topic), found);
}

bool Contains(const std::vector<NodeId>& nodes, NodeId node) {
  return std::find(nodes.begin(), nodes.end(), node) != nodes.end();
}

}  // namespace

void LocalBroker::ReassignPartitions(ShardId here, std::vector<PartitionMove> moves, std::chrono::milliseconds timeout,
                                     Callback<Outcomes> done) {
  auto answer = AnswerOn(shard(here).executor, std::move(done));
  home().executor.Post([this, moves = std::move(moves), timeout, answer = std::move(answer)]() mutable {
    if (moves.empty()) return answer({});
    auto gather = std::make_shared<Gather<std::optional<Error>>>(moves.size(), std::move(answer));
    for (size_t i = 0; i < moves.size(); ++i) {
      Reassign(moves[i], timeout, [gather, i](std::optional<Error> outcome) { gather->Put(i, std::move(outcome)); });
    }
  });
}

void LocalBroker::Reassign(const PartitionMove& move, std::chrono::milliseconds timeout,
                           Callback<std::optional<Error>> done) {
  if (!metadata_) return done(Error{ErrorCode::kShuttingDown, "the broker is shutting down"});
  if (move.replicas && move.replicas->empty())
    return done(Error{ErrorCode::kInvalidReplicaAssignment, "a partition needs a replica"});
  const std::vector<NodeId> replicas = move.replicas.value_or(std::vector<NodeId>{});
  for (const NodeId node : replicas) {
    const metadata::Broker* broker = metadata_->image()->FindBroker(node);
    if (broker == nullptr || !broker->leaving) continue;  // one that is unknown is refused where it counts
    return done(Error{ErrorCode::kInvalidReplicaAssignment,
                      "broker " + std::to_string(node.value) + " is being decommissioned"});
  }
  ProposeMetadata(metadata::ReassignPartitions{move.topic, {{move.partition, replicas}}}, timeout,
                  [done = std::move(done)](const Result<metadata::Effect>& effect) mutable {
                    done(effect.ok() ? std::nullopt : std::optional<Error>(effect.error()));
                  });
}

void LocalBroker::ElectLeaders(ShardId here, std::vector<PartitionElection> elections,
                               std::chrono::milliseconds timeout, Callback<Outcomes> done) {
  auto answer = AnswerOn(shard(here).executor, std::move(done));
  home().executor.Post([this, elections = std::move(elections), timeout, answer = std::move(answer)]() mutable {
    if (elections.empty()) return answer({});
    auto gather = std::make_shared<Gather<std::optional<Error>>>(elections.size(), std::move(answer));
    for (size_t i = 0; i < elections.size(); ++i) {
      Elect(elections[i], std::min(timeout, kElectionMax),
            [gather, i](std::optional<Error> outcome) { gather->Put(i, std::move(outcome)); });
    }
  });
}

void LocalBroker::Elect(const PartitionElection& election, std::chrono::milliseconds timeout,
                        Callback<std::optional<Error>> done) {
  if (!metadata_ || !serving_) return done(Error{ErrorCode::kShuttingDown, "the broker is starting or stopping"});
  const auto found = Find(*metadata_->image(), election.topic, election.partition);
  if (!found.ok()) return done(found.error());
  const auto& [topic, partition] = *found;
  const NodeId leads = leader(home().id, partition->group).leader;
  const bool led = leads != NodeId(0) && IsAlive(home().id, leads);
  if (election.unclean) {
    if (led) return done(Error{ErrorCode::kElectionNotNeeded, "the partition has a leader"});
    return done(
        Error{ErrorCode::kEligibleLeadersNotAvailable,
              "a majority of the replicas has to be there, and elects one that has everything; no other leads"});
  }
  const NodeId preferred = partition->replicas.front();
  if (leads == preferred && led) return done(Error{ErrorCode::kElectionNotNeeded, "the preferred replica leads"});
  const std::string who = "node " + std::to_string(preferred.value) + ", the preferred replica, ";
  if (!IsAlive(home().id, preferred)) return done(Error{ErrorCode::kPreferredLeaderNotAvailable, who + "is not there"});
  const std::vector<NodeId> known = in_sync(home().id, partition->group);
  if (!known.empty() && !Contains(known, preferred))
    return done(Error{ErrorCode::kPreferredLeaderNotAvailable, who + "is not in sync"});
  TransferLeadership(topic->name, election.partition, preferred, timeout,
                     [done = std::move(done)](const Result<LeaderInfo>& outcome) mutable {
                       done(outcome.ok() ? std::nullopt : std::optional<Error>(outcome.error()));
                     });
}

}  // namespace chronik::broker
