// SPDX-License-Identifier: Apache-2.0
// A simulated node: a disk, and one process after the other that serves from it. A process is what a broker is above
// its plugins: shards, a log store, replicas of every group. Killing one cuts it off from network and disk at once;
// what it still does in its last moments nobody sees.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <vector>

#include "kernel/log/log_store.h"
#include "kernel/log/tail_cache.h"
#include "kernel/replica/replica.h"
#include "tests/simulation/disk.h"
#include "tests/simulation/executor.h"
#include "tests/simulation/machine.h"
#include "tests/simulation/network.h"
#include "tests/simulation/process.h"
#include "tests/simulation/sim_store.h"

namespace chronik::sim {

inline constexpr Duration kTick = std::chrono::milliseconds(10);
inline constexpr size_t kShards = 2;

// What a broker's process needs to know of the world.
struct BrokerContext {
  Scheduler& scheduler;
  Oracle& oracle;
  std::vector<GroupId> groups;
  std::function<void(ReplicaId from, GroupId group, replica::PeerMessage message)> send;
  // It cannot go on: its disk failed (corrupt: what it kept cannot be trusted). The world kills it.
  std::function<void(ReplicaId node, bool corrupt, const std::string& why)> on_fatal;
  // Nobody damaged its disk.
  std::function<bool(ReplicaId node)> trusted;
};

class Broker final : public replica::Peers {
 public:
  // `voters`: of the groups' creation; none for a node that joins.
  Broker(const BrokerContext& context, SimDisk& disk, ReplicaId id, std::vector<ReplicaId> voters);
  ~Broker() override;

  void Start();  // returns at once; ready() tells
  void Kill();   // the disk was cut off before; returns at once
  // After Kill: nothing of it is under way any more, it can be destroyed.
  bool gone() const;

  ReplicaId id() const { return id_; }
  Process& process() { return process_; }
  bool dead() const { return dead_; }
  bool ready() const { return ready_groups_ == context_.groups.size() && !dead_; }
  // Null until it is opened.
  replica::Replica* replica(GroupId group);
  const DigestMachine& machine(GroupId group) const { return *groups_.at(group).machine; }

  // Runs on the group's shard if the replica is there then, and the process alive.
  void OnShard(GroupId group, UniqueFunction<void(replica::Replica&)> task);
  void Deliver(GroupId group, replica::PeerMessage message);
  void PeerLost(ReplicaId peer);
  void Send(GroupId group, replica::PeerMessage message) override;  // of replica::Peers

 private:
  struct Group {
    ShardId shard;
    log::GroupHandle handle = nullptr;
    std::unique_ptr<DigestMachine> machine;
    std::unique_ptr<replica::Replica> replica;
  };

  void Open();  // on the control thread
  void MakeReplica(GroupId group, log::OpenedGroup opened);
  void TickShard(size_t shard);
  void CheckGroup(GroupId group);
  void Fatal(const Error& error);
  void ShutDown();
  void StopStore();

  const BrokerContext& context_;
  SimDisk& disk_;
  const ReplicaId id_;
  const std::vector<ReplicaId> voters_;
  Process process_;
  SimExecutor control_;
  std::vector<std::unique_ptr<SimExecutor>> shards_;
  std::unique_ptr<SimStore> store_;
  std::unique_ptr<log::LogStore> log_;
  std::vector<std::unique_ptr<log::TailCache>> caches_;
  std::map<GroupId, Group> groups_;
  size_t ready_groups_ = 0;
  size_t closing_groups_ = 0;
  bool opening_ = true;
  bool dead_ = false;
  bool fatal_ = false;
  bool stopped_ = false;
};

}  // namespace chronik::sim
