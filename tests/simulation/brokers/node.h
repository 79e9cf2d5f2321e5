// SPDX-License-Identifier: Apache-2.0
// One process of a whole broker: what kernel/main/node.cc puts together, but for the sockets. A LocalBroker with its
// metadata group and its partitions, over the log_wal plugin on a simulated disk and over a simulated transport.
//
// A killed process is cut off from network and disk at once. What it still does nobody sees; it is then taken down in
// order, as a broker whose disk fails is.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "kernel/broker/local_broker.h"
#include "tests/simulation/brokers/transport.h"
#include "tests/simulation/executor.h"
#include "tests/simulation/sim_store.h"

namespace chronik::sim::brokers {

inline constexpr size_t kShards = 2;

struct NodeContext {
  Scheduler& scheduler;
  LinkNetwork& network;
  std::vector<NodeId> founders;
  size_t nodes = 0;
  bool fetch_from_followers = false;
  // The process would end with this. Any thread.
  std::function<void(size_t slot, uint64_t boot, const Error& why)> on_fatal;
};

class Node {
 public:
  // `boot` counts processes. `joins_only`: its operator knows that the cluster exists.
  Node(const NodeContext& context, SimDisk& disk, size_t slot, uint64_t boot, bool joins_only);
  ~Node();

  void Start();
  // The disk was cut off before.
  void Kill(uint64_t seen_percent);
  // After Kill: nothing of it is under way any more.
  bool gone();

  NodeId id() const { return id_; }
  uint64_t boot() const { return boot_; }
  Process& process() { return process_; }
  bool dead() const { return dead_; }
  // It has joined the cluster, and clients may ask it.
  bool serving() const { return serving_ && !dead_; }
  broker::LocalBroker& broker() { return *broker_; }
  SimExecutor& shard(ShardId id) { return *shards_[id.value]; }
  const broker::Life& life() const { return life_; }

 private:
  void Open();  // on the control thread
  Status OpenParts();
  broker::Settings MakeSettings() const;
  broker::LocalBroker::Environment MakeEnvironment();
  void OnStarted(const Status& status);
  void Fatal(const Error& error);
  bool Quiet() const;
  void TakeDown();
  void StopStore();

  const NodeContext& context_;
  SimDisk& disk_;
  const size_t slot_;
  const NodeId id_;
  const uint64_t boot_;
  const bool joins_only_;
  Process process_;
  SimExecutor control_;
  std::vector<std::unique_ptr<SimExecutor>> shards_;
  std::unique_ptr<chronik_log_wal::FileSystem> files_;
  Endpoint endpoint_;
  std::unique_ptr<SimStore> store_;
  std::unique_ptr<log::LogStore> log_;
  std::unique_ptr<broker::LocalBroker> broker_;
  broker::Life life_;  // as it is on the disk
  bool opening_ = true;
  bool started_ = false;  // the broker called back
  bool serving_ = false;
  bool dead_ = false;
  bool fatal_ = false;
  enum class End : uint8_t { kNot, kClosing, kStopped } end_ = End::kNot;
};

}  // namespace chronik::sim::brokers
