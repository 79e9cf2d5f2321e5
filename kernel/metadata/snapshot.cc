// SPDX-License-Identifier: Apache-2.0
#include "kernel/metadata/snapshot.h"

#include <algorithm>
#include <memory>
#include <string>
#include <utility>

#include "kernel/base/crc32c.h"
#include "kernel/metadata/command_wire.h"
#include "kernel/metadata/image_editor.h"
#include "kernel/metadata/topic_name.h"

namespace chronik::metadata {
namespace {

// Header {magic, format version}, scalars, voters of the metadata group, brokers, retired ones, topics in ascending
// name, tombstones, then the CRC-32C of all before it.
constexpr uint32_t kMagic = 0x4d524843;  // "CHRM"
constexpr uint32_t kSnapshotVersion = 2;
constexpr uint32_t kFirstWithOrigin = 2;  // Partition::origin, and how often who left has left
constexpr size_t kCrcBytes = sizeof(uint32_t);
constexpr size_t kMaxElements = 100000000;  // of any list; the bytes at hand bound it further
constexpr size_t kMinBrokerBytes = 8 + 8 + 4 + 4 + 2 + 4 + 4 + 1;
constexpr size_t kMinTopicBytes = 16 + 4 * 4;
constexpr size_t kDeparturesBytes = 8 + 4;
constexpr size_t kMinSnapshotPartitionBytes = 8 + 4 + 4 + 4 + 4;
constexpr size_t kRetiredBytes = 8 + 4;
constexpr size_t kRangeBytes = 8 + 8;

Error Corrupt(const char* what) { return Error{ErrorCode::kCorrupt, std::string("metadata snapshot: ") + what}; }

void PutTopic(WireWriter* out, const Topic& topic) {
  out->Put(topic.id);
  out->Put(topic.name);
  out->Put(topic.created_by);
  PutConfigs(out, topic.configs);
  out->PutCount(topic.partitions.size());
  for (const Partition& partition : topic.partitions) {
    out->Put(partition.group);
    PutReplicas(out, partition.replicas);
    out->PutCount(partition.founders.size());
    for (const ReplicaId founder : partition.founders) out->Put(founder.value);
    PutReplicas(out, partition.previous);
    out->PutCount(partition.former.size());
    for (const Departures& departures : partition.former) {
      out->Put(departures.node);
      out->Put(departures.count);
    }
    PutReplicas(out, partition.origin);
  }
}

Topic TakeTopic(WireReader* in, uint32_t version) {
  Topic topic;
  topic.id = in->TakeTopicId();
  topic.name = in->TakeString(kMaxTopicNameBytes);
  topic.created_by = in->TakeString(kMaxHostBytes);
  topic.configs = TakeConfigs(in);
  topic.partitions.resize(in->TakeCount(kMaxPartitionsPerTopic, kMinSnapshotPartitionBytes));
  for (Partition& partition : topic.partitions) {
    partition.group = in->TakeId<GroupId>();
    partition.replicas = TakeReplicas(in);
    partition.founders.resize(in->TakeCount(kMaxReplicas, sizeof(uint64_t)));
    for (ReplicaId& founder : partition.founders) founder = ReplicaId(in->Take<uint64_t>());
    partition.previous = TakeReplicas(in);
    if (version < kFirstWithOrigin) {
      for (const NodeId node : TakeReplicas(in)) partition.former.push_back({node, 1});
      // Before it was kept, a move could be called off to the nodes it came from, in any order.
      partition.origin = partition.previous;
      continue;
    }
    partition.former.resize(in->TakeCount(kMaxElements, kDeparturesBytes));
    for (Departures& departures : partition.former) {
      departures.node = in->TakeId<NodeId>();
      departures.count = in->Take<uint32_t>();
    }
    partition.origin = TakeReplicas(in);
  }
  return topic;
}

void TakeBrokers(WireReader* in, ImageEditor* editor) {
  NodeId previous;
  for (size_t left = in->TakeCount(kMaxElements, kMinBrokerBytes); left > 0 && in->ok(); --left) {
    Broker broker;
    broker.id = in->TakeId<NodeId>();
    broker.incarnation = in->Take<uint64_t>();
    broker.generation = in->Take<uint32_t>();
    broker.host = in->TakeString(kMaxHostBytes);
    broker.port = in->Take<uint16_t>();
    broker.rack = in->TakeString(kMaxHostBytes);
    broker.rpc_address = in->TakeString(kMaxHostBytes);
    const auto leaving = in->Take<uint8_t>();
    if (leaving > 1) in->Fail();
    broker.leaving = leaving == 1;
    if (broker.id <= previous || broker.id > kMaxNodeId) in->Fail();
    previous = broker.id;
    editor->PutBroker(std::move(broker));
  }
}

void TakeRetired(WireReader* in, ImageEditor* editor) {
  NodeId previous;
  for (size_t left = in->TakeCount(kMaxElements, kRetiredBytes); left > 0 && in->ok(); --left) {
    const auto node = in->TakeId<NodeId>();
    if (node <= previous) in->Fail();
    previous = node;
    editor->PutRetired(node, in->Take<uint32_t>());
  }
}

// A topic must not share its name, id or a group with another.
bool Fits(const ImageEditor& editor, const Topic& topic) {
  if (!ValidateTopicName(topic.name).ok() || topic.id.IsZero() || topic.partitions.empty()) return false;
  if (editor.image().FindTopic(topic.id) != nullptr || editor.collides(TopicCollisionKey(topic.name))) return false;
  for (const Partition& partition : topic.partitions) {
    if (partition.group <= kMetaGroup || partition.group.value > kMaxGroupId || partition.replicas.empty() ||
        partition.founders.empty() || !std::is_sorted(partition.founders.begin(), partition.founders.end()) ||
        !std::is_sorted(partition.previous.begin(), partition.previous.end()) ||
        !std::is_sorted(partition.former.begin(), partition.former.end(),
                        [](const Departures& a, const Departures& b) { return a.node < b.node; }) ||
        partition.moving() != !partition.origin.empty())
      return false;
    if (editor.image().FindGroup(partition.group)) return false;
  }
  return true;
}

void TakeTopics(WireReader* in, uint32_t version, ImageEditor* editor) {
  std::string previous;
  size_t partitions = 0;
  for (size_t left = in->TakeCount(kMaxElements, kMinTopicBytes); left > 0 && in->ok(); --left) {
    auto topic = std::make_shared<const Topic>(TakeTopic(in, version));
    if (!in->ok() || topic->name <= previous || !Fits(*editor, *topic)) return in->Fail();
    previous = topic->name;
    partitions += topic->partitions.size();
    editor->PutTopic(topic);
  }
  if (editor->image().partition_count() != partitions) in->Fail();  // a group twice within one topic
}

void TakeTombstones(WireReader* in, ImageEditor* editor) {
  GroupId previous{};
  for (size_t left = in->TakeCount(kMaxElements, kRangeBytes); left > 0 && in->ok(); --left) {
    const auto first = in->TakeId<GroupId>();
    const auto last = in->TakeId<GroupId>();
    // Ranges that touch are one.
    if (first <= previous + 1 || last < first || last.value > kMaxGroupId) return in->Fail();
    previous = last;
    editor->AddTombstones(first, last);
  }
  editor->RaiseNextGroupId(previous + 1);
  editor->image().ForEachTopic([&](const TopicPtr& topic) {
    for (const Partition& partition : topic->partitions) {
      if (editor->image().IsDeleted(partition.group)) in->Fail();  // alive and dead
    }
  });
}

}  // namespace

Bytes EncodeImage(const MetadataImage& image) {
  WireWriter out;
  out.Put(kMagic);
  out.Put(kSnapshotVersion);
  out.Put(image.version());
  out.Put(image.cluster_id());
  out.Put(image.next_group_id());
  out.Put(image.next_producer_id());
  PutReplicas(&out, image.metadata_voters());
  const std::vector<Broker> brokers = image.Brokers();
  out.PutCount(brokers.size());
  for (const Broker& broker : brokers) {
    out.Put(broker.id);
    out.Put(broker.incarnation);
    out.Put(broker.generation);
    out.Put(broker.host);
    out.Put(broker.port);
    out.Put(broker.rack);
    out.Put(broker.rpc_address);
    out.Put(static_cast<uint8_t>(broker.leaving ? 1 : 0));
  }
  size_t retired = 0;
  image.ForEachRetired([&retired](NodeId, uint32_t) { ++retired; });
  out.PutCount(retired);
  image.ForEachRetired([&out](NodeId node, uint32_t generation) {
    out.Put(node);
    out.Put(generation);
  });
  out.PutCount(image.topic_count());
  image.ForEachTopic([&out](const TopicPtr& topic) { PutTopic(&out, *topic); });
  size_t ranges = 0;
  image.ForEachDeletedRange([&ranges](GroupId, GroupId) { ++ranges; });
  out.PutCount(ranges);
  image.ForEachDeletedRange([&out](GroupId first, GroupId last) {
    out.Put(first);
    out.Put(last);
  });
  out.Put(Crc32c(out.bytes()));
  return Bytes::Copy(out.bytes());
}

Result<ImagePtr> DecodeImage(ByteView bytes) {
  if (bytes.size() < sizeof kMagic + sizeof kSnapshotVersion + kCrcBytes) return Corrupt("cut short");
  const ByteView body = bytes.first(bytes.size() - kCrcBytes);
  if (Crc32c(body) != LoadLittle<uint32_t>(bytes.data() + body.size())) return Corrupt("CRC");
  WireReader in(body);
  if (in.Take<uint32_t>() != kMagic) return Corrupt("not one");
  const auto version = in.Take<uint32_t>();
  if (version < 1 || version > kSnapshotVersion) {
    return Error{ErrorCode::kUnsupportedVersion, "metadata snapshot of format " + std::to_string(version)};
  }
  ImageEditor editor(*MetadataImage::Empty());
  editor.SetVersion(in.Take<uint64_t>());
  editor.SetClusterId(in.TakeString(kMaxHostBytes));
  const auto next_group_id = in.TakeId<GroupId>();
  const auto next_producer_id = in.TakeId<ProducerId>();
  editor.SetMetadataVoters(TakeReplicas(&in));
  TakeBrokers(&in, &editor);
  TakeRetired(&in, &editor);
  TakeTopics(&in, version, &editor);
  TakeTombstones(&in, &editor);
  if (!in.done()) return Corrupt("malformed");
  // Every group in use must lie below the next id, or that id would be given out twice.
  if (next_group_id < editor.image().next_group_id() || next_group_id.value > kMaxGroupId + 1 ||
      next_producer_id < ProducerId(0))
    return Corrupt("next ids");
  editor.RaiseNextGroupId(next_group_id);
  editor.RaiseNextProducerId(next_producer_id);
  return editor.Publish();
}

}  // namespace chronik::metadata
