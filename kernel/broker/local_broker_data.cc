// SPDX-License-Identifier: Apache-2.0
// What clients ask of partitions: produce, fetch, offsets. Each request is taken to the shards of its partitions and
// back.
#include <algorithm>
#include <utility>

#include "kernel/broker/fetch_operation.h"
#include "kernel/broker/local_broker.h"
#include "kernel/broker/produce_operation.h"

namespace chronik::broker {

LeaderInfo LocalBroker::leader(ShardId here, GroupId group) const {
  const auto found = shard(here).leaders.find(group);
  return found == shard(here).leaders.end() ? LeaderInfo{} : found->second;
}

const replica::Replica* LocalBroker::replica(GroupId group) const {
  if (group == kMetaGroup) return metadata_ ? &metadata_->replica() : nullptr;
  const Partition* const partition = map_.of(group).Find(group);
  return partition != nullptr ? &partition->replica() : nullptr;
}

void LocalBroker::Produce(ShardId here, ProduceRequest request, Callback<std::vector<ProduceOutcome>> done) {
  std::make_shared<ProduceOperation>(map_, shard(here), std::move(request), std::move(done))->Start();
}

void LocalBroker::Fetch(ShardId here, FetchRequest request, Callback<std::vector<FetchOutcome>> done) {
  std::make_shared<FetchOperation>(map_, shard(here), std::move(request), std::move(done))->Start();
}

// Asks each item's partition on its own shard: `ask(partition, item, answer)`, partition null if it is not open here.
// The answers are gathered on `here`.
template <class Item, class Outcome, class Ask>
void LocalBroker::Scatter(ShardId here, std::vector<Item> items, Callback<std::vector<Outcome>> done, Ask ask) {
  struct Gather {
    std::vector<Outcome> outcomes;
    size_t missing;
    Callback<std::vector<Outcome>> done;
  };
  auto gather = std::make_shared<Gather>(Gather{std::vector<Outcome>(items.size()), items.size(), std::move(done)});
  Executor& home_executor = shard(here).executor;
  if (items.empty()) return home_executor.Post([gather] { gather->done({}); });
  for (size_t i = 0; i < items.size(); ++i) {
    ShardState& target = map_.of(items[i].partition.group);
    target.executor.Post([&target, &home_executor, item = items[i], i, gather, ask] {
      ask(target.Find(item.partition.group), item, [&home_executor, i, gather](Outcome outcome) {
        home_executor.Post([i, gather, outcome = std::move(outcome)]() mutable {
          gather->outcomes[i] = std::move(outcome);
          if (--gather->missing == 0) gather->done(std::move(gather->outcomes));
        });
      });
    });
  }
}

void LocalBroker::ListOffsets(ShardId here, std::vector<ListOffsetItem> items,
                              Callback<std::vector<ListOffsetOutcome>> done) {
  Scatter(here, std::move(items), std::move(done),
          [](Partition* partition, const ListOffsetItem& item, Callback<ListOffsetOutcome> answer) {
            if (partition != nullptr) return partition->ListOffset(item, std::move(answer));
            ListOffsetOutcome missing;
            missing.error = Error{ErrorCode::kNotLeader, "the partition is not open on this broker"};
            answer(std::move(missing));
          });
}

void LocalBroker::OffsetForLeaderEpoch(ShardId here, std::vector<EpochQuery> items,
                                       Callback<std::vector<EpochOutcome>> done) {
  Scatter(here, std::move(items), std::move(done),
          [](Partition* partition, const EpochQuery& item, Callback<EpochOutcome> answer) {
            if (partition != nullptr) return answer(partition->OffsetForLeaderEpoch(item));
            EpochOutcome missing;
            missing.error = Error{ErrorCode::kNotLeader, "the partition is not open on this broker"};
            answer(std::move(missing));
          });
}

void LocalBroker::DeleteRecords(ShardId here, std::vector<DeleteRecordsItem> items,
                                Callback<std::vector<DeleteRecordsOutcome>> done) {
  Scatter(here, std::move(items), std::move(done),
          [](Partition* partition, const DeleteRecordsItem& item, Callback<DeleteRecordsOutcome> answer) {
            if (partition != nullptr) return partition->DeleteRecords(item.before, std::move(answer));
            answer({Error{ErrorCode::kNotLeader, "the partition is not open on this broker"}, Offset(-1)});
          });
}

}  // namespace chronik::broker
