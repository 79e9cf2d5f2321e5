// SPDX-License-Identifier: Apache-2.0
#include "tests/simulation/brokers/node.h"

#include <algorithm>
#include <utility>

#include "kernel/base/invariant.h"
#include "tests/simulation/brokers/identity.h"

namespace chronik::sim::brokers {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// Small, so that every limit is met.
PluginOptions StoreOptions() {
  return {.numbers = {{"journal_file_size", 256 << 10},
                      {"segment_size", 64 << 10},
                      {"max_inflight", 256 << 10},
                      {"tail_memory", 64 << 10}},
          .texts = {}};
}

}  // namespace

Node::Node(const NodeContext& context, SimDisk& disk, size_t slot, uint64_t boot, bool joins_only)
    : context_(context),
      disk_(disk),
      slot_(slot),
      id_(slot + 1),
      boot_(boot),
      joins_only_(joins_only),
      process_(context.scheduler, "broker" + std::to_string(slot + 1)),
      control_(process_, "control"),
      endpoint_(context.network, process_, slot, id_) {
  std::vector<Executor*> executors;
  for (size_t i = 0; i < kShards; ++i) {
    shards_.push_back(std::make_unique<SimExecutor>(process_, "shard" + std::to_string(i)));
    executors.push_back(shards_.back().get());
  }
  log_ = std::make_unique<log::LogStore>(executors);
}

Node::~Node() { CHRONIK_CHECK(end_ == End::kStopped) << "a broker's process ends while it is at work"; }

void Node::Start() {
  store_ = std::make_unique<SimStore>(process_, disk_, StoreOptions());
  files_ = disk_.View();
  store_->host().OnFatal(
      [this](chr_status, std::string_view why) { Fatal(Error{ErrorCode::kStorage, std::string(why)}); });
  control_.Post([this] { Open(); });
}

void Node::Open() {
  const Status status = OpenParts();
  opening_ = false;
  if (dead_) return;
  if (!status.ok()) return Fatal(status.error());
  endpoint_.Start(broker_->links()->sink());
  for (const auto& [peer, address] : broker_->settings().peer_addresses) {
    const Status set = broker_->links()->SetPeer(peer, address);
    CHRONIK_CHECK(set.ok()) << set.error();
  }
  broker_->Start([this](const Status& started) { OnStarted(started); });
}

Status Node::OpenParts() {
  auto life = ReadOrMakeLife(*files_, context_.scheduler.random().Next() >> 1);
  if (!life.ok()) return life.error();
  life_ = *life;
  CHRONIK_RETURN_IF_ERROR(log_->Attach(store_->table(), store_->self()));
  CHRONIK_RETURN_IF_ERROR(store_->Start(log_->sink()));
  broker_ = std::make_unique<broker::LocalBroker>(MakeSettings(), MakeEnvironment());
  return broker_->links()->Attach(Endpoint::table(), &endpoint_, 1 << 20);
}

broker::Settings Node::MakeSettings() const {
  broker::Settings settings;
  settings.node_id = id_;
  settings.port = static_cast<uint16_t>(9000 + id_.value);
  settings.by_discovery = joins_only_;
  if (!joins_only_) {
    settings.founders = context_.founders;
    settings.founders.push_back(id_);
    std::sort(settings.founders.begin(), settings.founders.end());
    settings.founders.erase(std::unique(settings.founders.begin(), settings.founders.end()), settings.founders.end());
  }
  settings.rpc_address = LinkNetwork::AddressOf(slot_);
  for (size_t slot = 0; slot < (joins_only_ ? context_.nodes : context_.founders.size()); ++slot) {
    if (slot != slot_) settings.peer_addresses[NodeId(slot + 1)] = LinkNetwork::AddressOf(slot);
  }
  settings.fetch_from_followers = context_.fetch_from_followers;
  settings.default_replication_factor = 3;
  settings.message_max_bytes = 64 << 10;
  settings.tail_cache_bytes_per_shard = 48 << 10;
  settings.tick = milliseconds(20);
  settings.election_ticks = 12;
  settings.heartbeat_ticks = 3;
  settings.max_inflight_messages = 8;
  settings.max_append_bytes = 12 << 10;
  settings.min_insync_replicas = 2;
  settings.replica_lag_max = seconds(2);
  settings.replica_lag_max_entries = 200;
  settings.join_timeout = seconds(20);
  return settings;
}

broker::LocalBroker::Environment Node::MakeEnvironment() {
  broker::LocalBroker::Environment environment;
  for (const auto& shard : shards_) environment.shards.push_back(shard.get());
  environment.control = &control_;
  environment.store = log_.get();
  environment.random_id = [this] {
    TopicId id;
    for (size_t i = 0; i < id.bytes.size(); ++i) id.bytes[i] = static_cast<uint8_t>(context_.scheduler.random().Next());
    return id;
  };
  environment.random_seed = [this](GroupId) { return context_.scheduler.random().Next() | 1; };
  environment.on_fatal = [this](const Error& error) { Fatal(error); };
  environment.software = "chronik-sim";
  environment.life = life_;
  environment.remember = [this](const broker::Life& life) {
    Status written = WriteLife(*files_, life);
    if (written.ok() && !dead_) life_ = life;
    return written;
  };
  return environment;
}

void Node::OnStarted(const Status& status) {
  started_ = true;
  if (dead_) return;
  if (!status.ok()) return Fatal(status.error());
  serving_ = true;
}

void Node::Fatal(const Error& error) {
  if (dead_ || std::exchange(fatal_, true)) return;
  context_.on_fatal(slot_, boot_, error);
}

// --- the end

void Node::Kill(uint64_t seen_percent) {
  CHRONIK_CHECK(!dead_) << "a process is killed twice";
  dead_ = true;
  endpoint_.Stop(seen_percent);
}

// No partition is being opened, and none will be: its network is silent.
bool Node::Quiet() const {
  if (control_.busy() || control_.queued() != 0) return false;
  return std::all_of(shards_.begin(), shards_.end(),
                     [](const auto& shard) { return !shard->busy() && shard->queued() == 0; });
}

bool Node::gone() {
  if (opening_ || !Quiet()) return false;
  if (end_ == End::kNot && (!broker_ || started_)) TakeDown();
  return end_ == End::kStopped && Quiet();
}

void Node::TakeDown() {
  end_ = End::kClosing;
  if (!broker_) return StopStore();
  broker_->Stop([this] { StopStore(); });
}

void Node::StopStore() {
  control_.Post([this] {
    store_->Stop();
    end_ = End::kStopped;
  });
}

}  // namespace chronik::sim::brokers
