// SPDX-License-Identifier: Apache-2.0
// The metrics chronik_raft_* (docs/metrics.md): what this node's replicas do, and what its leaders know of their
// followers.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "kernel/base/clock.h"
#include "kernel/base/ids.h"
#include "kernel/base/result.h"
#include "kernel/cluster/calls.h"
#include "kernel/cluster/links.h"
#include "kernel/host/metrics.h"

namespace chronik::broker {

class RaftMetrics {
 public:
  // registry null: counted, and exported nowhere. Else it outlives this.
  RaftMetrics(host::MetricsRegistry* registry, NodeId self);
  ~RaftMetrics();
  RaftMetrics(const RaftMetrics&) = delete;
  RaftMetrics& operator=(const RaftMetrics&) = delete;

  // Any thread.
  void OnElected(std::optional<Duration> without_leader);  // this node leads a group now
  void OnCommitted(Duration took) { commit_latency_.Observe(Milliseconds(took)); }
  void OnSnapshotInstalled(uint64_t bytes, Duration took);
  void OnRoundTrip(Duration took) { append_latency_.Observe(Milliseconds(took)); }
  void OnCall(cluster::Method method, Duration took, const std::optional<Error>& error);
  void OnDropped(cluster::Lane lane, ErrorCode error);
  std::atomic<int64_t>& held() { return state_->held; }  // partitions with a replica here
  std::atomic<int64_t>& led() { return state_->led; }    // of those: led from here

  host::MetricsRegistry& registry() { return registry_; }
  static double Milliseconds(Duration time) { return std::chrono::duration<double, std::milli>(time).count(); }

 private:
  struct State {
    std::atomic<int64_t> held{0};
    std::atomic<int64_t> led{0};
  };

  std::unique_ptr<host::MetricsRegistry> own_;
  host::MetricsRegistry& registry_;
  const host::Labels node_;
  const std::shared_ptr<State> state_ = std::make_shared<State>();
  host::Metric& elections_;
  host::Metric& election_latency_;
  host::Metric& commit_latency_;
  host::Metric& snapshots_;
  host::Metric& snapshot_bytes_;
  host::Metric& snapshot_latency_;
  host::Metric& append_latency_;
  // [lane][the queue was full]: a dead peer drops every frame, so nothing is looked up then.
  std::array<std::array<host::Metric*, 2>, CHR_LANE_COUNT> dropped_{};
};

// What a leader tells of its partition's followers: exported as long as it lives, which is as long as it leads. One
// thread; read by the exporter's.
class LedPartitionMetrics {
 public:
  LedPartitionMetrics(RaftMetrics& metrics, const std::string& topic, PartitionId partition);
  ~LedPartitionMetrics();
  LedPartitionMetrics(const LedPartitionMetrics&) = delete;
  LedPartitionMetrics& operator=(const LedPartitionMetrics&) = delete;

  void SetInSync(size_t count) { in_sync_->store(static_cast<double>(count), std::memory_order_relaxed); }
  void SetLag(NodeId follower, uint64_t entries, Duration time);

 private:
  struct Lag {
    std::atomic<double> entries{0};
    std::atomic<double> ms{0};
  };
  host::Labels Labelled(NodeId follower) const;

  host::MetricsRegistry& registry_;
  const host::Labels labels_;
  const std::shared_ptr<std::atomic<double>> in_sync_ = std::make_shared<std::atomic<double>>(0);
  std::map<NodeId, std::shared_ptr<Lag>> lags_;
};

}  // namespace chronik::broker
