// SPDX-License-Identifier: Apache-2.0
// One Produce request on its way through the shards: split by shard, appended there, gathered again in order.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "kernel/broker/broker.h"
#include "kernel/broker/shard_state.h"

namespace chronik::broker {

// Which shard serves a group.
class ShardMap {
 public:
  explicit ShardMap(std::vector<std::unique_ptr<ShardState>>& shards) : shards_(shards) {}
  ShardState& of(GroupId group) const { return *shards_[group.value % shards_.size()]; }
  ShardState& at(ShardId id) const { return *shards_[id.value]; }
  size_t size() const { return shards_.size(); }

 private:
  std::vector<std::unique_ptr<ShardState>>& shards_;
};

class ProduceOperation : public std::enable_shared_from_this<ProduceOperation> {
 public:
  ProduceOperation(const ShardMap& shards, ShardState& home, ProduceRequest request,
                   Callback<std::vector<ProduceOutcome>> done);

  // On the home shard; `done` comes later, never inside.
  void Start();
  Instant deadline() const { return deadline_; }
  // Time is up: whatever is not answered has an unknown outcome.
  void Expire();

 private:
  void AppendOn(ShardState& shard, const std::vector<size_t>& items);
  void Answered(size_t item, ProduceOutcome outcome);
  void Finish();

  const ShardMap shards_;
  ShardState& home_;
  ProduceRequest request_;
  Callback<std::vector<ProduceOutcome>> done_;
  const Instant deadline_;
  std::vector<std::optional<ProduceOutcome>> outcomes_;
  size_t missing_;
  bool starting_ = true;
  std::optional<std::list<std::shared_ptr<ProduceOperation>>::iterator> listed_;
};

}  // namespace chronik::broker
