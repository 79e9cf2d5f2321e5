// SPDX-License-Identifier: Apache-2.0
#include "kernel/metadata/image_editor.h"

#include "kernel/metadata/topic_name.h"

namespace chronik::metadata {

void ImageEditor::PutBroker(Broker broker) {
  const NodeId id = broker.id;
  image_->brokers_.Put(id, std::move(broker));
}

void ImageEditor::DropBroker(NodeId node) {
  PutRetired(node, image_->ReplicaOf(node).generation());
  image_->brokers_.Erase(node);
}

void ImageEditor::PutRetired(NodeId node, uint32_t generation) { image_->retired_.Put(node, generation); }

void ImageEditor::PutTopic(const TopicPtr& topic) {
  const TopicPtr* before = image_->by_id_.Find(topic->id);
  const size_t known = before != nullptr ? (*before)->partitions.size() : 0;
  for (size_t i = known; i < topic->partitions.size(); ++i) {
    image_->by_group_.Put(topic->partitions[i].group, {topic->id, PartitionId(static_cast<int32_t>(i))});
    RaiseNextGroupId(topic->partitions[i].group + 1);
  }
  image_->by_id_.Put(topic->id, topic);
  image_->by_name_.Put(topic->name, topic);
  image_->collision_keys_.Put(TopicCollisionKey(topic->name), topic->name);
}

void ImageEditor::DropTopic(const Topic& topic) {
  for (const Partition& partition : topic.partitions) {
    image_->by_group_.Erase(partition.group);
    AddTombstones(partition.group, partition.group);
  }
  image_->by_id_.Erase(topic.id);
  image_->by_name_.Erase(topic.name);
  image_->collision_keys_.Erase(TopicCollisionKey(topic.name));
}

void ImageEditor::AddTombstones(GroupId first, GroupId last) {
  auto& ranges = image_->deleted_groups_;
  if (const auto* below = ranges.FindFloor(first); below != nullptr && below->second + 1 == first) {
    first = below->first;
  }
  if (const GroupId* above = ranges.Find(last + 1); above != nullptr) {
    const GroupId merged = *above;
    ranges.Erase(last + 1);
    last = merged;
  }
  ranges.Put(first, last);
}

}  // namespace chronik::metadata
