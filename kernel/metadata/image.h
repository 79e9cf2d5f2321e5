// SPDX-License-Identifier: Apache-2.0
// The cluster's metadata at one point of the `__meta` log: an immutable value that any thread may read and keep.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "kernel/base/ids.h"
#include "kernel/metadata/command.h"
#include "kernel/metadata/sorted_map.h"

namespace chronik::metadata {

struct Broker {
  NodeId id;
  uint64_t incarnation = 0;  // of its data directory
  uint32_t generation = 0;   // of its life, as a member of groups
  std::string host;
  uint16_t port = 0;
  std::string rack;         // empty: none
  std::string rpc_address;  // empty: none
  bool leaving = false;     // its partitions move away; then it is retired
  ReplicaId replica() const { return {id, generation}; }
  friend bool operator==(const Broker&, const Broker&) = default;
};

// How often a node has left a partition.
struct Departures {
  NodeId node;
  uint32_t count = 0;
  friend bool operator==(const Departures&, const Departures&) = default;
};

struct Partition {
  GroupId group;
  std::vector<NodeId> replicas;  // the first is the preferred leader
  // The group's first voters, ascending: its configuration before any that its log holds. Never changes.
  std::vector<ReplicaId> founders;
  // While it moves: who had it before; those that are not in `replicas` still have it. Ascending.
  std::vector<NodeId> previous = {};
  // While it moves: what `replicas` was before the first move that is not finished; calling off goes back there.
  std::vector<NodeId> origin = {};
  // Who once left: founders or not, they join if they come back, as another member of the group. Ascending.
  std::vector<Departures> former = {};

  bool moving() const { return !previous.empty(); }
  // And not back to where it was.
  bool IsReassigned() const { return moving() && replicas != origin; }
  std::vector<NodeId> Holders() const;  // replicas, then those that leave
  bool IsFounder(ReplicaId replica) const;
  uint32_t DeparturesOf(NodeId node) const;
  void NoteDeparture(NodeId node);
  friend bool operator==(const Partition&, const Partition&) = default;
};

struct Topic {
  TopicId id;
  std::string name;
  std::vector<Partition> partitions;  // by partition number
  ConfigMap configs;                  // explicitly set values; what they amount to: SettingsOf (topic_config.h)
  std::string created_by;
  friend bool operator==(const Topic&, const Topic&) = default;
};
using TopicPtr = std::shared_ptr<const Topic>;

struct GroupMembership {
  TopicId topic;
  PartitionId partition;
  friend bool operator==(const GroupMembership&, const GroupMembership&) = default;
};

class MetadataImage;
using ImagePtr = std::shared_ptr<const MetadataImage>;

class MetadataImage {
 public:
  static ImagePtr Empty();

  const std::string& cluster_id() const { return cluster_id_; }  // empty: not set yet
  // Commands that had an effect so far: grows with every new image, equal on every replica.
  uint64_t version() const { return version_; }
  GroupId next_group_id() const { return next_group_id_; }  // above every id ever used
  ProducerId next_producer_id() const { return next_producer_id_; }

  // Who votes in the metadata group, ascending; the other brokers are learners. Empty: not founded yet.
  const std::vector<NodeId>& metadata_voters() const { return metadata_voters_; }

  size_t broker_count() const { return brokers_.size(); }
  const Broker* FindBroker(NodeId id) const { return brokers_.Find(id); }
  std::vector<Broker> Brokers() const;  // ascending id
  // The member of groups that this node is now; generation 0 of one that is not registered.
  ReplicaId ReplicaOf(NodeId node) const;
  // The member of a partition's group that this node is now, if it has the partition. One that left has dropped its log
  // and its promises: who comes back counts from a generation above, as after a loss of the disk. Both summands only
  // grow, so that no member is ever two.
  ReplicaId MemberOf(const Partition& partition, NodeId node) const;

  // The last life of a node that was retired.
  std::optional<uint32_t> RetiredGeneration(NodeId node) const;
  template <class F>  // f(node, generation), ascending
  void ForEachRetired(F&& f) const {
    retired_.ForEach(f);
  }

  size_t topic_count() const { return by_name_.size(); }
  size_t partition_count() const { return by_group_.size(); }
  // Null if there is none.
  TopicPtr FindTopic(std::string_view name) const;
  TopicPtr FindTopic(const TopicId& id) const;
  template <class F>  // f(const TopicPtr&), ascending name
  void ForEachTopic(F&& f) const {
    by_name_.ForEach([&f](const std::string&, const TopicPtr& topic) { f(topic); });
  }

  // Which partition a Raft group is.
  std::optional<GroupMembership> FindGroup(GroupId id) const;
  // Whether a committed DeleteTopic ended this group: only then may a replica drop its data. A group that the image
  // does not know is not deleted for that.
  bool IsDeleted(GroupId id) const;

  template <class F>  // f(first, last) of each range of deleted groups, ascending
  void ForEachDeletedRange(F&& f) const {
    deleted_groups_.ForEach(f);
  }

  friend bool operator==(const MetadataImage& a, const MetadataImage& b);

 private:
  friend class ImageEditor;  // image_editor.h

  std::string cluster_id_;
  uint64_t version_ = 0;
  GroupId next_group_id_ = kMetaGroup + 1;
  ProducerId next_producer_id_{0};
  std::vector<NodeId> metadata_voters_;
  SortedMap<NodeId, Broker> brokers_;
  SortedMap<NodeId, uint32_t> retired_;
  SortedMap<std::string, TopicPtr> by_name_;
  SortedMap<TopicId, TopicPtr> by_id_;
  SortedMap<GroupId, GroupMembership> by_group_;
  // Tombstones, as ranges first -> last of deleted groups, merged where they touch: ids are handed out in sequence and
  // never again, so this stays small.
  SortedMap<GroupId, GroupId> deleted_groups_;
  // Names with '.' written as '_': two that only differ in this would share metric names, as Kafka refuses.
  SortedMap<std::string, std::string> collision_keys_;
};

}  // namespace chronik::metadata
