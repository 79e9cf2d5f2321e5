// SPDX-License-Identifier: Apache-2.0
// What clients ask of the cluster: topics, partitions, producer ids. Each becomes a command of the metadata group,
// proposed on shard 0 and answered on the shard that asked.
#include <utility>

#include "kernel/broker/answers.h"
#include "kernel/broker/local_broker.h"
#include "kernel/broker/topic_plan.h"
#include "kernel/metadata/apply.h"
#include "kernel/metadata/topic_name.h"

namespace chronik::broker {
namespace {

constexpr int32_t kProducerIdBlock = 1000;  // as Kafka's brokers take them
constexpr std::chrono::seconds kProducerIdTimeout{15};

std::optional<Error> ErrorOf(const Status& status) {
  return status.ok() ? std::nullopt : std::optional<Error>(status.error());
}

// What would come of the command; for requests that are to be validated only.
std::optional<Error> WhyNot(const metadata::MetadataImage& image, const metadata::Command& command) {
  const auto applied = metadata::Apply(image, command);
  return applied.ok() ? std::nullopt : std::optional<Error>(applied.error());
}

}  // namespace

void LocalBroker::CreateTopics(ShardId here, std::vector<NewTopic> topics, bool validate_only,
                               std::chrono::milliseconds timeout, Callback<std::vector<CreateTopicOutcome>> done) {
  auto answer = AnswerOn(shard(here).executor, std::move(done));
  home().executor.Post(
      [this, topics = std::move(topics), validate_only, timeout, answer = std::move(answer)]() mutable {
        if (topics.empty()) return answer({});
        auto gather = std::make_shared<Gather<CreateTopicOutcome>>(topics.size(), std::move(answer));
        for (size_t i = 0; i < topics.size(); ++i) {
          CreateTopic(topics[i], validate_only, timeout,
                      [gather, i](CreateTopicOutcome outcome) { gather->Put(i, std::move(outcome)); });
        }
      });
}

void LocalBroker::CreateTopic(const NewTopic& topic, bool validate_only, std::chrono::milliseconds timeout,
                              Callback<CreateTopicOutcome> done) {
  CreateTopicOutcome outcome;
  if (!metadata_) {
    outcome.error = Error{ErrorCode::kShuttingDown, "the broker is shutting down"};
    return done(std::move(outcome));
  }
  auto command = PlanTopic(*metadata_->image(), settings_, topic, environment_.random_id());
  if (!command.ok()) {
    outcome.error = command.error();
    return done(std::move(outcome));
  }
  outcome.partition_count = static_cast<int32_t>(command->partitions.size());
  outcome.replication_factor = static_cast<int16_t>(command->partitions.front().replicas.size());
  if (validate_only) {
    outcome.error = WhyNot(*metadata_->image(), *command);
    return done(std::move(outcome));
  }
  ProposeMetadata(
      *command, timeout,
      [this, id = command->id, outcome, timeout, done = std::move(done)](Result<metadata::Effect> effect) mutable {
        if (!effect.ok()) {
          outcome.error = effect.error();
          return done(std::move(outcome));
        }
        outcome.id = id;
        std::set<GroupId> groups;
        for (const metadata::Partition& p : std::get<metadata::TopicCreated>(*effect).topic->partitions)
          groups.insert(p.group);
        WaitReady(std::move(groups), timeout, [outcome, done = std::move(done)](Status status) mutable {
          outcome.error = ErrorOf(status);
          done(std::move(outcome));
        });
      });
}

void LocalBroker::DeleteTopics(ShardId here, std::vector<TopicId> topics, std::chrono::milliseconds timeout,
                               Callback<std::vector<std::optional<Error>>> done) {
  auto answer = AnswerOn(shard(here).executor, std::move(done));
  home().executor.Post([this, topics = std::move(topics), timeout, answer = std::move(answer)]() mutable {
    if (topics.empty()) return answer({});
    auto gather = std::make_shared<Gather<std::optional<Error>>>(topics.size(), std::move(answer));
    for (size_t i = 0; i < topics.size(); ++i) {
      ProposeMetadata(metadata::DeleteTopic{topics[i]}, timeout, [gather, i](Result<metadata::Effect> effect) {
        gather->Put(i, effect.ok() ? std::nullopt : std::optional<Error>(effect.error()));
      });
    }
  });
}

void LocalBroker::CreatePartitions(ShardId here, std::vector<NewPartitions> topics, bool validate_only,
                                   std::chrono::milliseconds timeout,
                                   Callback<std::vector<std::optional<Error>>> done) {
  auto answer = AnswerOn(shard(here).executor, std::move(done));
  home().executor.Post(
      [this, topics = std::move(topics), validate_only, timeout, answer = std::move(answer)]() mutable {
        if (topics.empty()) return answer({});
        auto gather = std::make_shared<Gather<std::optional<Error>>>(topics.size(), std::move(answer));
        for (size_t i = 0; i < topics.size(); ++i) {
          AddPartitions(topics[i], validate_only, timeout,
                        [gather, i](std::optional<Error> outcome) { gather->Put(i, std::move(outcome)); });
        }
      });
}

void LocalBroker::AddPartitions(const NewPartitions& request, bool validate_only, std::chrono::milliseconds timeout,
                                Callback<std::optional<Error>> done) {
  if (!metadata_) return done(Error{ErrorCode::kShuttingDown, "the broker is shutting down"});
  if (metadata::IsInternalTopic(request.topic))  // their number says where a group is
    return done(Error{ErrorCode::kInvalidTopicName, "'" + request.topic + "' is an internal topic"});
  auto command = PlanPartitions(*metadata_->image(), request);
  if (!command.ok()) return done(command.error());
  if (validate_only) return done(WhyNot(*metadata_->image(), *command));
  ProposeMetadata(*command, timeout, [this, timeout, done = std::move(done)](Result<metadata::Effect> effect) mutable {
    if (!effect.ok()) return done(effect.error());
    const auto& added = std::get<metadata::PartitionsAdded>(*effect);
    std::set<GroupId> groups;
    for (auto i = static_cast<size_t>(added.first.value); i < added.topic->partitions.size(); ++i)
      groups.insert(added.topic->partitions[i].group);
    WaitReady(std::move(groups), timeout, [done = std::move(done)](Status status) mutable { done(ErrorOf(status)); });
  });
}

void LocalBroker::AllocateProducerId(ShardId here, Callback<Result<NewProducerId>> done) {
  auto answer = AnswerOn(shard(here).executor, std::move(done));
  home().executor.Post([this, answer = std::move(answer)]() mutable {
    if (!metadata_) return answer(Error{ErrorCode::kShuttingDown, "the broker is shutting down"});
    producer_id_waiters_.push_back(std::move(answer));
    GiveProducerIds();
  });
}

// Ids come in committed blocks, so that none is ever given twice; what is left of a block at a restart is skipped.
void LocalBroker::GiveProducerIds() {
  while (!producer_id_waiters_.empty() && next_producer_id_ < producer_ids_end_) {
    auto waiter = std::move(producer_id_waiters_.back());
    producer_id_waiters_.pop_back();
    waiter(NewProducerId{std::exchange(next_producer_id_, next_producer_id_ + 1), 0});
  }
  if (producer_id_waiters_.empty() || allocating_producer_ids_) return;
  allocating_producer_ids_ = true;
  ProposeMetadata(metadata::AllocateProducerIds{settings_.node_id, kProducerIdBlock}, kProducerIdTimeout,
                  [this](Result<metadata::Effect> effect) {
                    allocating_producer_ids_ = false;
                    if (!effect.ok()) {
                      for (auto& waiter : std::exchange(producer_id_waiters_, {})) waiter(effect.error());
                      return;
                    }
                    const auto& block = std::get<metadata::ProducerIdsAllocated>(*effect);
                    next_producer_id_ = block.first;
                    producer_ids_end_ = block.first + block.count;
                    GiveProducerIds();
                  });
}

}  // namespace chronik::broker
