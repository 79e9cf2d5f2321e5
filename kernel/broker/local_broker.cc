// SPDX-License-Identifier: Apache-2.0
// Life of the broker and of its partitions; what clients ask of partitions is in local_broker_data.cc, of topics in
// local_broker_topics.cc.
#include "kernel/broker/local_broker.h"

#include <algorithm>
#include <utility>

#include "kernel/base/log.h"

namespace chronik::broker {
namespace {

constexpr std::chrono::seconds kStartTimeout{60};  // of what a single node proposes to itself

std::string Name(const metadata::Topic& topic, PartitionId partition) {
  return topic.name + "-" + std::to_string(partition.value);
}

// Who shall vote now, ascending: the present lives of the nodes that it is assigned to.
std::vector<ReplicaId> MembersOf(const metadata::Partition& partition, const metadata::MetadataImage& image) {
  std::vector<ReplicaId> members;
  for (const NodeId node : partition.replicas) members.push_back(image.MemberOf(partition, node));
  std::sort(members.begin(), members.end());
  return members;
}

}  // namespace

LocalBroker::LocalBroker(Settings settings, Environment environment)
    : settings_(std::move(settings)),
      environment_(std::move(environment)),
      metrics_(environment_.metrics, settings_.node_id),
      map_(shards_) {
  CHRONIK_CHECK(!environment_.shards.empty()) << "a broker needs a shard";
  for (size_t i = 0; i < environment_.shards.size(); ++i) {
    shards_.push_back(std::make_unique<ShardState>(
        ShardId(static_cast<uint32_t>(i)), *environment_.shards[i], settings_.tail_cache_bytes_per_shard,
        settings_.recovery_bytes_per_second / environment_.shards.size(), [this, i] { StartTicking(*shards_[i]); }));
  }
  life_ = environment_.life;
  addresses_ = settings_.peer_addresses;
  rpc_address_ = settings_.rpc_address;
  founders_ = settings_.founders;
  for (const auto& [node, address] : addresses_) known_addresses_[node] = {address};
  if (clustered()) MakeLinks();
}

LocalBroker::~LocalBroker() = default;

void LocalBroker::Start(Callback<Status> done) {
  home().executor.Post([this, done = std::move(done)]() mutable {
    started_ = std::move(done);
    if (links_) LookElsewhere();
    if (life_.generation) return BeginLife(life_);
    if (clustered()) return Enter();
    Life alone = life_;
    alone.generation = 0;
    alone.founders = {settings_.node_id};
    BeginLife(std::move(alone));
  });
}

// Control thread. fresh: this node took no part until now.
Result<log::OpenedGroup> LocalBroker::OpenMetadata(bool established, bool fresh) {
  const auto groups = environment_.store->ListGroups();
  if (!groups.ok()) return groups.error();
  const bool known = std::find(groups->begin(), groups->end(), kMetaGroup) != groups->end();
  if (!known && !groups->empty()) {
    return Error{ErrorCode::kCorrupt, "the log store holds " + std::to_string(groups->size()) +
                                          " partitions but no metadata group; restore the whole data directory"};
  }
  if (known && fresh && clustered()) {  // alone, nobody relies on what it promised: RegisterSelf
    return Error{ErrorCode::kCorrupt,
                 "the log store holds a log, but identity.json, which says whose it is, was lost; restore it, or empty "
                 "the whole data directory to join as a new broker"};
  }
  if (!known && established) {
    return Error{ErrorCode::kCorrupt,
                 "identity.json says that this node had a log, and the log store is empty: its disk is missing or was "
                 "lost. Mount it; or, if it is lost, remove identity.json too, to join as a new broker"};
  }
  return environment_.store->OpenGroup(kMetaGroup, home().id, !known);
}

replica::Options LocalBroker::ReplicaOptions(GroupId group, ShardId shard_id, std::vector<ReplicaId> voters,
                                             uint32_t priority) {
  replica::Options options;
  options.group = group;
  options.shard = shard_id;
  options.voters = std::move(voters);
  if (links_) options.peers = &links_->peers(shard_id);
  options.ticks = &shard(shard_id).ticks;
  options.recovery = &shard(shard_id).recovery;
  options.raft.self = self_;
  options.raft.priority = priority;
  options.raft.election_ticks = settings_.election_ticks;
  options.raft.heartbeat_ticks = settings_.heartbeat_ticks;
  // Three times within an election timeout.
  options.raft.idle_heartbeat_ticks =
      settings_.election_ticks / 3 / settings_.heartbeat_ticks * settings_.heartbeat_ticks;
  options.raft.max_inflight_messages = settings_.max_inflight_messages;
  options.raft.max_append_bytes = settings_.max_append_bytes;
  options.snapshot_retry_ticks *= settings_.heartbeat_ticks;
  options.raft.random_seed = environment_.random_seed(group);
  return options;
}

void LocalBroker::StartMetadata(log::OpenedGroup opened) {
  ShardState& h = home();
  MetadataEvents& events = *this;
  std::vector<ReplicaId> founders;
  for (const NodeId node : life_.founders) founders.emplace_back(node, 0);
  metadata_ = std::make_unique<MetadataGroup>(
      h.executor, *environment_.store, h.cache, events, ReplicaOptions(kMetaGroup, h.id, std::move(founders)),
      std::move(opened),
      MetadataGroup::CutOffAfter{settings_.snapshot_max_log_bytes, settings_.snapshot_min_interval_entries});
  if (Status started = metadata_->Start(); !started.ok()) {
    return StartFailed({started.error().code, "metadata group: " + started.error().message});
  }
  if (clustered()) Join();
}

// Again after every election; only the first one goes on to open partitions.
void LocalBroker::OnMetadataReady() {
  Drain();
  if (clustered() || serving_ || !started_) return;
  const auto finish = [this](Result<metadata::Effect> effect) {
    if (effect.ok()) return RegisterSelf();
    StartFailed(effect.error());
  };
  if (!metadata_->image()->cluster_id().empty()) return RegisterSelf();
  ProposeMetadata(metadata::SetClusterId{environment_.random_id().ToString(), life_.founders}, kStartTimeout, finish);
}

void LocalBroker::RegisterSelf() {
  const metadata::Broker* known = metadata_->image()->FindBroker(settings_.node_id);
  if (known == nullptr && metadata_->image()->broker_count() > 0) {
    const NodeId owner = metadata_->image()->Brokers().front().id;
    return StartFailed({ErrorCode::kConfig, "this data directory belongs to node " + std::to_string(owner.value) +
                                                ", not to node " + std::to_string(settings_.node_id.value) +
                                                ": set cluster.node_id or broker.data_dir right"});
  }
  if (known != nullptr && known->incarnation != life_.incarnation) {
    CHRONIK_LOG(kWarn) << "identity.json was made anew; this node is alone, and keeps the identity that its log knows";
    life_.incarnation = known->incarnation;
    Remember(life_);
  }
  const metadata::RegisterBroker self = SelfRegistration();
  if (known != nullptr && *known == metadata::Broker{self.node, self.incarnation, *self.generation, self.host,
                                                     self.port, self.rack, self.rpc_address}) {
    return OpenKnownPartitions();
  }
  ProposeMetadata(self, kStartTimeout, [this](Result<metadata::Effect> effect) {
    effect.ok() ? OpenKnownPartitions() : StartFailed(effect.error());
  });
}

void LocalBroker::OpenKnownPartitions() {
  serving_ = true;
  founding_with_.clear();
  if (!life_.established) {
    life_.established = true;
    Remember(life_);
  }
  const metadata::ImagePtr image = metadata_->image();
  Publish(image);
  for (const metadata::Broker& broker : image->Brokers()) OnBroker(broker.id);
  std::vector<ToOpen> partitions;
  std::set<GroupId> groups;
  image->ForEachTopic([&](const metadata::TopicPtr& topic) {
    for (ToOpen& p : LocalPartitions(*topic, 0)) partitions.push_back(std::move(p));
  });
  // In a cluster the others may be down: clients are served what can be served.
  for (const ToOpen& p : partitions) {
    if (!clustered()) groups.insert(p.ref.group);
  }
  WaitReady(std::move(groups), std::nullopt, [this](Status status) {
    auto done = std::exchange(started_, nullptr);
    done(std::move(status));
  });
  OpenPartitions(std::move(partitions));
  for (const auto& s : shards_) s->executor.Post([this, &state = *s] { RetainLater(state); });
  Drain();
  // A topic was deleted, or a partition has moved away, and the process ended before its data was.
  environment_.control->Post([this, image] {
    auto on_disk = environment_.store->ListGroups();
    if (!on_disk.ok()) return;
    for (const GroupId group : *on_disk) {
      if (group == kMetaGroup) continue;
      const auto member = image->FindGroup(group);
      if (member && IsHeld(*image->FindTopic(member->topic), static_cast<size_t>(member->partition.value))) continue;
      if (!member && !image->IsDeleted(group)) {
        CHRONIK_LOG(kWarn) << "the log store holds group " << group
                           << ", which the metadata does not know; it is left alone";
        continue;
      }
      const Status destroyed = environment_.store->DestroyGroup(group);
      if (!destroyed.ok()) CHRONIK_LOG(kWarn) << "deleting group " << group << ": " << destroyed.error();
    }
  });
}

void LocalBroker::OnImage(const metadata::ImagePtr& image, const metadata::Effect* effect) {
  if (links_ && !image->cluster_id().empty()) links_->SetClusterId(image->cluster_id());
  if (!serving_) return;
  const metadata::ImagePtr before = home().image;
  Publish(image);
  if (effect != nullptr) {
    CarryOut(*effect);
  } else {
    Reconcile(*before, *image);
  }
}

void LocalBroker::Publish(const metadata::ImagePtr& image) {
  for (const auto& s : shards_) {
    if (s.get() == &home()) {
      s->image = image;
    } else {
      s->executor.Post([&state = *s, image] { state.image = image; });
    }
  }
}

void LocalBroker::CarryOut(const metadata::Effect& effect) {
  if (const auto* registered = std::get_if<metadata::BrokerRegistered>(&effect)) {
    OnBroker(registered->node);
    if (registered->another_life) AlignPartitions(*metadata_->image());
    home().executor.Post([this] {
      if (!metadata_) return;
      metadata_->AlignMembers();
    });
  } else if (const auto* moved = std::get_if<metadata::PartitionsReassigned>(&effect)) {
    ChangeHoldings(*moved->before, *moved->topic);
  } else if (const auto* retired = std::get_if<metadata::BrokerRetired>(&effect)) {
    OnRetired(retired->node, retired->generation);
  } else if (std::holds_alternative<metadata::BrokerLeaving>(effect)) {
    Drain();
  } else if (const auto* created = std::get_if<metadata::TopicCreated>(&effect)) {
    CHRONIK_LOG(kInfo) << "topic '" << created->topic->name << "' created with " << created->topic->partitions.size()
                       << " partitions, id " << created->topic->id.ToString();
    OpenPartitions(LocalPartitions(*created->topic, 0));
  } else if (const auto* added = std::get_if<metadata::PartitionsAdded>(&effect)) {
    OpenPartitions(LocalPartitions(*added->topic, static_cast<size_t>(added->first.value)));
  } else if (const auto* deleted = std::get_if<metadata::TopicDeleted>(&effect)) {
    CHRONIK_LOG(kInfo) << "topic '" << deleted->topic->name << "' deleted";
    EndPartitions(*deleted->topic);
  }
}

metadata::TopicSettings LocalBroker::SettingsOf(const metadata::Topic& topic) const {
  metadata::TopicSettings defaults;
  defaults.retention_ms = settings_.retention_ms;
  defaults.retention_bytes = settings_.retention_bytes;
  defaults.max_message_bytes = static_cast<int32_t>(settings_.message_max_bytes);
  const auto replicas = static_cast<int32_t>(topic.partitions.empty() ? 1 : topic.partitions.front().replicas.size());
  defaults.min_insync_replicas = std::min(settings_.min_insync_replicas, replicas);
  return metadata::SettingsOf(topic.configs, defaults);
}

std::vector<LocalBroker::ToOpen> LocalBroker::LocalPartitions(const metadata::Topic& topic, size_t first) const {
  const metadata::TopicSettings topic_settings = SettingsOf(topic);
  std::vector<ToOpen> out;
  for (size_t i = first; i < topic.partitions.size(); ++i) {
    const metadata::Partition& p = topic.partitions[i];
    const std::vector<NodeId> holders = p.Holders();
    const auto self = std::find(holders.begin(), holders.end(), settings_.node_id);
    if (self == holders.end()) continue;
    out.push_back({{topic.id, PartitionId(static_cast<int32_t>(i)), p.group},
                   topic.name,
                   topic_settings,
                   ReplicaId(self_.node(), self_.generation() + p.DeparturesOf(self_.node())),
                   p.IsFounder(self_) ? p.founders : std::vector<ReplicaId>{},
                   MembersOf(p, *metadata_->image()),
                   p.moving(),
                   static_cast<uint32_t>(self - holders.begin())});
  }
  return out;
}

void LocalBroker::OpenPartitions(std::vector<ToOpen> partitions) {
  if (partitions.empty()) return;
  environment_.control->Post([this, partitions = std::move(partitions)]() mutable {
    for (ToOpen& partition : partitions) {
      ShardState& target = map_.of(partition.ref.group);
      auto opened = environment_.store->OpenGroup(partition.ref.group, target.id, true);
      if (!opened.ok()) {
        home().executor.Post([this, group = partition.ref.group, error = opened.error()] { OpenFailed(group, error); });
        continue;
      }
      target.executor.Post([this, &target, partition = std::move(partition), opened = *std::move(opened)]() mutable {
        OpenOn(target, partition, std::move(opened));
      });
    }
  });
}

void LocalBroker::OpenOn(ShardState& target, const ToOpen& to_open, log::OpenedGroup opened) {
  const GroupId group = to_open.ref.group;
  PartitionEvents& events = *this;
  replica::Options options = ReplicaOptions(group, target.id, to_open.founders, to_open.priority);
  options.raft.self = to_open.self;
  auto partition = std::make_unique<Partition>(
      target.executor, *environment_.store, target.cache, events, metrics_, to_open.ref, to_open.topic,
      to_open.settings, std::move(options),
      replica::InSyncReplicas::Limits{settings_.replica_lag_max, settings_.replica_lag_max_entries}, std::move(opened));
  Partition* const started = partition.get();
  started->SetMembers(to_open.members, to_open.moving);
  if (to_open.topic == kOffsetsTopic) {
    target.group_hosts[group] = std::make_shared<GroupHost>(target.executor, target.image, *started, settings_.groups,
                                                            environment_.random_seed(group));
  }
  if (settings_.fetch_from_followers) started->ServeFollowerReads();
  target.partitions[group] = std::move(partition);
  if (Status status = started->Start(); !status.ok()) {
    StopGroupHost(target, group);
    target.partitions.erase(group);
    home().executor.Post([this, group, error = status.error()] { OpenFailed(group, error); });
    return;
  }
  ++metrics_.held();
  if (to_open.priority == 0 && to_open.founders.size() > 1)
    started->CampaignSoon(settings_.tick, settings_.election_ticks);
}

void LocalBroker::OpenFailed(GroupId group, const Error& error) {
  std::string name = "group " + std::to_string(group.value);
  if (const auto member = metadata_->image()->FindGroup(group)) {
    if (const auto topic = metadata_->image()->FindTopic(member->topic))
      name = "partition " + Name(*topic, member->partition);
  }
  CHRONIK_LOG(kError) << name << " cannot be opened: " << error;
  GroupSettled(group, Error{error.code, name + ": " + error.message});
}

void LocalBroker::OnReady(const PartitionRef& partition) {
  ShardState& here = map_.of(partition.group);
  if (const auto host = here.group_hosts.find(partition.group); host != here.group_hosts.end()) host->second->OnReady();
  home().executor.Post([this, group = partition.group] {
    ready_.insert(group);
    GroupSettled(group, {});
  });
}

// Ready, or failed for good: whoever waits for it hears.
void LocalBroker::GroupSettled(GroupId group, const Status& status) {
  for (auto at = waits_.begin(); at != waits_.end();) {
    const auto wait = at++;
    if (wait->missing.erase(group) == 0) continue;
    if (status.ok() && !wait->missing.empty()) continue;
    if (wait->timer != 0) home().executor.Cancel(wait->timer);
    auto done = std::move(wait->done);
    waits_.erase(wait);
    done(status);
  }
}

void LocalBroker::WaitReady(std::set<GroupId> groups, std::optional<Duration> timeout, Callback<Status> done) {
  std::erase_if(groups, [this](GroupId group) { return ready_.contains(group); });
  if (groups.empty()) return done({});
  const auto wait = waits_.insert(waits_.end(), {std::move(groups), std::move(done)});
  if (!timeout) return;
  wait->timer = home().executor.Schedule(*timeout, [this, wait] {
    auto expired = std::move(wait->done);
    waits_.erase(wait);
    expired(Error{ErrorCode::kTimedOut, "the partitions have no leader yet"});
  });
}

void LocalBroker::EndPartitions(const metadata::Topic& topic) {
  for (const metadata::Partition& p : topic.partitions) {
    const GroupId group = p.group;
    ready_.erase(group);
    for (const auto& s : shards_)
      s->executor.Post([&state = *s, group] {
        state.leaders.erase(group);
        state.in_sync.erase(group);
      });
    DropReplica(group);
  }
  ForgetOffsetsOf(topic.name);
}

// With its data. The metadata has committed that.
void LocalBroker::DropReplica(GroupId group) {
  led_.erase(group);
  announced_.erase(group);
  metrics_.led() = static_cast<int64_t>(led_.size());
  ShardState& target = map_.of(group);
  // Opening goes through the control thread to the shard; going the same way, ending cannot overtake it.
  environment_.control->Post([this, &target, group] {
    target.executor.Post([this, &target, group] {
      Partition* const partition = target.Find(group);
      if (partition == nullptr || partition->replica().closing()) return;  // it moved away, and then its topic went
      StopGroupHost(target, group);
      partition->Close([this, &target, group] {
        const log::GroupHandle handle = target.Find(group)->handle();
        target.partitions.erase(group);
        --metrics_.held();
        environment_.control->Post([this, group, handle] {
          environment_.store->CloseGroup(handle);
          const Status destroyed = environment_.store->DestroyGroup(group);
          if (!destroyed.ok()) CHRONIK_LOG(kWarn) << "deleting group " << group << ": " << destroyed.error();
        });
      });
    });
  });
}

void LocalBroker::RetainLater(ShardState& target) {
  target.retain_timer = target.executor.Schedule(settings_.retention_check_interval, [this, &target] {
    for (const auto& [group, partition] : target.partitions) partition->Retain();
    RetainLater(target);
  });
}

void LocalBroker::StartTicking(ShardState& target) {
  if (target.tick_timer == 0)
    target.tick_timer = target.executor.Schedule(settings_.tick, [this, &target] { Tick(target); });
}

// One tick source a shard. It rests while no group needs ticks.
void LocalBroker::Tick(ShardState& target) {
  target.tick_timer = 0;
  if (target.ticks.Advance()) StartTicking(target);
}

void LocalBroker::CloseShard(ShardState& target, Task done) {
  target.executor.Post([this, &target, done = std::move(done)]() mutable {
    if (&target == &home()) EndProposals();
    CloseAll(target, std::move(done));
  });
}

// Those that are being dropped end by themselves.
void LocalBroker::CloseAll(ShardState& target, Task done) {
  const bool dropping = std::any_of(target.partitions.begin(), target.partitions.end(),
                                    [](const auto& p) { return p.second->replica().closing(); });
  if (dropping) {
    target.executor.Schedule(settings_.tick,
                             [this, &target, done = std::move(done)]() mutable { CloseAll(target, std::move(done)); });
    return;
  }
  for (const auto& [group, host] : target.group_hosts) host->Stop();
  target.group_hosts.clear();
  auto closed = std::make_shared<std::pair<size_t, Task>>(target.partitions.size() + 1, std::move(done));
  const auto one = [closed] {
    if (--closed->first == 0) closed->second();
  };
  for (const auto& [group, partition] : target.partitions) partition->Close(one);
  if (&target == &home() && metadata_) {
    metadata_->Close(one);
  } else {
    one();
  }
}

void LocalBroker::Stop(Task done) {
  auto left = std::make_shared<std::atomic<size_t>>(shards_.size());
  auto finished = std::make_shared<Task>(std::move(done));
  for (const auto& s : shards_) {
    CloseShard(*s, [this, &state = *s, left, finished] {
      // On the shard's thread, inside the last partition's completion: destroy them in a task of their own.
      state.executor.Post([this, &state, left, finished] {
        for (Executor::TimerId* timer : {&state.produce_timer, &state.tick_timer, &state.retain_timer}) {
          if (*timer != 0) state.executor.Cancel(std::exchange(*timer, 0));
        }
        std::vector<log::GroupHandle> handles;
        handles.reserve(state.partitions.size());
        for (const auto& [group, partition] : state.partitions) handles.push_back(partition->handle());
        state.partitions.clear();
        if (&state == &home() && metadata_) {
          handles.push_back(metadata_->handle());
          metadata_.reset();
        }
        environment_.control->Post([this, handles = std::move(handles), left, finished] {
          for (const log::GroupHandle handle : handles) environment_.store->CloseGroup(handle);
          if (left->fetch_sub(1) == 1) (*finished)();
        });
      });
    });
  }
}

}  // namespace chronik::broker
