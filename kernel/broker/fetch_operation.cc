// SPDX-License-Identifier: Apache-2.0
#include "kernel/broker/fetch_operation.h"

#include <algorithm>
#include <utility>

namespace chronik::broker {

FetchOperation::FetchOperation(const ShardMap& shards, ShardState& home, FetchRequest request,
                               Callback<std::vector<FetchOutcome>> done)
    : shards_(shards),
      home_(home),
      request_(std::move(request)),
      done_(std::move(done)),
      outcomes_(request_.items.size()) {}

void FetchOperation::Start() {
  const auto self = shared_from_this();
  std::vector<std::optional<size_t>> visit_of(shards_.size());
  for (size_t i = 0; i < request_.items.size(); ++i) {
    ShardState& shard = shards_.of(request_.items[i].partition.group);
    std::optional<size_t>& visit = visit_of[shard.id.value];
    if (!visit) {
      visit = visits_.size();
      visits_.push_back({&shard, {}});
    }
    visits_[*visit].items.push_back(i);
  }
  if (request_.max_wait.count() > 0) {
    timer_ = home_.executor.Schedule(request_.max_wait, [self] { self->OnTimeout(); });
  } else {
    timed_out_ = true;
  }
  home_.executor.Post([self] { self->ReadRound(); });
}

void FetchOperation::ReadRound() {
  if (!done_ || reading_) return;
  reading_ = true;
  woken_.store(false);
  visit_ = 0;
  bytes_ = 0;
  full_ = false;
  VisitNext();
}

void FetchOperation::VisitNext() {
  if (visit_ == visits_.size()) return RoundDone();
  ShardState& shard = *visits_[visit_].shard;
  if (&shard == &home_) return ReadOn(shard, 0);
  shard.executor.Post([self = shared_from_this(), &shard] { self->ReadOn(shard, 0); });
}

// On the visited shard: its items in order, each with what the earlier ones left of the limit.
void FetchOperation::ReadOn(ShardState& shard, size_t position) {
  const std::vector<size_t>& items = visits_[visit_].items;
  while (position < items.size()) {
    const size_t i = items[position];
    Partition* partition = shard.Find(request_.items[i].partition.group);
    if (partition == nullptr) {
      outcomes_[i] = FetchOutcome{};
      outcomes_[i].error = Error{ErrorCode::kNotLeader, "the partition is not open on this broker"};
      ++position;
      continue;
    }
    const uint64_t left = bytes_ >= request_.max_bytes ? 0 : request_.max_bytes - bytes_;
    const replica::DataLimit limit{left, bytes_ == 0};
    FetchOutcome outcome;
    if (!partition->Fetch(request_.items[i], limit, outcome)) {
      return partition->FetchCold(request_.items[i], limit, std::move(outcome),
                                  [self = shared_from_this(), &shard, i, left, position](FetchOutcome read) {
                                    self->Add(i, left, std::move(read));
                                    self->ReadOn(shard, position + 1);
                                  });
    }
    Add(i, left, std::move(outcome));
    ++position;
  }
  VisitDone();
}

void FetchOperation::Add(size_t item, uint64_t left, FetchOutcome outcome) {
  bytes_ += outcome.records.size();
  full_ |= outcome.more && left < request_.items[item].max_bytes;
  outcomes_[item] = std::move(outcome);
}

void FetchOperation::VisitDone() {
  ++visit_;
  if (visits_[visit_ - 1].shard == &home_) return VisitNext();
  home_.executor.Post([self = shared_from_this()] { self->VisitNext(); });
}

bool FetchOperation::ShouldAnswer() const {
  const uint32_t enough = std::min(request_.min_bytes, request_.max_bytes);
  if (timed_out_ || full_ || bytes_ >= enough || request_.items.empty()) return true;
  return std::any_of(outcomes_.begin(), outcomes_.end(),
                     [](const FetchOutcome& o) { return o.error.has_value() || o.diverging.has_value(); });
}

void FetchOperation::RoundDone() {
  reading_ = false;
  if (ShouldAnswer()) return Finish();
  WatchAll();
}

// Each partition is asked to tell when it has more than this round saw; one that has already wakes at once.
void FetchOperation::WatchAll() {
  watching_ = true;
  for (const Visit& visit : visits_) {
    ShardState& shard = *visit.shard;
    std::vector<std::pair<GroupId, Offset>> seen;  // copied: the next round writes outcomes_ again
    seen.reserve(visit.items.size());
    for (const size_t i : visit.items)
      seen.emplace_back(request_.items[i].partition.group, outcomes_[i].high_watermark);
    auto watch = [self = shared_from_this(), &shard, seen = std::move(seen)] {
      for (const auto& [group, high_watermark] : seen) {
        Partition* partition = shard.Find(group);
        if (partition == nullptr || !partition->Watch(high_watermark, self)) self->OnData();
      }
    };
    if (&shard == &home_) {
      watch();
    } else {
      shard.executor.Post(std::move(watch));
    }
  }
}

void FetchOperation::OnData() {
  if (woken_.exchange(true)) return;
  home_.executor.Post([self = shared_from_this()] { self->ReadRound(); });
}

void FetchOperation::OnTimeout() {
  timer_ = 0;
  timed_out_ = true;
  ReadRound();
}

void FetchOperation::Finish() {
  if (timer_ != 0) home_.executor.Cancel(std::exchange(timer_, 0));
  if (watching_) {
    for (const Visit& visit : visits_) {
      ShardState& shard = *visit.shard;
      const auto unwatch = [self = shared_from_this(), &shard, &visit] {
        for (const size_t i : visit.items) {
          if (Partition* partition = shard.Find(self->request_.items[i].partition.group))
            partition->Unwatch(self.get());
        }
      };
      if (&shard == &home_) {
        unwatch();
      } else {
        shard.executor.Post(unwatch);
      }
    }
  }
  auto done = std::exchange(done_, nullptr);
  done(std::move(outcomes_));
}

}  // namespace chronik::broker
