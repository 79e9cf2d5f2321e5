// SPDX-License-Identifier: Apache-2.0
// One Fetch request: visits the shards of its partitions one after the other, so that the byte limit holds over all of
// them; if that gave too little, waits until a partition has more or the time is up, and reads again.
#pragma once

#include <atomic>
#include <memory>
#include <vector>

#include "kernel/broker/broker.h"
#include "kernel/broker/produce_operation.h"
#include "kernel/broker/shard_state.h"

namespace chronik::broker {

class FetchOperation : public DataWatcher, public std::enable_shared_from_this<FetchOperation> {
 public:
  FetchOperation(const ShardMap& shards, ShardState& home, FetchRequest request,
                 Callback<std::vector<FetchOutcome>> done);

  // On the home shard; `done` comes later, never inside.
  void Start();
  void OnData() override;  // on a partition's shard

 private:
  struct Visit {
    ShardState* shard;
    std::vector<size_t> items;
  };

  void ReadRound();
  void VisitNext();
  void ReadOn(ShardState& shard, size_t position);
  void Add(size_t item, uint64_t left, FetchOutcome outcome);
  void VisitDone();
  void RoundDone();
  void WatchAll();
  void OnTimeout();
  void Finish();
  bool ShouldAnswer() const;

  const ShardMap shards_;
  ShardState& home_;
  const FetchRequest request_;
  Callback<std::vector<FetchOutcome>> done_;
  std::vector<Visit> visits_;  // in the order in which the request first names a partition of theirs
  std::vector<FetchOutcome> outcomes_;
  size_t visit_ = 0;    // index in visits_ of the shard being read
  uint64_t bytes_ = 0;  // gathered in this round
  bool full_ = false;   // max_bytes kept batches out of this round
  bool reading_ = false;
  bool timed_out_ = false;
  bool watching_ = false;
  std::atomic<bool> woken_{false};
  Executor::TimerId timer_ = 0;
};

}  // namespace chronik::broker
