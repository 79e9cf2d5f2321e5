// SPDX-License-Identifier: Apache-2.0
#include "tests/simulation/node.h"

#include <utility>

namespace chronik::sim {
namespace {

constexpr uint64_t kTailCacheBytes = 48 << 10;

// Small, so that every limit is met.
PluginOptions StoreOptions() {
  return {.numbers = {{"journal_file_size", 128 << 10},
                      {"segment_size", 48 << 10},
                      {"max_inflight", 256 << 10},
                      {"tail_memory", 64 << 10}},
          .texts = {}};
}

replica::Options ReplicaOptions(GroupId group, ShardId shard, ReplicaId self, std::vector<ReplicaId> voters,
                                uint64_t seed) {
  replica::Options options;
  options.group = group;
  options.shard = shard;
  options.voters = std::move(voters);
  options.raft.self = self;
  options.raft.idle_heartbeat_ticks = 3;
  options.raft.max_append_bytes = 12 << 10;
  options.raft.max_inflight_messages = 8;
  options.raft.max_inflight_bytes = 32 << 10;
  options.raft.max_uncommitted_bytes = 64 << 10;
  options.raft.max_uncommitted_entries = 128;
  options.raft.random_seed = seed;
  options.checkpoint_every_bytes = 24 << 10;
  options.no_space_retry = std::chrono::milliseconds(100);
  options.snapshot_chunk_bytes = 1 << 10;
  return options;
}

}  // namespace

Broker::Broker(const BrokerContext& context, SimDisk& disk, ReplicaId id, std::vector<ReplicaId> voters)
    : context_(context),
      disk_(disk),
      id_(id),
      voters_(std::move(voters)),
      process_(context.scheduler, "node" + std::to_string(id.value)),
      control_(process_, "control") {
  std::vector<Executor*> executors;
  for (size_t i = 0; i < kShards; ++i) {
    shards_.push_back(std::make_unique<SimExecutor>(process_, "shard" + std::to_string(i)));
    caches_.push_back(std::make_unique<log::TailCache>(kTailCacheBytes));
    executors.push_back(shards_.back().get());
  }
  log_ = std::make_unique<log::LogStore>(executors);
}

Broker::~Broker() { CHRONIK_CHECK(gone()) << "a broker's process ends while it is at work"; }

bool Broker::gone() const {
  if (!stopped_ || control_.busy()) return false;
  for (const auto& shard : shards_) {
    if (shard->busy() || shard->queued() != 0) return false;
  }
  return true;
}

void Broker::Start() {
  store_ = std::make_unique<SimStore>(process_, disk_, StoreOptions());
  store_->host().OnFatal(
      [this](chr_status, std::string_view why) { Fatal(Error{ErrorCode::kStorage, std::string(why)}); });
  control_.Post([this] { Open(); });
}

void Broker::Open() {
  Status status = log_->Attach(store_->table(), store_->self());
  if (status.ok()) status = store_->Start(log_->sink());
  for (const GroupId group : context_.groups) {
    if (!status.ok() || dead_) break;
    const ShardId shard(static_cast<uint32_t>(group.value % kShards));
    groups_[group].shard = shard;
    auto opened = log_->OpenGroup(group, shard, true);
    if (!opened.ok()) {
      status = opened.error();
      break;
    }
    shards_[shard.value]->Post([this, group, o = *std::move(opened)]() mutable { MakeReplica(group, std::move(o)); });
  }
  opening_ = false;
  if (dead_) return ShutDown();
  if (!status.ok()) return Fatal(status.error());
  for (size_t i = 0; i < kShards; ++i) shards_[i]->Post([this, i] { TickShard(i); });
}

void Broker::MakeReplica(GroupId group, log::OpenedGroup opened) {
  if (dead_) return;
  Group& g = groups_.at(group);
  g.handle = opened.handle;
  context_.oracle.OnOpened(group, id_, opened.bounds, context_.trusted(id_));
  g.machine = std::make_unique<DigestMachine>(context_.oracle, group, id_);
  replica::Options options = ReplicaOptions(group, g.shard, id_, voters_, context_.scheduler.random().Next());
  options.peers = this;
  g.replica = std::make_unique<replica::Replica>(*shards_[g.shard.value], *log_, *caches_[g.shard.value], *g.machine,
                                                 std::move(options), std::move(opened));
  g.machine->SetReplica(g.replica.get());
  if (const Status started = g.replica->Start(); !started.ok()) return Fatal(started.error());
  ++ready_groups_;
}

void Broker::TickShard(size_t shard) {
  if (dead_) return;
  for (auto& [id, group] : groups_) {
    if (group.shard.value != shard || !group.replica) continue;
    group.replica->Tick();
    CheckGroup(id);
    if (dead_) return;
    if (group.replica->failed()) return Fatal(group.replica->writable().error());
  }
  shards_[shard]->Schedule(kTick, [this, shard] { TickShard(shard); });
}

void Broker::CheckGroup(GroupId group) {
  const Group& g = groups_.at(group);
  const auto stored = log_->Reload(g.handle);
  if (stored.ok() && !dead_) context_.oracle.CheckLog(group, id_, *g.replica, *stored);
}

void Broker::Fatal(const Error& error) {
  if (dead_ || std::exchange(fatal_, true)) return;
  context_.on_fatal(id_, error.code == ErrorCode::kCorrupt, error.message);
}

replica::Replica* Broker::replica(GroupId group) {
  const auto found = groups_.find(group);
  return found == groups_.end() ? nullptr : found->second.replica.get();
}

void Broker::OnShard(GroupId group, UniqueFunction<void(replica::Replica&)> task) {
  if (dead_ || replica(group) == nullptr) return;
  shards_[groups_.at(group).shard.value]->Post([this, group, task = std::move(task)]() mutable {
    if (!dead_) task(*replica(group));
  });
}

void Broker::Deliver(GroupId group, replica::PeerMessage message) {
  OnShard(group, [m = std::move(message)](replica::Replica& r) mutable { r.Receive(std::move(m)); });
}

void Broker::PeerLost(ReplicaId peer) {
  for (const GroupId group : context_.groups) {
    OnShard(group, [peer](replica::Replica& r) { r.PeerLost(peer.node()); });
  }
}

void Broker::Send(GroupId group, replica::PeerMessage message) {
  if (dead_) return;
  // (Asking the store may take a while: it has locks.)
  const auto stored = log_->Reload(groups_.at(group).handle);
  if (dead_) return;
  context_.oracle.OnSent(group, *replica(group), message, stored.ok() ? &*stored : nullptr);
  context_.send(id_, group, std::move(message));
}

void Broker::Kill() {
  CHRONIK_CHECK(!dead_) << "a process is killed twice";
  dead_ = true;
  for (auto& [id, group] : groups_) {
    if (group.machine) group.machine->Mute();
  }
  if (!opening_) ShutDown();
}

// The memory of a dead process is given back in order: its disk answers every operation with an error by now.
void Broker::ShutDown() {
  closing_groups_ = 1;
  for (auto& [id, group] : groups_) {
    if (!group.replica) continue;
    ++closing_groups_;
    shards_[group.shard.value]->Post([this, r = group.replica.get()] { r->Close([this] { StopStore(); }); });
  }
  control_.Post([this] { StopStore(); });
}

void Broker::StopStore() {
  if (--closing_groups_ > 0) return;
  control_.Post([this] {
    store_->Stop();
    stopped_ = true;
  });
}

}  // namespace chronik::sim
