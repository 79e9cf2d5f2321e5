// SPDX-License-Identifier: Apache-2.0
// Partitions that move between brokers, and brokers that leave. A committed reassignment opens the new replicas, which
// join their group; its leader changes the group's configuration (learner, caught up, joint, stable); when that is
// committed it proposes the end of the move, and with it those that left drop their data. The metadata's leader plans
// the moves of leaving brokers.
#include <algorithm>
#include <utility>

#include "kernel/base/log.h"
#include "kernel/broker/local_broker.h"
#include "kernel/metadata/drain.h"

namespace chronik::broker {
namespace {

constexpr std::chrono::seconds kDrainEvery{1};
constexpr std::chrono::seconds kProposeWithin{10};
constexpr size_t kMovingMax = 16;  // partitions of leaving brokers at once

}  // namespace

bool LocalBroker::IsHeld(const metadata::Topic& topic, size_t partition) const {
  const std::vector<NodeId> holders = topic.partitions[partition].Holders();
  return std::find(holders.begin(), holders.end(), settings_.node_id) != holders.end();
}

// As the same member of its group: not one that left meanwhile and came back.
bool LocalBroker::IsKept(const metadata::Topic& before, const metadata::Topic& topic, size_t partition) const {
  return IsHeld(before, partition) && IsHeld(topic, partition) &&
         before.partitions[partition].DeparturesOf(settings_.node_id) ==
             topic.partitions[partition].DeparturesOf(settings_.node_id);
}

void LocalBroker::ChangeHoldings(const metadata::Topic& before, const metadata::Topic& topic) {
  std::vector<ToOpen> to_open;
  for (ToOpen& p : LocalPartitions(topic, 0)) {
    const auto i = static_cast<size_t>(p.ref.partition.value);
    if (i >= before.partitions.size() || !IsKept(before, topic, i)) to_open.push_back(std::move(p));
  }
  for (size_t i = 0; i < before.partitions.size(); ++i) {
    if (IsHeld(before, i) && !IsKept(before, topic, i)) DropReplica(topic.partitions[i].group);
  }
  OpenPartitions(std::move(to_open));
  Align(topic);
}

void LocalBroker::OnSettled(const PartitionRef& partition) {
  home().executor.Post([this, partition] {
    if (!metadata_) return;
    const metadata::TopicPtr topic = metadata_->image()->FindTopic(partition.topic);
    if (!topic) return;
    const metadata::Partition& p = topic->partitions[static_cast<size_t>(partition.partition.value)];
    if (!p.moving() || !finishing_.insert(partition.group).second) return;
    ProposeMetadata(metadata::FinishReassignment{partition.topic, {partition.partition, p.replicas}}, kProposeWithin,
                    [this, group = partition.group](const Result<metadata::Effect>&) { finishing_.erase(group); });
  });
}

// On the metadata's leader, as long as brokers leave.
void LocalBroker::Drain() {
  home().executor.Cancel(std::exchange(drain_timer_, 0));
  if (!clustered() || !serving_ || !metadata_ || !metadata_->is_ready()) return;
  const metadata::ImagePtr image = metadata_->image();
  const std::vector<metadata::Broker> brokers = image->Brokers();
  if (std::none_of(brokers.begin(), brokers.end(), [](const metadata::Broker& b) { return b.leaving; })) return;
  std::set<NodeId> alive = home().connected;
  alive.insert(settings_.node_id);
  const metadata::DrainPlan plan = metadata::PlanDrain(*image, alive, kMovingMax);
  if (plan.waiting > 0)
    CHRONIK_LOG(kWarn) << plan.waiting << " partitions of leaving brokers wait for a broker that can take them";
  const auto nothing = [](const Result<metadata::Effect>&) {};  // the next plan sees what came of it
  for (const metadata::ReassignPartitions& move : plan.moves) ProposeMetadata(move, kDrainEvery, nothing);
  // Who is told that it may go takes its vote along: not before the metadata's voters are others.
  for (const NodeId node : plan.empty) {
    if (!metadata_->NeedsVoter(node)) ProposeMetadata(metadata::RetireBroker{node}, kDrainEvery, nothing);
  }
  drain_timer_ = home().executor.Schedule(kDrainEvery, [this] {
    drain_timer_ = 0;
    Drain();
  });
}

void LocalBroker::OnRetired(NodeId node, uint32_t generation) {
  CHRONIK_LOG(kInfo) << "node " << node << " is decommissioned";
  if (node == settings_.node_id) {
    CHRONIK_LOG(kWarn) << "this node was decommissioned and holds nothing any more: it can be stopped";
  } else if (links_) {
    constexpr uint64_t kNone = 0;  // no data directory may be this node as that life again
    links_->SetPresentLife(node, kNone, generation);
  }
  home().executor.Post([this] {
    if (metadata_) metadata_->AlignMembers();
    ForgetUnnamed();
  });
}

}  // namespace chronik::broker
