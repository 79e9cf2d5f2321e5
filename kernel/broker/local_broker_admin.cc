// SPDX-License-Identifier: Apache-2.0
// What an operator asks: this broker's view of the cluster.
#include <algorithm>
#include <map>
#include <utility>

#include "kernel/base/wire.h"
#include "kernel/broker/local_broker.h"
#include "kernel/metadata/drain.h"

namespace chronik::broker {
namespace {

constexpr std::chrono::seconds kShardPatience{2};  // for what another shard says of its replicas
constexpr std::chrono::seconds kCallSlack{1};      // beyond the deadline of the node that is asked
constexpr uint64_t kTransferMaxMs = 600'000;

ReplicaReport Describe(const Partition& partition) {
  const replica::Replica& replica = partition.replica();
  ReplicaReport out;
  const raft::SoftState state = replica.soft_state();
  out.role = state.role;
  out.term = state.term;
  out.first_index = replica.first_index();
  out.applied_index = replica.applied().index;
  out.log_start_offset = partition.log_start_offset();
  out.high_watermark = replica.high_watermark();
  out.log_end_offset = replica.log_end_offset();
  out.failed = replica.failed();
  const raft::RaftGroup* raft = replica.raft();
  if (raft == nullptr) return out;  // it reads its log still
  out.last_index = raft->last_index();
  out.commit_index = raft->commit_index();
  for (const raft::PeerStatus& peer : raft->peers()) {
    const uint64_t lag = peer.match >= out.last_index ? 0 : out.last_index - peer.match;
    out.followers.push_back({peer.peer.node(), peer.match, lag, peer.recently_active, peer.learner});
  }
  return out;
}

}  // namespace

ClusterReport LocalBroker::ReportCluster() const {
  ClusterReport out;
  out.self = settings_.node_id;
  out.serving = serving_;
  std::map<NodeId, MemberReport> members;
  for (const NodeId founder : founders_) members[founder].founder = true;
  for (const auto& [node, address] : addresses_) {
    if (members.contains(node)) members[node].rpc_address = address;
  }
  members[settings_.node_id].incarnation = life_.incarnation;
  members[settings_.node_id].rpc_address = rpc_address_;
  if (metadata_) {
    const metadata::ImagePtr& image = metadata_->image();
    const raft::SoftState state = metadata_->soft_state();
    out.cluster_id = image->cluster_id();
    out.metadata_leader = state.leader.node();
    out.metadata_term = state.term;
    out.metadata_version = image->version();
    out.metadata_voters = image->metadata_voters();
    for (const metadata::Broker& broker : image->Brokers()) {
      MemberReport& member = members[broker.id];
      member.incarnation = broker.incarnation;
      member.generation = broker.generation;
      member.leaving = broker.leaving;
      member.host = broker.host;
      member.port = broker.port;
      member.rack = broker.rack;
      member.rpc_address = broker.rpc_address;
    }
  }
  for (auto& [id, member] : members) {
    member.id = id;
    member.alive = IsAlive(home().id, id);
    out.members.push_back(std::move(member));
  }
  return out;
}

void LocalBroker::DescribeCluster(Callback<ClusterReport> done) {
  home().executor.Post([this, done = std::move(done)]() mutable { done(ReportCluster()); });
}

// --- partitions

Result<std::vector<PartitionReport>> LocalBroker::ReportPartitions(const std::string& name) const {
  std::vector<PartitionReport> out;
  const auto add = [&](const metadata::TopicPtr& topic) {
    const int32_t min_in_sync = SettingsOf(*topic).min_insync_replicas;
    for (size_t i = 0; i < topic->partitions.size(); ++i) {
      const metadata::Partition& partition = topic->partitions[i];
      PartitionReport& report = out.emplace_back();
      report.topic = topic->name;
      report.topic_id = topic->id;
      report.partition = PartitionId(static_cast<int32_t>(i));
      report.group = partition.group;
      report.replicas = partition.replicas;
      report.leader = leader(home().id, partition.group);
      report.in_sync = in_sync(home().id, partition.group);
      report.min_in_sync = min_in_sync;
      const auto& replicas = partition.replicas;
      report.stuck = std::find(replicas.begin(), replicas.end(), settings_.node_id) != replicas.end();
    }
  };
  if (!metadata_) return out;
  const metadata::ImagePtr& image = metadata_->image();
  if (name.empty()) {
    image->ForEachTopic(add);
    return out;
  }
  const metadata::TopicPtr topic = image->FindTopic(name);
  if (!topic) return Error{ErrorCode::kUnknownTopic, "there is no topic '" + name + "'"};
  add(topic);
  return out;
}

// Each shard that has replicas is asked; what did not come in time stays marked as stuck.
void LocalBroker::AddLocalReports(std::vector<PartitionReport> reports,
                                  Callback<Result<std::vector<PartitionReport>>> done) {
  struct Gather {
    std::vector<PartitionReport> reports;
    size_t missing = 0;
    Callback<Result<std::vector<PartitionReport>>> done;
    Executor::TimerId timer = 0;
  };
  std::map<ShardId, std::vector<std::pair<size_t, GroupId>>> questions;
  for (size_t i = 0; i < reports.size(); ++i) {
    if (reports[i].stuck) questions[shard_of(reports[i].group).id].emplace_back(i, reports[i].group);
  }
  if (questions.empty()) return done(std::move(reports));
  auto gather = std::make_shared<Gather>(Gather{std::move(reports), questions.size(), std::move(done)});
  const auto finish = [this, gather] {
    home().executor.Cancel(gather->timer);
    if (auto answer = std::exchange(gather->done, nullptr)) answer(std::move(gather->reports));
  };
  gather->timer = home().executor.Schedule(kShardPatience, finish);
  for (auto& [id, asked] : questions) {
    shard(id).executor.Post([this, &target = shard(id), asked = std::move(asked), gather, finish] {
      std::vector<std::pair<size_t, std::optional<ReplicaReport>>> said;
      for (const auto& [at, group] : asked) {
        const Partition* partition = target.Find(group);
        said.emplace_back(at, partition == nullptr ? std::nullopt : std::optional(Describe(*partition)));
      }
      home().executor.Post([gather, finish, said = std::move(said)]() mutable {
        if (!gather->done) return;  // too late
        for (auto& [at, report] : said) {
          gather->reports[at].local = std::move(report);
          gather->reports[at].stuck = false;
        }
        if (--gather->missing == 0) finish();
      });
    });
  }
}

void LocalBroker::DescribePartitions(const std::string& topic, Callback<Result<std::vector<PartitionReport>>> done) {
  home().executor.Post([this, topic, done = std::move(done)]() mutable {
    auto reports = ReportPartitions(topic);
    if (!reports.ok()) return done(reports.error());
    AddLocalReports(*std::move(reports), std::move(done));
  });
}

// --- moving a leadership

Result<GroupId> LocalBroker::FindTransferable(const std::string& name, PartitionId number, NodeId to) const {
  if (!metadata_ || !serving_) return Error{ErrorCode::kNotController, "this broker has not joined its cluster yet"};
  const metadata::TopicPtr topic = metadata_->image()->FindTopic(name);
  if (!topic) return Error{ErrorCode::kUnknownTopic, "there is no topic '" + name + "'"};
  const auto count = static_cast<int32_t>(topic->partitions.size());
  if (number.value < 0 || number.value >= count) {
    return Error{ErrorCode::kUnknownPartition, "topic '" + name + "' has partitions 0 to " + std::to_string(count - 1)};
  }
  const metadata::Partition& partition = topic->partitions[static_cast<size_t>(number.value)];
  const auto& replicas = partition.replicas;
  if (std::find(replicas.begin(), replicas.end(), to) == replicas.end())
    return Error{ErrorCode::kInvalidArgument, "node " + std::to_string(to.value) + " has no replica of it"};
  if (!IsAlive(home().id, to)) {
    return Error{ErrorCode::kNotEnoughReplicas, "node " + std::to_string(to.value) + " is not connected to node " +
                                                    std::to_string(settings_.node_id.value)};
  }
  return partition.group;
}

void LocalBroker::TransferLeadership(const std::string& topic, PartitionId partition, NodeId to,
                                     std::chrono::milliseconds timeout, Callback<Result<LeaderInfo>> done) {
  home().executor.Post([this, topic, partition, to, timeout, done = std::move(done)]() mutable {
    const auto group = FindTransferable(topic, partition, to);
    if (!group.ok()) return done(group.error());
    const LeaderInfo now = leader(home().id, *group);
    if (now.leader == to) return done(now);
    if (now.leader == NodeId(0))
      return done(Error{ErrorCode::kLeaderNotAvailable, "the partition has no leader that could hand over"});
    if (now.leader == settings_.node_id) return TransferHere(*group, to, timeout, std::move(done));
    TransferElsewhere(*group, now.leader, to, timeout, std::move(done));
  });
}

// The raft core gives a transfer up after an election timeout; then the old leader stays, and the deadline says so.
void LocalBroker::TransferHere(GroupId group, NodeId to, Duration timeout, Callback<Result<LeaderInfo>> done) {
  const auto led = led_.find(group);
  if (led == led_.end()) {
    return done(Error{ErrorCode::kNotLeader,
                      "node " + std::to_string(settings_.node_id.value) + " does not lead the partition any more"});
  }
  const auto wait = transfers_.insert(transfers_.end(), {group, to, led->second, std::move(done), 0});
  wait->timer = home().executor.Schedule(timeout, [this, wait, to] {
    FinishTransfer(wait, Error{ErrorCode::kTimedOut, "node " + std::to_string(to.value) +
                                                         " did not take over in time; the old leader goes on unless "
                                                         "it still does"});
  });
  ShardState& target = shard_of(group);
  target.executor.Post([&target, group, to] {
    if (Partition* partition = target.Find(group)) partition->TransferLeadership(to);
  });
}

void LocalBroker::FinishTransfer(std::list<TransferWait>::iterator wait, Result<LeaderInfo> outcome) {
  home().executor.Cancel(wait->timer);
  auto done = std::move(wait->done);
  transfers_.erase(wait);
  done(std::move(outcome));
}

void LocalBroker::SettleTransfers(GroupId group, LeaderInfo leader) {
  for (auto at = transfers_.begin(); at != transfers_.end();) {
    const auto wait = at++;
    if (wait->group != group || leader.leader == NodeId(0) || leader.epoch <= wait->epoch) continue;
    if (leader.leader == wait->to) {
      FinishTransfer(wait, leader);
    } else {
      FinishTransfer(
          wait, Error{ErrorCode::kNotLeader, "node " + std::to_string(leader.leader.value) + " was elected meanwhile"});
    }
  }
}

// Request: varints of group, node, milliseconds. Answer: varints of the new leader and its epoch.
void LocalBroker::TransferElsewhere(GroupId group, NodeId now, NodeId to, std::chrono::milliseconds timeout,
                                    Callback<Result<LeaderInfo>> done) {
  WireWriter out;
  out.PutVarint(group.value);
  out.PutVarint(to.value);
  out.PutVarint(static_cast<uint64_t>(timeout.count()));
  calls_->Call(now, cluster::Method::kTransferLeadership, out.bytes(), timeout + kCallSlack,
               [done = std::move(done)](const Result<Bytes>& answer) mutable {
                 if (!answer.ok()) return done(answer.error());
                 WireReader in(*answer);
                 const NodeId leader(in.TakeVarint());
                 const uint64_t epoch = in.TakeVarint();
                 if (!in.done()) return done(Error{ErrorCode::kInternal, "an answer that cannot be read"});
                 done(LeaderInfo{leader, static_cast<int32_t>(epoch)});
               });
}

void LocalBroker::OnTransferAsked(ByteView request, cluster::Calls::Answer answer) {
  WireReader in(request);
  const GroupId group(in.TakeVarint());
  const NodeId to(in.TakeVarint());
  const std::chrono::milliseconds timeout(std::min<uint64_t>(in.TakeVarint(), kTransferMaxMs));
  if (!in.done()) return answer(Error{ErrorCode::kInvalidArgument, "a request that cannot be read"});
  TransferHere(group, to, timeout, [answer = std::move(answer)](const Result<LeaderInfo>& outcome) mutable {
    if (!outcome.ok()) return answer(outcome.error());
    WireWriter out;
    out.PutVarint(outcome->leader.value);
    out.PutVarint(static_cast<uint64_t>(outcome->epoch));
    answer(Bytes::Copy(out.bytes()));
  });
}

// --- brokers

void LocalBroker::SetBrokerLeaving(NodeId node, bool leaving, std::chrono::milliseconds timeout,
                                   Callback<Status> done) {
  home().executor.Post([this, node, leaving, timeout, done = std::move(done)]() mutable {
    if (!metadata_ || !serving_) return done(Error{ErrorCode::kShuttingDown, "the node is starting or stopping"});
    if (const Status can = metadata::CheckLeaving(*metadata_->image(), node); leaving && !can.ok()) return done(can);
    ProposeMetadata(metadata::SetBrokerLeaving{node, leaving}, timeout,
                    [done = std::move(done)](const Result<metadata::Effect>& effect) mutable {
                      done(effect.ok() ? Status() : Status(effect.error()));
                    });
  });
}

}  // namespace chronik::broker
