// SPDX-License-Identifier: Apache-2.0
#include "kernel/broker/produce_operation.h"

#include <algorithm>
#include <chrono>
#include <utility>

namespace chronik::broker {
namespace {

constexpr Duration kExpiryCheckInterval = std::chrono::milliseconds(250);

void CheckExpiry(ShardState& home) {
  home.produce_timer = 0;
  const Instant now = home.executor.Now();
  for (auto at = home.produces.begin(); at != home.produces.end();) {
    const std::shared_ptr<ProduceOperation> operation = *at++;  // Expire takes it off the list
    if (operation->deadline() <= now) operation->Expire();
  }
  if (!home.produces.empty()) {
    home.produce_timer = home.executor.Schedule(kExpiryCheckInterval, [&home] { CheckExpiry(home); });
  }
}

}  // namespace

ProduceOperation::ProduceOperation(const ShardMap& shards, ShardState& home, ProduceRequest request,
                                   Callback<std::vector<ProduceOutcome>> done)
    : shards_(shards),
      home_(home),
      request_(std::move(request)),
      done_(std::move(done)),
      deadline_(home.executor.Now() + std::max(request_.timeout, std::chrono::milliseconds(1))),
      outcomes_(request_.items.size()),
      missing_(request_.items.size()) {}

void ProduceOperation::Start() {
  const auto self = shared_from_this();
  std::vector<std::vector<size_t>> by_shard(shards_.size());
  for (size_t i = 0; i < request_.items.size(); ++i) {
    by_shard[shards_.of(request_.items[i].partition.group).id.value].push_back(i);
  }
  for (uint32_t s = 0; s < by_shard.size(); ++s) {
    if (by_shard[s].empty()) continue;
    ShardState& shard = shards_.at(ShardId(s));
    if (&shard == &home_) {
      AppendOn(shard, by_shard[s]);
    } else {
      shard.executor.Post([self, &shard, items = std::move(by_shard[s])] { self->AppendOn(shard, items); });
    }
  }
  starting_ = false;
  if (missing_ == 0) {
    home_.executor.Post([self] { self->Finish(); });
    return;
  }
  listed_ = home_.produces.insert(home_.produces.end(), self);
  if (home_.produce_timer == 0) {
    home_.produce_timer = home_.executor.Schedule(kExpiryCheckInterval, [&home = home_] { CheckExpiry(home); });
  }
}

void ProduceOperation::AppendOn(ShardState& shard, const std::vector<size_t>& items) {
  const bool remote = &shard != &home_;
  for (const size_t i : items) {
    // Only the item's own shard touches it from here on.
    ProduceItem& item = request_.items[i];
    const auto answer = [self = shared_from_this(), i, remote](ProduceOutcome outcome) {
      if (!remote) return self->Answered(i, std::move(outcome));
      self->home_.executor.Post(
          [self, i, outcome = std::move(outcome)]() mutable { self->Answered(i, std::move(outcome)); });
    };
    if (Partition* partition = shard.Find(item.partition.group)) {
      partition->Produce(std::move(item.records), request_.acks, request_.zstd_allowed, answer);
    } else {
      answer({.error = Error{ErrorCode::kNotLeader, "the partition is not open on this broker"},
              .base_offset = Offset(-1),
              .log_start_offset = Offset(-1),
              .leader = {}});
    }
  }
}

void ProduceOperation::Answered(size_t item, ProduceOutcome outcome) {
  if (!done_ || outcomes_[item].has_value()) return;  // expired before
  outcomes_[item] = std::move(outcome);
  if (--missing_ == 0 && !starting_) Finish();
}

void ProduceOperation::Expire() {
  for (auto& outcome : outcomes_) {
    if (outcome.has_value()) continue;
    outcome = ProduceOutcome{
        .error = Error{ErrorCode::kTimedOut, "not durable within the request's timeout; it may still become so"},
        .base_offset = Offset(-1),
        .log_start_offset = Offset(-1),
        .leader = {}};
  }
  Finish();
}

void ProduceOperation::Finish() {
  const auto self = shared_from_this();
  if (listed_) home_.produces.erase(*std::exchange(listed_, std::nullopt));
  std::vector<ProduceOutcome> outcomes;
  outcomes.reserve(outcomes_.size());
  for (auto& outcome : outcomes_) outcomes.push_back(std::move(*outcome));
  auto done = std::exchange(done_, nullptr);
  done(std::move(outcomes));
}

}  // namespace chronik::broker
