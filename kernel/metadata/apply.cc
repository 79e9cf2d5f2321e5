// SPDX-License-Identifier: Apache-2.0
#include "kernel/metadata/apply.h"

#include <algorithm>
#include <limits>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "kernel/base/mutation.h"
#include "kernel/metadata/image_editor.h"
#include "kernel/metadata/topic_name.h"

namespace chronik::metadata {
namespace {

Error Refuse(ErrorCode code, std::string why) { return Error{code, std::move(why)}; }

Applied Done(ImageEditor* editor, Effect effect) {
  editor->SetVersion(editor->image().version() + 1);
  return Applied{editor->Publish(), std::move(effect)};
}

Status CheckReplicas(const MetadataImage& image, const std::vector<NodeId>& replicas) {
  if (replicas.empty() || replicas.size() > kMaxReplicas) {
    return Refuse(ErrorCode::kInvalidReplicaAssignment, std::to_string(replicas.size()) + " replicas");
  }
  for (size_t i = 0; i < replicas.size(); ++i) {
    const std::string broker = "broker " + std::to_string(replicas[i].value);
    if (image.FindBroker(replicas[i]) == nullptr) {
      return Refuse(ErrorCode::kInvalidReplicaAssignment, broker + " is not registered");
    }
    if (std::find(replicas.begin(), replicas.begin() + static_cast<std::ptrdiff_t>(i), replicas[i]) !=
        replicas.begin() + static_cast<std::ptrdiff_t>(i)) {
      return Refuse(ErrorCode::kInvalidReplicaAssignment, broker + " appears twice");
    }
  }
  return {};
}

std::vector<ReplicaId> Founders(const MetadataImage& image, const std::vector<NodeId>& replicas) {
  std::vector<ReplicaId> founders;
  founders.reserve(replicas.size());
  for (const NodeId node : replicas) founders.push_back(image.ReplicaOf(node));
  std::sort(founders.begin(), founders.end());
  return founders;
}

// Which life of its node the broker is.
Result<uint32_t> GenerationOf(const MetadataImage& image, const RegisterBroker& c) {
  const Broker* known = image.FindBroker(c.node);
  const bool same = known != nullptr && known->incarnation == c.incarnation;
  const std::optional<uint32_t> retired = image.RetiredGeneration(c.node);
  if (!c.generation) {
    if (known == nullptr) return retired ? *retired + 1 : 1;
    return same || CHRONIK_MUTANT(lost_disk_is_the_same_life) ? known->generation : known->generation + 1;
  }
  if (known == nullptr && retired) {
    return Refuse(ErrorCode::kReplacedBroker, "node " + std::to_string(c.node.value) +
                                                  " was decommissioned; empty its data directory to join as a new one");
  }
  if (same ? known->generation == *c.generation : known == nullptr && *c.generation == 0) return *c.generation;
  return Refuse(ErrorCode::kReplacedBroker,
                "another data directory has taken the place of this one as node " + std::to_string(c.node.value) +
                    ": if that was meant, empty this one to join as a new broker, under another node id; if not, "
                    "stop the other one");
}

void AddTo(std::vector<NodeId>* ascending, const std::vector<NodeId>& nodes) {
  for (const NodeId node : nodes) {
    const auto at = std::lower_bound(ascending->begin(), ascending->end(), node);
    if (at == ascending->end() || *at != node) ascending->insert(at, node);
  }
}

// The partition that a command names, in a copy of its topic.
Result<Partition*> FindPartition(Topic* topic, PartitionId id) {
  if (id < PartitionId(0) || static_cast<size_t>(id.value) >= topic->partitions.size()) {
    return Refuse(ErrorCode::kUnknownPartition,
                  "topic '" + topic->name + "' has no partition " + std::to_string(id.value));
  }
  return &topic->partitions[static_cast<size_t>(id.value)];
}

Status Reassign(const MetadataImage& image, Topic* topic, const Reassignment& to) {
  const Result<Partition*> partition = FindPartition(topic, to.partition);
  if (!partition.ok()) return partition.error();
  Partition& p = **partition;
  const bool called_off = to.replicas.empty();
  if (called_off && !p.IsReassigned())
    return Refuse(ErrorCode::kNoReassignmentInProgress, "the partition is not being reassigned");
  const std::vector<NodeId> replicas = called_off ? p.origin : to.replicas;
  CHRONIK_RETURN_IF_ERROR(CheckReplicas(image, replicas));
  if (p.replicas == replicas) return {};
  if (!p.moving()) p.origin = p.replicas;
  AddTo(&p.previous, p.replicas);
  p.replicas = replicas;
  if (p.Holders().size() > kMaxReplicas)
    return Refuse(ErrorCode::kInvalidReplicaAssignment, "too many replicas while it moves");
  return {};
}

// One broker leaves the metadata's voters; the lowest other one that stays takes its place, if there is one.
std::vector<NodeId> ReplaceMetadataVoter(const MetadataImage& image, NodeId node) {
  std::vector<NodeId> voters = image.metadata_voters();
  const auto at = std::find(voters.begin(), voters.end(), node);
  if (at == voters.end() || voters.size() == 1) return voters;
  voters.erase(at);
  for (const Broker& broker : image.Brokers()) {
    if (broker.id == node || broker.leaving || std::binary_search(voters.begin(), voters.end(), broker.id)) continue;
    AddTo(&voters, {broker.id});
    break;
  }
  return voters;
}

// The metadata group grows to three voters as soon as there are three brokers, the lowest ids first.
std::vector<NodeId> GrowMetadataVoters(const MetadataImage& image) {
  constexpr size_t kWanted = 3;
  std::vector<NodeId> voters = image.metadata_voters();
  if (voters.empty() || voters.size() >= kWanted || image.broker_count() < kWanted) return voters;
  for (const Broker& broker : image.Brokers()) {
    if (voters.size() == kWanted) break;
    if (!broker.leaving) AddTo(&voters, {broker.id});
  }
  return voters;
}

// Checks new partitions and gives their group ids.
Result<std::vector<Partition>> PlacePartitions(const MetadataImage& image, size_t first,
                                               const std::vector<PartitionAssignment>& assignments) {
  if (assignments.empty() || assignments.size() > kMaxPartitionsPerCommand ||
      first + assignments.size() > kMaxPartitionsPerTopic) {
    return Refuse(ErrorCode::kInvalidPartitionCount, std::to_string(assignments.size()) + " new partitions");
  }
  std::set<GroupId> given;
  for (size_t i = 0; i < assignments.size(); ++i) {
    const PartitionAssignment& assignment = assignments[i];
    if (assignment.partition != PartitionId(static_cast<int32_t>(first + i))) {
      return Refuse(ErrorCode::kInvalidPartitionCount, "partition " + std::to_string(assignment.partition.value) +
                                                           " where " + std::to_string(first + i) + " must follow");
    }
    CHRONIK_RETURN_IF_ERROR(CheckReplicas(image, assignment.replicas));
    if (assignment.group == GroupId{}) continue;
    // Not far above the next free id either: a jump would waste ids that are never used again.
    if (assignment.group < image.next_group_id() || assignment.group > image.next_group_id() + kMaxPartitionsPerTopic ||
        !given.insert(assignment.group).second) {
      return Refuse(ErrorCode::kInvalidReplicaAssignment,
                    "group " + std::to_string(assignment.group.value) + " has been used or is too large");
    }
  }
  GroupId next = given.empty() ? image.next_group_id() : *given.rbegin() + 1;
  std::vector<Partition> partitions;
  partitions.reserve(assignments.size());
  for (const PartitionAssignment& assignment : assignments) {
    const bool choose = assignment.group == GroupId{};
    partitions.push_back({.group = choose ? next : assignment.group,
                          .replicas = assignment.replicas,
                          .founders = Founders(image, assignment.replicas)});
    if (choose) ++next;
  }
  if (next.value > kMaxGroupId) return Refuse(ErrorCode::kInvalidReplicaAssignment, "no group ids are left");
  return partitions;
}

Status CheckConfigBounds(const ConfigMap& configs) {
  if (configs.size() > kMaxConfigsPerTopic) {
    return Refuse(ErrorCode::kInvalidConfig, std::to_string(configs.size()) + " configs of one topic");
  }
  for (const auto& [name, value] : configs) {
    if (name.empty() || name.size() > kMaxTopicNameBytes || value.size() > kMaxConfigValueBytes) {
      return Refuse(ErrorCode::kInvalidConfig, "a config name or value is too long or empty");
    }
  }
  return {};
}

Error UnknownTopic(const TopicId& id) { return Refuse(ErrorCode::kUnknownTopicId, "no topic has id " + id.ToString()); }

// One overload a command.
struct Applier {
  const MetadataImage& image;

  Result<Applied> operator()(const RegisterBroker& c) const {
    if (c.node == NodeId{} || c.node > kMaxNodeId || c.host.empty() || c.host.size() > kMaxHostBytes ||
        c.rack.size() > kMaxHostBytes || c.rpc_address.size() > kMaxHostBytes || c.port == 0) {
      return Refuse(ErrorCode::kInvalidArgument, "a broker needs an id, a host and a port");
    }
    const Result<uint32_t> generation = GenerationOf(image, c);
    if (!generation.ok()) return generation.error();
    ImageEditor editor(image);
    const Broker* known = image.FindBroker(c.node);
    const bool leaving = known != nullptr && known->leaving;
    editor.PutBroker({c.node, c.incarnation, *generation, c.host, c.port, c.rack, c.rpc_address, leaving});
    editor.SetMetadataVoters(GrowMetadataVoters(editor.image()));
    return Done(&editor, BrokerRegistered{c.node, *generation, known != nullptr && known->generation != *generation});
  }

  Result<Applied> operator()(const CreateTopic& c) const {
    CHRONIK_RETURN_IF_ERROR(ValidateTopicName(c.name));
    if (image.FindTopic(c.name) != nullptr) {
      return Refuse(ErrorCode::kTopicExists, "topic '" + c.name + "' already exists");
    }
    if (c.id.IsZero() || c.created_by.size() > kMaxHostBytes) {
      return Refuse(ErrorCode::kInvalidArgument, "topic '" + c.name + "' without an id, or with too long a creator");
    }
    if (image.FindTopic(c.id) != nullptr) {
      return Refuse(ErrorCode::kTopicExists, "topic id " + c.id.ToString() + " is in use");
    }
    ImageEditor editor(image);
    if (editor.collides(TopicCollisionKey(c.name))) {
      return Refuse(ErrorCode::kInvalidTopicName,
                    "topic '" + c.name + "' collides with one that differs only in '.' and '_'");
    }
    CHRONIK_RETURN_IF_ERROR(CheckConfigBounds(c.configs));
    Result<std::vector<Partition>> partitions = PlacePartitions(image, 0, c.partitions);
    if (!partitions) return partitions.error();
    auto topic = std::make_shared<const Topic>(Topic{c.id, c.name, *std::move(partitions), c.configs, c.created_by});
    editor.PutTopic(topic);
    return Done(&editor, TopicCreated{std::move(topic)});
  }

  Result<Applied> operator()(const DeleteTopic& c) const {
    TopicPtr topic = image.FindTopic(c.id);
    if (topic == nullptr) return UnknownTopic(c.id);
    ImageEditor editor(image);
    editor.DropTopic(*topic);
    return Done(&editor, TopicDeleted{std::move(topic)});
  }

  Result<Applied> operator()(const AddPartitions& c) const {
    const TopicPtr before = image.FindTopic(c.id);
    if (before == nullptr) return UnknownTopic(c.id);
    const size_t first = before->partitions.size();
    Result<std::vector<Partition>> added = PlacePartitions(image, first, c.partitions);
    if (!added) return added.error();
    Topic topic = *before;
    std::move(added->begin(), added->end(), std::back_inserter(topic.partitions));
    auto after = std::make_shared<const Topic>(std::move(topic));
    ImageEditor editor(image);
    editor.PutTopic(after);
    return Done(&editor, PartitionsAdded{std::move(after), PartitionId(static_cast<int32_t>(first))});
  }

  Result<Applied> operator()(const SetTopicConfigs& c) const {
    const TopicPtr before = image.FindTopic(c.id);
    if (before == nullptr) return UnknownTopic(c.id);
    Topic topic = *before;
    for (const std::string& name : c.remove) topic.configs.erase(name);
    for (const auto& [name, value] : c.set) topic.configs[name] = value;
    CHRONIK_RETURN_IF_ERROR(CheckConfigBounds(topic.configs));
    auto after = std::make_shared<const Topic>(std::move(topic));
    ImageEditor editor(image);
    editor.PutTopic(after);
    return Done(&editor, TopicConfigsChanged{std::move(after)});
  }

  Result<Applied> operator()(const AllocateProducerIds& c) const {
    const ProducerId first = image.next_producer_id();
    if (c.count <= 0 || c.count > kMaxProducerIdsPerBlock ||
        first.value > std::numeric_limits<int64_t>::max() - c.count) {
      return Refuse(ErrorCode::kInvalidArgument, "a block of " + std::to_string(c.count) + " producer ids");
    }
    if (image.FindBroker(c.node) == nullptr) {
      return Refuse(ErrorCode::kInvalidArgument, "broker " + std::to_string(c.node.value) + " is not registered");
    }
    ImageEditor editor(image);
    editor.RaiseNextProducerId(first + c.count);
    return Done(&editor, ProducerIdsAllocated{c.node, first, c.count});
  }

  Result<Applied> operator()(const SetClusterId& c) const {
    if (c.cluster_id.empty() || c.cluster_id.size() > kMaxHostBytes) {
      return Refuse(ErrorCode::kInvalidArgument,
                    "a cluster id has 1 to " + std::to_string(kMaxHostBytes) + " characters");
    }
    if (c.founders.empty() || !std::is_sorted(c.founders.begin(), c.founders.end()) ||
        std::adjacent_find(c.founders.begin(), c.founders.end()) != c.founders.end()) {
      return Refuse(ErrorCode::kInvalidArgument, "a cluster has founders, each named once");
    }
    if (!image.cluster_id().empty() && image.cluster_id() != c.cluster_id) {
      return Refuse(ErrorCode::kInvalidArgument, "the cluster already has id '" + image.cluster_id() + "'");
    }
    ImageEditor editor(image);
    if (image.cluster_id().empty()) editor.SetMetadataVoters(c.founders);
    editor.SetClusterId(c.cluster_id);
    return Done(&editor, ClusterIdSet{});
  }

  Result<Applied> operator()(const ReassignPartitions& c) const {
    const TopicPtr before = image.FindTopic(c.id);
    if (before == nullptr) return UnknownTopic(c.id);
    Topic topic = *before;
    for (const Reassignment& to : c.partitions) CHRONIK_RETURN_IF_ERROR(Reassign(image, &topic, to));
    return Replace(before, std::move(topic));
  }

  Result<Applied> operator()(const FinishReassignment& c) const {
    const TopicPtr before = image.FindTopic(c.id);
    if (before == nullptr) return UnknownTopic(c.id);
    Topic topic = *before;
    const Result<Partition*> partition = FindPartition(&topic, c.reached.partition);
    if (!partition.ok()) return partition.error();
    Partition& p = **partition;
    if (!p.moving() || p.replicas != c.reached.replicas)
      return Refuse(ErrorCode::kInvalidArgument, "the partition is not moving there");
    for (const NodeId node : p.previous) {
      if (std::find(p.replicas.begin(), p.replicas.end(), node) == p.replicas.end()) p.NoteDeparture(node);
    }
    p.previous.clear();
    p.origin.clear();
    return Replace(before, std::move(topic));
  }

  Result<Applied> Replace(const TopicPtr& before, Topic topic) const {
    auto after = std::make_shared<const Topic>(std::move(topic));
    ImageEditor editor(image);
    editor.PutTopic(after);
    return Done(&editor, PartitionsReassigned{before, std::move(after)});
  }

  Result<Applied> operator()(const SetBrokerLeaving& c) const {
    const Broker* known = image.FindBroker(c.node);
    if (known == nullptr)
      return Refuse(ErrorCode::kNotFound, "broker " + std::to_string(c.node.value) + " is not registered");
    ImageEditor editor(image);
    Broker broker = *known;
    broker.leaving = c.leaving;
    editor.PutBroker(std::move(broker));
    if (c.leaving) editor.SetMetadataVoters(ReplaceMetadataVoter(editor.image(), c.node));
    editor.SetMetadataVoters(GrowMetadataVoters(editor.image()));
    return Done(&editor, BrokerLeaving{c.node});
  }

  Result<Applied> operator()(const RetireBroker& c) const {
    const Broker* known = image.FindBroker(c.node);
    if (known == nullptr || !known->leaving)
      return Refuse(ErrorCode::kInvalidArgument, "broker " + std::to_string(c.node.value) + " is not leaving");
    const std::vector<NodeId>& voters = image.metadata_voters();
    if (std::find(voters.begin(), voters.end(), c.node) != voters.end())
      return Refuse(ErrorCode::kInvalidArgument, "the metadata has no other voter");
    bool holds = false;
    image.ForEachTopic([&](const TopicPtr& topic) {
      for (const Partition& p : topic->partitions) {
        const auto at = std::find(p.replicas.begin(), p.replicas.end(), c.node);
        holds = holds || at != p.replicas.end() || std::binary_search(p.previous.begin(), p.previous.end(), c.node);
      }
    });
    if (holds) return Refuse(ErrorCode::kInvalidArgument, "it still has partitions");
    const uint32_t generation = known->generation;
    ImageEditor editor(image);
    editor.DropBroker(c.node);
    return Done(&editor, BrokerRetired{c.node, generation});
  }
};

}  // namespace

Result<Applied> Apply(const MetadataImage& image, const Command& command) {
  return std::visit(Applier{image}, command);
}

}  // namespace chronik::metadata
