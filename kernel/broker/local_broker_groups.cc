// SPDX-License-Identifier: Apache-2.0
// Consumer groups: `__consumer_offsets`, and the way of a request to the coordinator of its group.
#include <algorithm>
#include <utility>

#include "kernel/broker/answers.h"
#include "kernel/broker/group_host.h"
#include "kernel/broker/local_broker.h"

namespace chronik::broker {
namespace {

constexpr std::chrono::seconds kCreateTimeout{15};
constexpr size_t kOffsetsReplicas = 3;

// What one coordinator said, or does not say as it leads nothing.
void AddTo(const groups::Response& response, groups::ListGroupsReply* all) {
  const auto& reply = std::get<groups::ListGroupsReply>(response);
  if (reply.error == groups::GroupError::kNotCoordinator) return;
  if (reply.error != groups::GroupError::kNone) all->error = reply.error;
  all->groups.insert(all->groups.end(), reply.groups.begin(), reply.groups.end());
}

}  // namespace

std::optional<PartitionRef> LocalBroker::CoordinatorOf(ShardId here, const std::string& group) const {
  const metadata::ImagePtr& known = shard(here).image;
  const metadata::TopicPtr topic = known ? known->FindTopic(kOffsetsTopic) : nullptr;
  if (!topic) return std::nullopt;
  const PartitionId partition = OffsetsPartition(group, topic->partitions.size());
  return PartitionRef{topic->id, partition, topic->partitions[static_cast<size_t>(partition.value)].group};
}

void LocalBroker::AskGroup(ShardId here, const std::string& group, groups::Request request,
                           Callback<groups::Response> done) {
  auto answer = AnswerOn(shard(here).executor, std::move(done));
  const auto coordinator = CoordinatorOf(here, group);
  if (!coordinator) return answer(groups::Refused(request, groups::GroupError::kNotCoordinator));
  ShardState& target = map_.of(coordinator->group);
  target.executor.Post(
      [&target, id = coordinator->group, request = std::move(request), answer = std::move(answer)]() mutable {
        const auto host = target.group_hosts.find(id);
        if (host == target.group_hosts.end())
          return answer(groups::Refused(request, groups::GroupError::kNotCoordinator));
        host->second->Ask(request, std::move(answer));
      });
}

void LocalBroker::ListGroups(ShardId here, groups::ListGroups request, Callback<groups::ListGroupsReply> done) {
  auto all = std::make_shared<Gather<std::vector<groups::Response>>>(
      shards_.size(), [done = std::move(done)](const std::vector<std::vector<groups::Response>>& shards) mutable {
        groups::ListGroupsReply reply;
        for (const auto& responses : shards) {
          for (const groups::Response& response : responses) AddTo(response, &reply);
        }
        done(std::move(reply));
      });
  Executor& asking = shard(here).executor;
  for (size_t i = 0; i < shards_.size(); ++i) {
    shards_[i]->executor.Post([&state = *shards_[i], &asking, request, all, i] {
      const auto answer = [&asking, all, i](std::vector<groups::Response> responses) {
        asking.Post([all, i, responses = std::move(responses)]() mutable { all->Put(i, std::move(responses)); });
      };
      if (state.group_hosts.empty()) return answer({});
      auto gather = std::make_shared<Gather<groups::Response>>(state.group_hosts.size(), answer);
      size_t next = 0;
      for (const auto& [group, host] : state.group_hosts)
        host->Ask(request, [gather, k = next++](groups::Response response) { gather->Put(k, std::move(response)); });
    });
  }
}

void LocalBroker::PrepareGroups(ShardId here, Callback<Status> done) {
  auto answer = AnswerOn(shard(here).executor, std::move(done));
  home().executor.Post([this, answer = std::move(answer)]() mutable {
    if (!metadata_) return answer(Error{ErrorCode::kShuttingDown, "the broker is shutting down"});
    if (metadata_->image()->FindTopic(kOffsetsTopic)) return answer({});
    offsets_topic_waiters_.push_back(std::move(answer));
    if (offsets_topic_waiters_.size() == 1) CreateOffsetsTopic();
  });
}

// Neither age nor size removes its records, as an offset is only in the log. min.insync.replicas 1: a majority has them
// all the same. While the cluster is founded it waits for as many brokers as will vote.
void LocalBroker::CreateOffsetsTopic() {
  const metadata::MetadataImage& image = *metadata_->image();
  size_t brokers = 0;
  for (const metadata::Broker& broker : image.Brokers()) brokers += broker.leaving ? 0 : 1;
  NewTopic topic;
  topic.name = kOffsetsTopic;
  topic.partition_count = settings_.offsets_topic_partitions;
  topic.replication_factor =
      static_cast<int16_t>(std::min(kOffsetsReplicas, std::max(brokers, image.metadata_voters().size())));
  topic.configs = {{"retention.ms", "-1"},
                   {"retention.bytes", "-1"},
                   {"max.message.bytes", std::to_string(settings_.request_max_bytes)},
                   {"message.timestamp.type", "CreateTime"},
                   {"min.insync.replicas", "1"}};
  CreateTopic(topic, false, kCreateTimeout, [this](const CreateTopicOutcome& outcome) {
    const bool is_there = !outcome.error || outcome.error->code == ErrorCode::kTopicExists;
    for (auto& waiter : std::exchange(offsets_topic_waiters_, {})) waiter(is_there ? Status() : Status(*outcome.error));
  });
}

void LocalBroker::ForgetOffsetsOf(const std::string& topic) {
  for (const auto& s : shards_) {
    s->executor.Post([&state = *s, topic] {
      for (const auto& [group, host] : state.group_hosts) host->TopicsDeleted({topic});
    });
  }
}

void LocalBroker::StopGroupHost(ShardState& target, GroupId group) {
  const auto host = target.group_hosts.find(group);
  if (host == target.group_hosts.end()) return;
  host->second->Stop();
  target.group_hosts.erase(host);
}

}  // namespace chronik::broker
