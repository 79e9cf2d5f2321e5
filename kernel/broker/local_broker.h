// SPDX-License-Identifier: Apache-2.0
// The broker of this process: the shards' partitions, the metadata group on shard 0, and the way from one to the other.
//
// With founders in its settings it is one node of a cluster (local_broker_cluster.cc): the metadata group and the
// partitions have several voters, which talk over links(); proposals for the metadata go to the node that leads it. How
// it gets to be one is in local_broker_join.cc.
//
// A committed metadata effect opens or ends partitions: the control thread asks the log store (which may block), the
// partition's shard takes it from there, and shard 0 hears when it is ready.
#pragma once

#include <atomic>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "kernel/base/clock.h"
#include "kernel/broker/admin.h"
#include "kernel/broker/broker.h"
#include "kernel/broker/metadata_group.h"
#include "kernel/broker/partition.h"
#include "kernel/broker/produce_operation.h"
#include "kernel/broker/raft_metrics.h"
#include "kernel/broker/shard_state.h"
#include "kernel/cluster/calls.h"
#include "kernel/cluster/discovery.h"
#include "kernel/cluster/links.h"
#include "kernel/log/log_store.h"

namespace chronik::broker {

class LocalBroker final : public Broker,
                          public Admin,
                          private MetadataEvents,
                          private PartitionEvents,
                          private cluster::LinkEvents {
 public:
  // What it needs from outside. All of it outlives the broker.
  struct Environment {
    std::vector<Executor*> shards;                  // one thread each
    Executor* control;                              // a thread that may block
    log::LogStore* store;                           // attached and started
    UniqueFunction<TopicId()> random_id;            // called on shard 0 only
    UniqueFunction<uint64_t(GroupId)> random_seed;  // called on any shard, one at a time per group
    UniqueFunction<void(const Error&)> on_fatal;    // the node must stop; any thread
    host::MetricsRegistry* metrics = nullptr;       // outlives the broker; null: nobody looks
    std::string software;                           // what other nodes call this one in their messages
    Life life;                                      // as it was remembered last
    UniqueFunction<Status(const Life&)> remember;   // durably; control thread. May be empty, for a volatile store
  };

  LocalBroker(Settings settings, Environment environment);
  ~LocalBroker() override;

  // Of a node of a cluster, else null. A transport must be attached and started before Start, and stopped before Stop.
  cluster::Links* links() const { return links_.get(); }

  // From any thread, once. Calls back on shard 0 when every partition that the metadata knows is open and serves, or
  // with what prevents it.
  void Start(Callback<Status> done);
  // Shard 0, of a node of a cluster, before Start or later: which nodes there may be, and where.
  void OnDiscovered(const cluster::Discovered& found);
  // From any thread, before Stop: other nodes take over what this one leads, while clients are still served. Calls back
  // on some shard, at the latest after `timeout`; at once if this is no node of a cluster.
  void HandOver(Duration timeout, Task done);
  // From any thread, once, after Start called back: closes every partition with a checkpoint. Calls back on the control
  // thread; until then the shards must run.
  void Stop(Task done);

  const Settings& settings() const override { return settings_; }
  metadata::ImagePtr image(ShardId here) const override { return shards_[here.value]->image; }
  LeaderInfo leader(ShardId here, GroupId group) const override;
  std::vector<NodeId> in_sync(ShardId here, GroupId group) const override;
  bool IsAlive(ShardId here, NodeId node) const override;
  size_t partition_count(ShardId here) const { return shards_[here.value]->partitions.size(); }
  // This broker's replica of a group, null if it has none. For tests; on the thread of the group's shard.
  const replica::Replica* replica(GroupId group) const;

  void Produce(ShardId here, ProduceRequest request, Callback<std::vector<ProduceOutcome>> done) override;
  void Fetch(ShardId here, FetchRequest request, Callback<std::vector<FetchOutcome>> done) override;
  void ListOffsets(ShardId here, std::vector<ListOffsetItem> items,
                   Callback<std::vector<ListOffsetOutcome>> done) override;
  void OffsetForLeaderEpoch(ShardId here, std::vector<EpochQuery> items,
                            Callback<std::vector<EpochOutcome>> done) override;
  void DeleteRecords(ShardId here, std::vector<DeleteRecordsItem> items,
                     Callback<std::vector<DeleteRecordsOutcome>> done) override;
  void CreateTopics(ShardId here, std::vector<NewTopic> topics, bool validate_only, std::chrono::milliseconds timeout,
                    Callback<std::vector<CreateTopicOutcome>> done) override;
  void DeleteTopics(ShardId here, std::vector<TopicId> topics, std::chrono::milliseconds timeout,
                    Callback<std::vector<std::optional<Error>>> done) override;
  void CreatePartitions(ShardId here, std::vector<NewPartitions> topics, bool validate_only,
                        std::chrono::milliseconds timeout, Callback<std::vector<std::optional<Error>>> done) override;
  void ReassignPartitions(ShardId here, std::vector<PartitionMove> moves, std::chrono::milliseconds timeout,
                          Callback<std::vector<std::optional<Error>>> done) override;
  void ElectLeaders(ShardId here, std::vector<PartitionElection> elections, std::chrono::milliseconds timeout,
                    Callback<std::vector<std::optional<Error>>> done) override;
  void AllocateProducerId(ShardId here, Callback<Result<NewProducerId>> done) override;
  std::optional<PartitionRef> CoordinatorOf(ShardId here, const std::string& group) const override;
  void PrepareGroups(ShardId here, Callback<Status> done) override;
  void ListGroups(ShardId here, groups::ListGroups request, Callback<groups::ListGroupsReply> done) override;
  void AskGroup(ShardId here, const std::string& group, groups::Request request,
                Callback<groups::Response> done) override;

  void DescribeCluster(Callback<ClusterReport> done) override;
  void DescribePartitions(const std::string& topic, Callback<Result<std::vector<PartitionReport>>> done) override;
  void TransferLeadership(const std::string& topic, PartitionId partition, NodeId to, std::chrono::milliseconds timeout,
                          Callback<Result<LeaderInfo>> done) override;
  void SetBrokerLeaving(NodeId node, bool leaving, std::chrono::milliseconds timeout, Callback<Status> done) override;

 private:
  struct ToOpen {
    PartitionRef ref;
    std::string topic;
    metadata::TopicSettings settings;
    ReplicaId self;                   // as a member of the group
    std::vector<ReplicaId> founders;  // none: this replica joins the group
    std::vector<ReplicaId> members;   // who shall vote now
    bool moving;                      // to them
    uint32_t priority;                // position in the assignment: the first is the preferred leader
  };
  // A node that takes no part yet asks the others. Shard 0.
  struct Entering {
    Instant deadline;
    std::set<NodeId> asked;              // and not answered yet
    std::set<NodeId> willing;            // they would found a cluster with this one
    std::map<NodeId, std::string> said;  // the last objection of each
    Executor::TimerId timer = 0;
  };
  // Somebody who waits until a set of partitions is ready. Shard 0.
  struct ReadyWait {
    std::set<GroupId> missing;
    Callback<Status> done;
    Executor::TimerId timer = 0;
  };

  // Somebody who waits until a partition that this node led is led by another. Shard 0.
  struct TransferWait {
    GroupId group;
    NodeId to;
    int32_t epoch;  // of this node's leadership
    Callback<Result<LeaderInfo>> done;
    Executor::TimerId timer = 0;
  };

  // A command on its way to the log, by whichever node leads it.
  struct MetadataProposal {
    uint64_t number;
    Bytes command;
    Callback<Result<metadata::Effect>> done;  // null once it ran
    Executor::TimerId timer = 0;
    Executor::TimerId retry = 0;
  };
  using MetadataProposalPtr = std::shared_ptr<MetadataProposal>;
  struct Earlier {  // not by address: a simulated run must be the same every time
    bool operator()(const MetadataProposalPtr& a, const MetadataProposalPtr& b) const { return a->number < b->number; }
  };

  void OnImage(const metadata::ImagePtr& image, const metadata::Effect* effect) override;
  void OnMetadataReady() override;
  void OnMetadataFatal(const Error& error) override { environment_.on_fatal(error); }
  void OnLeader(const PartitionRef& partition, LeaderInfo leader) override;
  void OnReady(const PartitionRef& partition) override;
  void OnInSync(const PartitionRef& partition, int32_t epoch, std::vector<NodeId> in_sync) override;
  void OnSettled(const PartitionRef& partition) override;
  void OnMessages(ShardId shard, std::vector<cluster::GroupMessage> messages) override;
  void OnHello(NodeId peer, const cluster::Hello& hello) override;
  void OnFrame(NodeId from, cluster::FrameKind kind, Bytes frame) override { calls_->OnFrame(from, kind, frame); }
  void OnPeer(NodeId peer, bool up, bool process_gone, const std::string& why) override;

  bool clustered() const { return settings_.by_discovery || !settings_.founders.empty(); }
  ShardState& shard_of(GroupId group) const { return group == kMetaGroup ? home() : map_.of(group); }
  ShardState& home() const { return *shards_.front(); }  // of metadata
  ShardState& shard(ShardId id) const { return *shards_[id.value]; }
  template <class Item, class Outcome, class Ask>
  void Scatter(ShardId here, std::vector<Item> items, Callback<std::vector<Outcome>> done, Ask ask);

  // local_broker_join.cc
  void Enter();
  void AskToJoin();
  void OnJoinAnswer(NodeId peer, const Result<Bytes>& answer);
  void FoundIfAllAgree();
  void BeginLife(Life life);
  void CampaignToFound(uint32_t attempts);
  void Remember(const Life& life);
  void AnswerJoin(NodeId from, ByteView request, cluster::Calls::Answer answer);
  void Join();
  void SayWhoIsMissing();
  void StartFailed(Error error);
  metadata::RegisterBroker SelfRegistration() const;

  // local_broker_cluster.cc
  void MakeLinks();
  void OnBroker(NodeId node);
  void AlignPartitions(const metadata::MetadataImage& image);
  void Align(const metadata::Topic& topic);

  // local_broker_discovery.cc
  void LearnFounders(const cluster::Discovered& found);
  std::string WhyNotFounding() const;
  void SetOwnAddress(const std::string& address);
  void LearnAddress(NodeId node, const std::string& address);
  void UseNewestAddress(NodeId node);
  void UseAddress(NodeId node, const std::string& address);
  void LookForLost(NodeId node);
  void LookElsewhere();
  void ForgetUnnamed();

  // local_broker_reassign.cc
  void Reassign(const PartitionMove& move, std::chrono::milliseconds timeout, Callback<std::optional<Error>> done);
  void Elect(const PartitionElection& election, std::chrono::milliseconds timeout, Callback<std::optional<Error>> done);

  // local_broker_moves.cc
  void ChangeHoldings(const metadata::Topic& before, const metadata::Topic& topic);
  bool IsKept(const metadata::Topic& before, const metadata::Topic& topic, size_t partition) const;
  bool IsHeld(const metadata::Topic& topic, size_t partition) const;
  void Drain();
  void OnRetired(NodeId node, uint32_t generation);
  void ProposeMetadata(const metadata::Command& command, Duration timeout, Callback<Result<metadata::Effect>> done);
  void TryPropose(const MetadataProposalPtr& proposal);
  void ProposeElsewhere(const MetadataProposalPtr& proposal, NodeId leader);
  void Await(const MetadataProposalPtr& proposal, raft::EntryId id);
  void TryLater(const MetadataProposalPtr& proposal);
  void HandOverShard(ShardState& shard, Instant deadline, Task done);
  void EndProposals();
  void Finish(const MetadataProposalPtr& proposal, Result<metadata::Effect> effect);
  void OnLeadersNotice(NodeId from, ByteView notice);
  void OnInSyncNotice(ByteView notice);
  void AnnounceInSync(NodeId to, GroupId group);
  void SetInSync(GroupId group, InSync in_sync);
  void Announce(NodeId to, const std::map<GroupId, int32_t>& led);
  void AnnounceSoon(GroupId group, int32_t epoch);
  void SetLeader(GroupId group, LeaderInfo leader, bool first_hand);
  void Reconcile(const metadata::MetadataImage& before, const metadata::MetadataImage& image);

  Result<log::OpenedGroup> OpenMetadata(bool established, bool fresh);
  // local_broker_admin.cc
  ClusterReport ReportCluster() const;
  Result<std::vector<PartitionReport>> ReportPartitions(const std::string& topic) const;
  void AddLocalReports(std::vector<PartitionReport> reports, Callback<Result<std::vector<PartitionReport>>> done);
  Result<GroupId> FindTransferable(const std::string& topic, PartitionId partition, NodeId to) const;
  void TransferHere(GroupId group, NodeId to, Duration timeout, Callback<Result<LeaderInfo>> done);
  void TransferElsewhere(GroupId group, NodeId leader, NodeId to, std::chrono::milliseconds timeout,
                         Callback<Result<LeaderInfo>> done);
  void OnTransferAsked(ByteView request, cluster::Calls::Answer answer);
  void SettleTransfers(GroupId group, LeaderInfo leader);
  void FinishTransfer(std::list<TransferWait>::iterator wait, Result<LeaderInfo> outcome);

  // local_broker_groups.cc
  void CreateOffsetsTopic();
  void ForgetOffsetsOf(const std::string& topic);
  static void StopGroupHost(ShardState& target, GroupId group);

  void StartMetadata(log::OpenedGroup opened);
  void RegisterSelf();
  void OpenKnownPartitions();
  void Publish(const metadata::ImagePtr& image);
  void CarryOut(const metadata::Effect& effect);
  metadata::TopicSettings SettingsOf(const metadata::Topic& topic) const;
  std::vector<ToOpen> LocalPartitions(const metadata::Topic& topic, size_t first) const;
  void OpenPartitions(std::vector<ToOpen> partitions);
  void OpenOn(ShardState& shard, const ToOpen& partition, log::OpenedGroup opened);
  void OpenFailed(GroupId group, const Error& error);
  void EndPartitions(const metadata::Topic& topic);
  void DropReplica(GroupId group);
  void CloseShard(ShardState& shard, Task done);
  void CloseAll(ShardState& shard, Task done);
  void WaitReady(std::set<GroupId> groups, std::optional<Duration> timeout, Callback<Status> done);
  void GroupSettled(GroupId group, const Status& status);
  void CreateTopic(const NewTopic& topic, bool validate_only, std::chrono::milliseconds timeout,
                   Callback<CreateTopicOutcome> done);
  void AddPartitions(const NewPartitions& request, bool validate_only, std::chrono::milliseconds timeout,
                     Callback<std::optional<Error>> done);
  void GiveProducerIds();
  void Tick(ShardState& shard);
  void StartTicking(ShardState& shard);
  void RetainLater(ShardState& shard);
  replica::Options ReplicaOptions(GroupId group, ShardId shard, std::vector<ReplicaId> voters, uint32_t priority = 0);

  const Settings settings_;
  Environment environment_;
  RaftMetrics metrics_;
  std::vector<std::unique_ptr<ShardState>> shards_;
  ShardMap map_;
  std::unique_ptr<cluster::Links> links_;

  ReplicaId self_;  // set before the first replica is made

  // Shard 0 only from here on.
  Life life_;
  std::unique_ptr<Entering> entering_;
  std::map<NodeId, uint64_t> founding_with_;  // incarnations that took part in the founding, until it is done
  std::set<GroupId> finishing_;               // moves whose end is being proposed
  Executor::TimerId drain_timer_ = 0;
  // Where the other nodes may be, the newest word first, and where this one looks for them.
  std::map<NodeId, std::vector<std::string>> known_addresses_;
  std::map<NodeId, std::string> addresses_;
  std::set<NodeId> unsettled_;  // those with news
  Executor::TimerId settle_timer_ = 0;
  Executor::TimerId look_elsewhere_timer_ = 0;
  std::string rpc_address_;                   // of this one
  std::vector<NodeId> founders_;              // none: not known (yet)
  cluster::Discovered found_;                 // the newest report
  std::map<NodeId, std::string> discovered_;  // where the others are, as discovery was sure last
  std::set<NodeId> unnamed_;                  // it no longer names them
  std::unique_ptr<cluster::Calls> calls_;
  std::unique_ptr<MetadataGroup> metadata_;
  std::set<MetadataProposalPtr, Earlier> proposals_;
  uint64_t next_proposal_ = 0;
  std::map<GroupId, int32_t> led_;        // partitions that this node leads, by epoch
  std::map<GroupId, int32_t> announced_;  // of those: not told to the others yet
  Executor::TimerId join_timer_ = 0;
  Executor::TimerId found_timer_ = 0;
  Callback<Status> started_;
  bool serving_ = false;  // effects are carried out, images published
  std::set<GroupId> ready_;
  std::list<ReadyWait> waits_;
  std::list<TransferWait> transfers_;
  ProducerId next_producer_id_{0};
  ProducerId producer_ids_end_{0};
  bool allocating_producer_ids_ = false;
  std::vector<Callback<Result<NewProducerId>>> producer_id_waiters_;
  std::vector<Callback<Status>> offsets_topic_waiters_;
};

}  // namespace chronik::broker
