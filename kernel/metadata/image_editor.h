// SPDX-License-Identifier: Apache-2.0
// The only code that changes an image: it works on a copy, keeps the indexes of an image in step with each other, and
// hands the copy out as const.
#pragma once

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "kernel/metadata/image.h"

namespace chronik::metadata {

class ImageEditor {
 public:
  explicit ImageEditor(const MetadataImage& base) : image_(std::make_shared<MetadataImage>(base)) {}

  // What stands in the copy so far.
  const MetadataImage& image() const { return *image_; }

  void SetVersion(uint64_t version) { image_->version_ = version; }
  void SetClusterId(std::string id) { image_->cluster_id_ = std::move(id); }
  void SetMetadataVoters(std::vector<NodeId> voters) { image_->metadata_voters_ = std::move(voters); }
  void PutBroker(Broker broker);
  void DropBroker(NodeId node);  // leaves its generation
  void PutRetired(NodeId node, uint32_t generation);
  // Adds a topic or replaces the one of its id; a topic's name never changes, its partitions only grow.
  void PutTopic(const TopicPtr& topic);
  void DropTopic(const Topic& topic);  // leaves tombstones of its groups
  void AddTombstones(GroupId first, GroupId last);
  void RaiseNextGroupId(GroupId at_least) { image_->next_group_id_ = std::max(image_->next_group_id_, at_least); }
  void RaiseNextProducerId(ProducerId at_least) {
    image_->next_producer_id_ = std::max(image_->next_producer_id_, at_least);
  }
  bool collides(const std::string& collision_key) const {
    return image_->collision_keys_.Find(collision_key) != nullptr;
  }

  // Ends the editor's life.
  ImagePtr Publish() { return std::move(image_); }

 private:
  std::shared_ptr<MetadataImage> image_;
};

}  // namespace chronik::metadata
