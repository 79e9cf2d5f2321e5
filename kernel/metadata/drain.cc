// SPDX-License-Identifier: Apache-2.0
#include "kernel/metadata/drain.h"

#include <algorithm>
#include <map>
#include <string>
#include <utility>

namespace chronik::metadata {
namespace {

using Replicas = std::vector<NodeId>;

bool Contains(const Replicas& replicas, NodeId node) {
  return std::find(replicas.begin(), replicas.end(), node) != replicas.end();
}

class Planner {
 public:
  Planner(const MetadataImage& image, const std::set<NodeId>& alive) : image_(image) {
    for (const Broker& broker : image.Brokers()) {
      if (broker.leaving) {
        leaving_.insert(broker.id);
      } else if (alive.contains(broker.id)) {
        load_[broker.id] = 0;
      }
    }
    image.ForEachTopic([this](const TopicPtr& topic) {
      for (const Partition& partition : topic->partitions) Count(partition);
    });
  }

  size_t moving() const { return moving_; }
  bool done() const { return leaving_.empty(); }
  std::vector<NodeId> Empty() const {
    std::vector<NodeId> out;
    for (const NodeId node : leaving_) {
      if (!holding_.contains(node)) out.push_back(node);
    }
    return out;
  }
  bool MustMove(const Partition& partition) const {
    return std::any_of(partition.replicas.begin(), partition.replicas.end(),
                       [this](NodeId node) { return leaving_.contains(node); });
  }
  // Empty: there are too few brokers.
  Replicas Move(const Partition& partition) {
    Replicas replicas = partition.replicas;
    for (NodeId& node : replicas) {
      if (!leaving_.contains(node)) continue;
      const NodeId to = Choose(replicas);
      if (to == NodeId{}) return {};
      node = to;
      ++load_[to];
    }
    return replicas;
  }

 private:
  void Count(const Partition& partition) {
    moving_ += partition.moving() ? 1 : 0;
    for (const NodeId node : partition.Holders()) holding_.insert(node);
    for (const NodeId node : partition.replicas) {
      if (const auto at = load_.find(node); at != load_.end()) ++at->second;
    }
  }

  std::string RackOf(NodeId node) const {
    const Broker* broker = image_.FindBroker(node);
    return broker == nullptr ? std::string() : broker->rack;
  }

  bool RackUsed(const Replicas& replicas, NodeId candidate) const {
    const std::string rack = RackOf(candidate);
    return !rack.empty() && std::any_of(replicas.begin(), replicas.end(),
                                        [&](NodeId node) { return !leaving_.contains(node) && RackOf(node) == rack; });
  }

  NodeId Choose(const Replicas& replicas) const {
    NodeId best;
    std::pair<bool, size_t> best_cost;
    for (const auto& [node, load] : load_) {
      if (Contains(replicas, node)) continue;
      const std::pair cost(RackUsed(replicas, node), load);
      if (best != NodeId{} && cost >= best_cost) continue;
      best = node;
      best_cost = cost;
    }
    return best;
  }

  const MetadataImage& image_;
  std::set<NodeId> leaving_;
  std::set<NodeId> holding_;
  std::map<NodeId, size_t> load_;  // replicas of each broker that can take more
  size_t moving_ = 0;
};

}  // namespace

DrainPlan PlanDrain(const MetadataImage& image, const std::set<NodeId>& alive, size_t moving_max) {
  Planner planner(image, alive);
  DrainPlan plan;
  if (planner.done()) return plan;
  plan.empty = planner.Empty();
  size_t moving = planner.moving();
  image.ForEachTopic([&](const TopicPtr& topic) {
    ReassignPartitions command{topic->id, {}};
    for (size_t i = 0; i < topic->partitions.size() && moving < moving_max; ++i) {
      const Partition& partition = topic->partitions[i];
      if (!planner.MustMove(partition)) continue;
      Replicas to = planner.Move(partition);
      if (to.empty()) {
        ++plan.waiting;
        continue;
      }
      moving += partition.moving() ? 0 : 1;
      command.partitions.push_back({PartitionId(static_cast<int32_t>(i)), std::move(to)});
    }
    if (!command.partitions.empty()) plan.moves.push_back(std::move(command));
  });
  return plan;
}

Status CheckLeaving(const MetadataImage& image, NodeId node) {
  if (image.FindBroker(node) == nullptr)
    return Error{ErrorCode::kNotFound, "there is no broker " + std::to_string(node.value)};
  size_t left = 0;
  for (const Broker& broker : image.Brokers()) left += broker.id != node && !broker.leaving ? 1 : 0;
  Status status;
  image.ForEachTopic([&](const TopicPtr& topic) {
    for (const Partition& partition : topic->partitions) {
      if (!status.ok() || partition.replicas.size() <= left || !Contains(partition.replicas, node)) continue;
      status = Error{ErrorCode::kInvalidReplicationFactor,
                     "topic '" + topic->name + "' has " + std::to_string(partition.replicas.size()) +
                         " replicas, and " + std::to_string(left) +
                         " brokers would be left; add a broker first, or lower its replication factor"};
    }
  });
  if (status.ok() && left == 0) status = Error{ErrorCode::kInvalidArgument, "it is the last broker"};
  return status;
}

}  // namespace chronik::metadata
