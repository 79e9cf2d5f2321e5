// SPDX-License-Identifier: Apache-2.0
#include "kernel/metadata/image.h"

#include <algorithm>

namespace chronik::metadata {
namespace {

template <class Key, class Value, class Same>
bool SameContent(const SortedMap<Key, Value>& a, const SortedMap<Key, Value>& b, Same same) {
  if (a.size() != b.size()) return false;
  bool equal = true;
  a.ForEach([&](const Key& key, const Value& value) {
    const Value* other = equal ? b.Find(key) : nullptr;
    equal = other != nullptr && same(value, *other);
  });
  return equal;
}

}  // namespace

std::vector<NodeId> Partition::Holders() const {
  std::vector<NodeId> out = replicas;
  for (const NodeId node : previous) {
    if (std::find(replicas.begin(), replicas.end(), node) == replicas.end()) out.push_back(node);
  }
  return out;
}

bool Partition::IsFounder(ReplicaId replica) const {
  return std::binary_search(founders.begin(), founders.end(), replica) && DeparturesOf(replica.node()) == 0;
}

uint32_t Partition::DeparturesOf(NodeId node) const {
  const auto at =
      std::lower_bound(former.begin(), former.end(), node, [](const Departures& d, NodeId n) { return d.node < n; });
  return at != former.end() && at->node == node ? at->count : 0;
}

void Partition::NoteDeparture(NodeId node) {
  auto at =
      std::lower_bound(former.begin(), former.end(), node, [](const Departures& d, NodeId n) { return d.node < n; });
  if (at == former.end() || at->node != node) at = former.insert(at, {node, 0});
  ++at->count;
}

ImagePtr MetadataImage::Empty() {
  static const ImagePtr kEmpty = std::make_shared<const MetadataImage>();
  return kEmpty;
}

std::vector<Broker> MetadataImage::Brokers() const {
  std::vector<Broker> out;
  out.reserve(brokers_.size());
  brokers_.ForEach([&out](NodeId, const Broker& broker) { out.push_back(broker); });
  return out;
}

ReplicaId MetadataImage::ReplicaOf(NodeId node) const {
  const Broker* broker = FindBroker(node);
  return broker != nullptr ? broker->replica() : ReplicaId(node, 0);
}

ReplicaId MetadataImage::MemberOf(const Partition& partition, NodeId node) const {
  return {node, ReplicaOf(node).generation() + partition.DeparturesOf(node)};
}

std::optional<uint32_t> MetadataImage::RetiredGeneration(NodeId node) const {
  const uint32_t* generation = retired_.Find(node);
  return generation == nullptr ? std::nullopt : std::optional(*generation);
}

TopicPtr MetadataImage::FindTopic(std::string_view name) const {
  const TopicPtr* topic = by_name_.Find(name);
  return topic != nullptr ? *topic : nullptr;
}

TopicPtr MetadataImage::FindTopic(const TopicId& id) const {
  const TopicPtr* topic = by_id_.Find(id);
  return topic != nullptr ? *topic : nullptr;
}

std::optional<GroupMembership> MetadataImage::FindGroup(GroupId id) const {
  const GroupMembership* membership = by_group_.Find(id);
  if (membership == nullptr) return std::nullopt;
  return *membership;
}

bool MetadataImage::IsDeleted(GroupId id) const {
  const auto* range = deleted_groups_.FindFloor(id);
  return range != nullptr && id <= range->second;
}

// by_id_, by_group_ and collision_keys_ follow from by_name_.
bool operator==(const MetadataImage& a, const MetadataImage& b) {
  return a.cluster_id_ == b.cluster_id_ && a.version_ == b.version_ && a.next_group_id_ == b.next_group_id_ &&
         a.next_producer_id_ == b.next_producer_id_ && a.metadata_voters_ == b.metadata_voters_ &&
         SameContent(a.brokers_, b.brokers_, std::equal_to<>()) &&
         SameContent(a.retired_, b.retired_, std::equal_to<>()) &&
         SameContent(a.deleted_groups_, b.deleted_groups_, std::equal_to<>()) &&
         SameContent(a.by_name_, b.by_name_, [](const TopicPtr& x, const TopicPtr& y) { return x == y || *x == *y; });
}

}  // namespace chronik::metadata
