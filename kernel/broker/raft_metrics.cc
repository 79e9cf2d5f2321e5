// SPDX-License-Identifier: Apache-2.0
#include "kernel/broker/raft_metrics.h"

#include <utility>

namespace chronik::broker {
namespace {

constexpr const char* kLeaders = "chronik_raft_leader_count";
constexpr const char* kFollowers = "chronik_raft_follower_count";
constexpr const char* kInSync = "chronik_raft_isr_size";
constexpr const char* kLagEntries = "chronik_raft_follower_lag_entries";
constexpr const char* kLagMs = "chronik_raft_follower_lag_ms";
constexpr const char* kRpcLatency = "chronik_raft_rpc_latency_ms";
constexpr const char* kRpcErrors = "chronik_raft_rpc_errors_total";
constexpr const char* kRpcErrorsHelp = "Requests to other nodes that failed, and frames that were not sent";
constexpr const char* kRpcLatencyHelp = "From a request to another node until its answer";

const char* NameOf(cluster::Method method) {
  switch (method) {
    case cluster::Method::kProposeMetadata: return "propose_metadata";
    case cluster::Method::kJoin: return "join";
    case cluster::Method::kTransferLeadership: return "transfer_leadership";
  }
  return "unknown";
}

const char* NameOf(cluster::Lane lane) {
  switch (lane) {
    case cluster::Lane::kControl: return "control";
    case cluster::Lane::kReplication: return "replication";
    case cluster::Lane::kForward: return "forward";
  }
  return "unknown";
}

}  // namespace

RaftMetrics::RaftMetrics(host::MetricsRegistry* registry, NodeId self)
    : own_(registry == nullptr ? std::make_unique<host::MetricsRegistry>() : nullptr),
      registry_(registry == nullptr ? *own_ : *registry),
      node_{{"node_id", std::to_string(self.value)}},
      elections_(registry_.Counter("chronik_raft_election_count", "Elections that this node won", node_)),
      election_latency_(registry_.Histogram("chronik_raft_election_latency_ms", "ms",
                                            "From when this replica knew no leader until it led and could serve",
                                            node_)),
      commit_latency_(registry_.Histogram("chronik_raft_commit_latency_ms", "ms",
                                          "From a produce request's append until a majority had it on disk")),
      snapshots_(registry_.Counter("chronik_raft_snapshot_count", "Snapshots pulled from other nodes and installed")),
      snapshot_bytes_(registry_.Histogram("chronik_raft_snapshot_size_bytes", "bytes", "Their sizes")),
      snapshot_latency_(registry_.Histogram("chronik_raft_snapshot_apply_latency_ms", "ms",
                                            "From when one was here until it was durable and in place")),
      append_latency_(registry_.Histogram(kRpcLatency, "ms", kRpcLatencyHelp, {{"rpc", "append_entries"}})) {
  for (size_t lane = 0; lane < dropped_.size(); ++lane) {
    for (const bool full : {false, true}) {
      dropped_[lane][full ? 1 : 0] = &registry_.Counter(
          kRpcErrors, kRpcErrorsHelp,
          {{"rpc", NameOf(static_cast<cluster::Lane>(lane))}, {"error", full ? "queue full" : "not connected"}});
    }
  }
  registry_.GaugeFrom(kLeaders, "Partitions led by this node", node_,
                      [state = state_] { return static_cast<double>(state->led.load()); });
  registry_.GaugeFrom(kFollowers, "Partitions with a replica on this node that others lead", node_,
                      [state = state_] { return static_cast<double>(state->held.load() - state->led.load()); });
}

RaftMetrics::~RaftMetrics() {
  registry_.DropGauge(kLeaders, node_);
  registry_.DropGauge(kFollowers, node_);
}

void RaftMetrics::OnElected(std::optional<Duration> without_leader) {
  elections_.Increment();
  if (without_leader) election_latency_.Observe(Milliseconds(*without_leader));
}

void RaftMetrics::OnSnapshotInstalled(uint64_t bytes, Duration took) {
  snapshots_.Increment();
  snapshot_bytes_.Observe(static_cast<double>(bytes));
  snapshot_latency_.Observe(Milliseconds(took));
}

void RaftMetrics::OnCall(cluster::Method method, Duration took, const std::optional<Error>& error) {
  if (!error) {
    registry_.Histogram(kRpcLatency, "ms", kRpcLatencyHelp, {{"rpc", NameOf(method)}}).Observe(Milliseconds(took));
    return;
  }
  registry_
      .Counter(kRpcErrors, kRpcErrorsHelp,
               {{"rpc", NameOf(method)}, {"error", std::string(ErrorCodeName(error->code))}})
      .Increment();
}

void RaftMetrics::OnDropped(cluster::Lane lane, ErrorCode error) {
  dropped_[static_cast<size_t>(lane)][error == ErrorCode::kOverloaded ? 1 : 0]->Increment();
}

LedPartitionMetrics::LedPartitionMetrics(RaftMetrics& metrics, const std::string& topic, PartitionId partition)
    : registry_(metrics.registry()), labels_{{"topic", topic}, {"partition", std::to_string(partition.value)}} {
  registry_.GaugeFrom(kInSync, "In-sync replicas, the leader included; told by the leader", labels_,
                      [value = in_sync_] { return value->load(std::memory_order_relaxed); });
}

LedPartitionMetrics::~LedPartitionMetrics() {
  registry_.DropGauge(kInSync, labels_);
  for (const auto& [follower, lag] : lags_) {
    registry_.DropGauge(kLagEntries, Labelled(follower));
    registry_.DropGauge(kLagMs, Labelled(follower));
  }
}

host::Labels LedPartitionMetrics::Labelled(NodeId follower) const {
  host::Labels labels = labels_;
  labels.emplace_back("follower", std::to_string(follower.value));
  return labels;
}

void LedPartitionMetrics::SetLag(NodeId follower, uint64_t entries, Duration time) {
  std::shared_ptr<Lag>& lag = lags_[follower];
  if (!lag) {
    lag = std::make_shared<Lag>();
    registry_.GaugeFrom(kLagEntries, "Entries that the follower lacks; told by the leader", Labelled(follower),
                        [lag] { return lag->entries.load(std::memory_order_relaxed); });
    registry_.GaugeFrom(kLagMs, "How long ago the follower had everything; told by the leader", Labelled(follower),
                        [lag] { return lag->ms.load(std::memory_order_relaxed); });
  }
  lag->entries.store(static_cast<double>(entries), std::memory_order_relaxed);
  lag->ms.store(RaftMetrics::Milliseconds(time), std::memory_order_relaxed);
}

}  // namespace chronik::broker
