// SPDX-License-Identifier: Apache-2.0
#include "kernel/metadata/assignment.h"

#include <algorithm>
#include <map>
#include <tuple>
#include <utility>

#include "kernel/metadata/command.h"

namespace chronik::metadata {
namespace {

// One broker of each rack in turn, so that leaders which follow one another sit in different racks. A broker without a
// rack counts as a rack of its own.
std::vector<AssignableBroker> AlternateRacks(std::vector<AssignableBroker> brokers) {
  std::sort(brokers.begin(), brokers.end(), [](const auto& a, const auto& b) { return a.id < b.id; });
  std::map<std::string, size_t> seen;
  std::vector<std::pair<size_t, AssignableBroker>> rounds;
  for (AssignableBroker& broker : brokers) {
    const size_t round = broker.rack.empty() ? 0 : seen[broker.rack]++;
    rounds.emplace_back(round, std::move(broker));
  }
  std::stable_sort(rounds.begin(), rounds.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  std::vector<AssignableBroker> out;
  out.reserve(rounds.size());
  for (auto& [round, broker] : rounds) out.push_back(std::move(broker));
  return out;
}

class Placement {
 public:
  Placement(std::vector<AssignableBroker> ring, size_t replication_factor)
      : ring_(std::move(ring)),
        replication_factor_(replication_factor),
        held_(ring_.size(), 0),
        follows_(ring_.size() * ring_.size(), 0) {}

  std::vector<NodeId> Next(size_t leader) {
    std::vector<size_t> chosen{leader};
    ++held_[leader];
    while (chosen.size() < replication_factor_) {
      const size_t follower = PickFollower(chosen);
      chosen.push_back(follower);
      ++held_[follower];
      ++follows_[leader * ring_.size() + follower];
    }
    std::vector<NodeId> replicas;
    replicas.reserve(chosen.size());
    for (const size_t at : chosen) replicas.push_back(ring_[at].id);
    return replicas;
  }

 private:
  using Cost = std::tuple<bool, uint32_t, uint32_t>;

  // A new rack beats few replicas beats having seldom followed this leader: when a broker dies, its load spreads over
  // many.
  size_t PickFollower(const std::vector<size_t>& chosen) const {
    size_t best = ring_.size();
    Cost best_cost;
    for (size_t step = 1; step < ring_.size(); ++step) {
      const size_t at = (chosen.front() + step) % ring_.size();
      if (std::find(chosen.begin(), chosen.end(), at) != chosen.end()) continue;
      const Cost cost{RackUsed(chosen, at), held_[at], follows_[chosen.front() * ring_.size() + at]};
      if (best == ring_.size() || cost < best_cost) {
        best = at;
        best_cost = cost;
      }
    }
    return best;
  }

  bool RackUsed(const std::vector<size_t>& chosen, size_t at) const {
    if (ring_[at].rack.empty()) return false;
    return std::any_of(chosen.begin(), chosen.end(), [&](size_t c) { return ring_[c].rack == ring_[at].rack; });
  }

  std::vector<AssignableBroker> ring_;
  size_t replication_factor_;
  std::vector<uint32_t> held_;     // replicas given to each broker so far
  std::vector<uint32_t> follows_;  // [leader * brokers + follower]: partitions that have this pair
};

}  // namespace

Result<std::vector<std::vector<NodeId>>> AssignReplicas(std::vector<AssignableBroker> brokers, int32_t partitions,
                                                        int32_t replication_factor, uint64_t start,
                                                        int32_t first_partition) {
  if (partitions <= 0 || static_cast<size_t>(partitions) > kMaxPartitionsPerCommand || first_partition < 0) {
    return Error{ErrorCode::kInvalidPartitionCount, "the number of new partitions must be 1 to " +
                                                        std::to_string(kMaxPartitionsPerCommand) + ", not " +
                                                        std::to_string(partitions)};
  }
  const size_t most = std::min(brokers.size(), kMaxReplicas);
  if (replication_factor < 1 || static_cast<size_t>(replication_factor) > most) {
    return Error{ErrorCode::kInvalidReplicationFactor, "replication factor " + std::to_string(replication_factor) +
                                                           " with " + std::to_string(brokers.size()) + " brokers"};
  }
  const size_t ring_size = brokers.size();
  Placement placement(AlternateRacks(std::move(brokers)), static_cast<size_t>(replication_factor));
  std::vector<std::vector<NodeId>> out;
  out.reserve(static_cast<size_t>(partitions));
  const uint64_t first_leader = start % ring_size + static_cast<uint64_t>(first_partition);
  for (uint64_t i = 0; i < static_cast<uint64_t>(partitions); ++i) {
    out.push_back(placement.Next(static_cast<size_t>((first_leader + i) % ring_size)));
  }
  return out;
}

}  // namespace chronik::metadata
