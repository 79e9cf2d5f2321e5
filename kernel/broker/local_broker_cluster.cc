// SPDX-License-Identifier: Apache-2.0
// A node among others: how a change of the metadata finds the node that leads it, and how every node learns who leads
// what.
#include <algorithm>
#include <atomic>
#include <utility>

#include "kernel/base/log.h"
#include "kernel/base/wire.h"
#include "kernel/broker/local_broker.h"

namespace chronik::broker {
namespace {

constexpr std::chrono::milliseconds kRetry{100};  // until the metadata group has a leader
constexpr size_t kLeadersPerNotice = 10'000;

Error NoLeader() { return {ErrorCode::kTimedOut, "the metadata group has no leader: too few of its voters are there"}; }

}  // namespace

void LocalBroker::MakeLinks() {
  CHRONIK_CHECK(settings_.by_discovery || std::find(settings_.founders.begin(), settings_.founders.end(),
                                                    settings_.node_id) != settings_.founders.end())
      << "a founder's list has to name it";
  cluster::Links::Options options;
  options.self = settings_.node_id;
  for (const auto& s : shards_) options.shards.push_back(&s->executor);
  options.shard_of = [this](GroupId group) { return shard_of(group).id; };
  options.hello.incarnation = life_.incarnation;
  options.hello.generation = life_.generation;
  options.hello.rpc_address = settings_.rpc_address;
  options.hello.software = environment_.software;
  options.on_dropped = [this](cluster::Lane lane, ErrorCode error) { metrics_.OnDropped(lane, error); };
  cluster::LinkEvents& events = *this;
  links_ = std::make_unique<cluster::Links>(std::move(options), events);
  calls_ = std::make_unique<cluster::Calls>(home().executor, *links_);
  calls_->Observe([this](cluster::Method method, Duration took, const std::optional<Error>& error) {
    metrics_.OnCall(method, took, error);
  });
  calls_->Handle(cluster::Method::kProposeMetadata, [this](NodeId, ByteView request, cluster::Calls::Answer answer) {
    if (!metadata_) return answer(Error{ErrorCode::kNotController, "the node is starting or stopping"});
    if (const auto command = metadata::DecodeCommand(request); !command.ok()) return answer(command.error());
    const auto id = metadata_->Propose(Bytes::Copy(request));
    if (!id.ok()) return answer(id.error());
    WireWriter out;
    out.PutVarint(id->index.value);
    out.PutVarint(id->term.value);
    answer(Bytes::Copy(out.bytes()));
  });
  calls_->Handle(cluster::Method::kJoin, [this](NodeId from, ByteView request, cluster::Calls::Answer answer) {
    AnswerJoin(from, request, std::move(answer));
  });
  calls_->Handle(cluster::Method::kTransferLeadership, [this](NodeId, ByteView request, cluster::Calls::Answer answer) {
    OnTransferAsked(request, std::move(answer));
  });
  calls_->Handle(cluster::Topic::kLeaders, [this](NodeId from, ByteView notice) { OnLeadersNotice(from, notice); });
  calls_->Handle(cluster::Topic::kInSync, [this](NodeId, ByteView notice) { OnInSyncNotice(notice); });
}

// --- leaving

void LocalBroker::HandOver(Duration timeout, Task done) {
  auto left = std::make_shared<std::atomic<size_t>>(shards_.size());
  auto finished = std::make_shared<Task>(std::move(done));
  for (const auto& s : shards_) {
    s->executor.Post([this, &state = *s, timeout, left, finished] {
      const auto one = [left, finished] {
        if (left->fetch_sub(1) == 1) (*finished)();
      };
      HandOverShard(state, state.executor.Now() + (clustered() ? timeout : Duration(0)), one);
    });
  }
}

// Asked again until it is so: a transfer is given up if its target does not make it in time. At its end the
// coordinators stop: a member may wait in one for longer than a stop may take, and is told to look for another.
void LocalBroker::HandOverShard(ShardState& target, Instant deadline, Task done) {
  bool leads = false;
  for (const auto& [group, partition] : target.partitions) leads |= partition->HandOver();
  if (&target == &home() && metadata_) leads |= metadata_->HandOver();
  if (!leads || target.executor.Now() >= deadline) {
    for (const auto& [group, host] : target.group_hosts) host->Stop();
    target.group_hosts.clear();
    return done();
  }
  target.executor.Schedule(settings_.tick, [this, &target, deadline, done = std::move(done)]() mutable {
    HandOverShard(target, deadline, std::move(done));
  });
}

// --- the metadata's changes

void LocalBroker::ProposeMetadata(const metadata::Command& command, Duration timeout,
                                  Callback<Result<metadata::Effect>> done) {
  if (!metadata_) return done(Error{ErrorCode::kShuttingDown, "the broker is shutting down"});
  auto proposal = std::make_shared<MetadataProposal>(
      MetadataProposal{next_proposal_++, metadata::EncodeCommand(command), std::move(done)});
  proposals_.insert(proposal);
  proposal->timer = home().executor.Schedule(timeout, [this, proposal] { Finish(proposal, NoLeader()); });
  TryPropose(proposal);
}

void LocalBroker::Finish(const MetadataProposalPtr& proposal, Result<metadata::Effect> effect) {
  const MetadataProposalPtr kept = proposal;  // the argument may be the one in the set
  if (proposals_.erase(kept) == 0) return;    // it timed out before
  home().executor.Cancel(kept->timer);
  home().executor.Cancel(kept->retry);
  auto done = std::exchange(kept->done, nullptr);
  done(std::move(effect));
}

void LocalBroker::TryPropose(const MetadataProposalPtr& proposal) {
  if (!proposals_.contains(proposal)) return;
  if (!metadata_) return Finish(proposal, Error{ErrorCode::kShuttingDown, "the broker is shutting down"});
  const raft::SoftState state = metadata_->soft_state();
  if (state.leader != ReplicaId{} && state.leader != self_) return ProposeElsewhere(proposal, state.leader.node());
  const auto id = metadata_->Propose(proposal->command);
  if (id.ok()) return Await(proposal, *id);
  if (id.error().code != ErrorCode::kNotController) return Finish(proposal, id.error());
  TryLater(proposal);
}

void LocalBroker::ProposeElsewhere(const MetadataProposalPtr& proposal, NodeId leader) {
  calls_->Call(leader, cluster::Method::kProposeMetadata, proposal->command, settings_.join_timeout,
               [this, proposal](const Result<Bytes>& answer) {
                 if (!answer.ok()) {
                   const bool surely_not =
                       answer.error().code == ErrorCode::kNotLeader || answer.error().code == ErrorCode::kNotController;
                   return surely_not ? TryLater(proposal) : Finish(proposal, answer.error());
                 }
                 WireReader in(*answer);
                 const LogIndex index(in.TakeVarint());
                 const Term term(in.TakeVarint());
                 if (!in.done()) return Finish(proposal, Error{ErrorCode::kInternal, "an answer that cannot be read"});
                 Await(proposal, {index, term});
               });
}

void LocalBroker::Await(const MetadataProposalPtr& proposal, raft::EntryId id) {
  if (!metadata_) return Finish(proposal, Error{ErrorCode::kShuttingDown, "the broker is shutting down"});
  metadata_->Await(id, [this, proposal](Result<metadata::Effect> effect) {
    const bool replaced = !effect.ok() && effect.error().code == ErrorCode::kNotController;
    replaced ? TryLater(proposal) : Finish(proposal, std::move(effect));
  });
}

void LocalBroker::TryLater(const MetadataProposalPtr& proposal) {
  if (!proposals_.contains(proposal)) return;
  proposal->retry = home().executor.Schedule(kRetry, [this, proposal] { TryPropose(proposal); });
}

void LocalBroker::EndProposals() {
  home().executor.Cancel(std::exchange(join_timer_, 0));
  home().executor.Cancel(std::exchange(drain_timer_, 0));
  home().executor.Cancel(std::exchange(found_timer_, 0));
  home().executor.Cancel(std::exchange(settle_timer_, 0));
  home().executor.Cancel(std::exchange(look_elsewhere_timer_, 0));
  if (entering_) home().executor.Cancel(entering_->timer);
  entering_.reset();
  while (!proposals_.empty())
    Finish(*proposals_.begin(), Error{ErrorCode::kShuttingDown, "the broker is shutting down; the outcome is unknown"});
}

// A snapshot brought the metadata forward by many changes at once.
void LocalBroker::Reconcile(const metadata::MetadataImage& before, const metadata::MetadataImage& image) {
  before.ForEachTopic([&](const metadata::TopicPtr& topic) {
    if (!image.FindTopic(topic->id)) EndPartitions(*topic);
  });
  image.ForEachTopic([&](const metadata::TopicPtr& topic) {
    const metadata::TopicPtr known = before.FindTopic(topic->id);
    known ? ChangeHoldings(*known, *topic) : OpenPartitions(LocalPartitions(*topic, 0));
  });
  for (const metadata::Broker& broker : image.Brokers()) OnBroker(broker.id);
  AlignPartitions(image);
}

// --- the other nodes

// One that this node was not told of, as it joins, or has moved.
void LocalBroker::OnHello(NodeId peer, const cluster::Hello& hello) { LearnAddress(peer, hello.rpc_address); }

// What the metadata says of a broker, now or anew.
void LocalBroker::OnBroker(NodeId node) {
  const metadata::Broker* broker = metadata_->image()->FindBroker(node);
  if (!links_ || broker == nullptr) return;
  if (node != settings_.node_id) {
    links_->SetPresentLife(node, broker->incarnation, broker->generation);
    return LearnAddress(node, broker->rpc_address);
  }
  if (broker->incarnation == life_.incarnation) return;
  environment_.on_fatal({ErrorCode::kReplacedBroker, "another data directory has taken the place of this one as node " +
                                                         std::to_string(node.value) +
                                                         "; what this one holds is not used any more"});
}

// The lives of some nodes have changed: the leaders see to it that the present ones vote.
void LocalBroker::AlignPartitions(const metadata::MetadataImage& image) {
  image.ForEachTopic([this](const metadata::TopicPtr& topic) { Align(*topic); });
}

void LocalBroker::Align(const metadata::Topic& topic) {
  std::map<ShardId, std::vector<ToOpen>> by_shard;
  for (ToOpen& p : LocalPartitions(topic, 0)) by_shard[map_.of(p.ref.group).id].push_back(std::move(p));
  for (auto& [id, partitions] : by_shard) {
    // The way that opening goes, which it must not overtake.
    environment_.control->Post([this, target = &shard(id), partitions = std::move(partitions)]() mutable {
      target->executor.Post([this, target, partitions = std::move(partitions)]() mutable {
        for (ToOpen& p : partitions) {
          if (Partition* partition = target->Find(p.ref.group)) partition->SetMembers(std::move(p.members), p.moving);
        }
      });
    });
  }
}

// --- what the other nodes say

void LocalBroker::OnMessages(ShardId here, std::vector<cluster::GroupMessage> messages) {
  ShardState& target = shard(here);
  for (cluster::GroupMessage& message : messages) {
    if (message.group == kMetaGroup) {
      if (metadata_) metadata_->Receive(std::move(message.message));
    } else if (Partition* partition = target.Find(message.group)) {
      partition->Receive(std::move(message.message));
    }
  }
}

void LocalBroker::OnPeer(NodeId peer, bool up, bool process_gone, const std::string& why) {
  const bool was_up = home().connected.contains(peer);
  for (const auto& s : shards_) {
    s->executor.Post(
        [&state = *s, peer, up] { up ? void(state.connected.insert(peer)) : void(state.connected.erase(peer)); });
  }
  if (up) {
    if (!was_up) CHRONIK_LOG(kInfo) << "node " << peer << " is connected";
    Announce(peer, led_);
    for (const auto& [group, epoch] : led_) AnnounceInSync(peer, group);
    return;
  }
  CHRONIK_LOG(kInfo) << "node " << peer << (was_up ? " is no longer connected: " : " cannot be reached: ") << why;
  calls_->OnPeerDown(peer);
  if (entering_) entering_->willing.erase(peer);
  home().executor.Post([this, peer] { LookForLost(peer); });
  if (!process_gone) return;  // it may be there and only slow: elections wait for their time-out
  if (metadata_) metadata_->PeerLost(peer);
  for (const auto& s : shards_) {
    s->executor.Post([&state = *s, peer] {
      for (const auto& [group, partition] : state.partitions) partition->PeerLost(peer);
    });
  }
}

// --- who leads what

bool LocalBroker::IsAlive(ShardId here, NodeId node) const {
  return node == settings_.node_id || shard(here).connected.contains(node);
}

void LocalBroker::OnLeader(const PartitionRef& partition, LeaderInfo leader) {
  if (leader.leader != settings_.node_id) {
    ShardState& here = map_.of(partition.group);
    const auto host = here.group_hosts.find(partition.group);
    if (host != here.group_hosts.end()) host->second->OnLeadershipLost();
  }
  home().executor.Post([this, group = partition.group, leader] {
    SetLeader(group, leader, true);
    if (leader.leader == settings_.node_id) {
      led_[group] = leader.epoch;
      AnnounceSoon(group, leader.epoch);
    } else {
      led_.erase(group);
      announced_.erase(group);
    }
    metrics_.led() = static_cast<int64_t>(led_.size());
  });
}

// Second-hand news may be older than what this node's own replica knows.
void LocalBroker::SetLeader(GroupId group, LeaderInfo leader, bool first_hand) {
  for (const auto& s : shards_) {
    s->executor.Post([&state = *s, group, leader, first_hand] {
      LeaderInfo& known = state.leaders[group];
      if (leader.epoch > known.epoch || (leader.epoch == known.epoch && (first_hand || known.leader == NodeId(0))))
        known = leader;
    });
  }
  SettleTransfers(group, leader);
  if (!clustered() || leader.leader == NodeId(0)) return;
  ready_.insert(group);
  GroupSettled(group, {});
}

void LocalBroker::AnnounceSoon(GroupId group, int32_t epoch) {
  if (!clustered()) return;
  const bool posted = !announced_.empty();
  announced_[group] = epoch;
  if (posted) return;
  home().executor.Post([this] {
    const auto led = std::exchange(announced_, {});
    for (const NodeId peer : home().connected) Announce(peer, led);
  });
}

void LocalBroker::Announce(NodeId to, const std::map<GroupId, int32_t>& led) {
  auto next = led.begin();
  while (next != led.end()) {
    WireWriter out;
    for (size_t i = 0; i < kLeadersPerNotice && next != led.end(); ++i, ++next) {
      out.PutVarint(next->first.value);
      out.PutVarint(static_cast<uint64_t>(next->second));
    }
    calls_->Notify(to, cluster::Topic::kLeaders, out.bytes());
  }
}

void LocalBroker::OnLeadersNotice(NodeId from, ByteView notice) {
  WireReader in(notice);
  while (in.ok() && in.left() > 0) {
    const GroupId group(in.TakeVarint());
    const uint64_t epoch = in.TakeVarint();
    if (in.ok() && epoch <= INT32_MAX) SetLeader(group, {from, static_cast<int32_t>(epoch)}, false);
  }
}

// --- who is in sync

std::vector<NodeId> LocalBroker::in_sync(ShardId here, GroupId group) const {
  const auto found = shard(here).in_sync.find(group);
  return found == shard(here).in_sync.end() ? std::vector<NodeId>{} : found->second.nodes;
}

void LocalBroker::OnInSync(const PartitionRef& partition, int32_t epoch, std::vector<NodeId> in_sync) {
  home().executor.Post([this, group = partition.group, said = InSync{epoch, std::move(in_sync)}]() mutable {
    home().in_sync[group] = said;  // before it is announced
    SetInSync(group, std::move(said));
    for (const NodeId peer : home().connected) AnnounceInSync(peer, group);
  });
}

void LocalBroker::SetInSync(GroupId group, InSync in_sync) {
  for (const auto& s : shards_) {
    s->executor.Post([&state = *s, group, in_sync] {
      InSync& known = state.in_sync[group];
      if (in_sync.epoch >= known.epoch) known = in_sync;
    });
  }
}

void LocalBroker::AnnounceInSync(NodeId to, GroupId group) {
  const auto known = home().in_sync.find(group);
  if (known == home().in_sync.end() || known->second.epoch < 0) return;
  WireWriter out;
  out.PutVarint(group.value);
  out.PutVarint(static_cast<uint64_t>(known->second.epoch));
  for (const NodeId node : known->second.nodes) out.PutVarint(node.value);
  calls_->Notify(to, cluster::Topic::kInSync, out.bytes());
}

void LocalBroker::OnInSyncNotice(ByteView notice) {
  WireReader in(notice);
  const GroupId group(in.TakeVarint());
  const uint64_t epoch = in.TakeVarint();
  InSync said{static_cast<int32_t>(std::min<uint64_t>(epoch, INT32_MAX)), {}};
  while (in.ok() && in.left() > 0) said.nodes.emplace_back(in.TakeVarint());
  if (in.ok()) SetInSync(group, std::move(said));
}

}  // namespace chronik::broker
