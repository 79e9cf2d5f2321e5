// SPDX-License-Identifier: Apache-2.0
#include "kernel/admin/health.h"

#include <algorithm>
#include <set>
#include <utility>

namespace chronik::admin {
namespace {

using broker::ClusterReport;
using broker::PartitionReport;

std::set<NodeId> Alive(const ClusterReport& cluster) {
  std::set<NodeId> alive;
  for (const broker::MemberReport& member : cluster.members) {
    if (member.alive) alive.insert(member.id);
  }
  return alive;
}

size_t Majority(size_t voters) { return voters / 2 + 1; }

size_t CountIn(const std::vector<NodeId>& nodes, const std::set<NodeId>& set) {
  return static_cast<size_t>(std::count_if(nodes.begin(), nodes.end(), [&](NodeId n) { return set.contains(n); }));
}

Reason Of(const PartitionReport& partition, const char* kind, std::string message) {
  return {kind, std::move(message), partition.topic, partition.partition.value};
}

std::string OutOf(size_t part, size_t all) { return std::to_string(part) + " of " + std::to_string(all); }

void AddClusterReasons(const ClusterReport& cluster, std::vector<Reason>* out) {
  if (!cluster.serving) out->push_back({"not_serving", "this broker has not joined its cluster yet"});
  if (cluster.metadata_leader == NodeId(0))
    out->push_back({"no_metadata_leader", "the metadata group has no leader that this broker knows"});
}

void AddPartitionReasons(const PartitionReport& p, const std::set<NodeId>& alive, std::vector<Reason>* out) {
  const size_t living = CountIn(p.replicas, alive);
  const bool led = p.leader.leader != NodeId(0) && alive.contains(p.leader.leader);
  if (p.stuck) out->push_back(Of(p, "stuck", "its shard on this broker does not answer"));
  if (p.local && p.local->failed) out->push_back(Of(p, "failed_disk", "the replica on this broker lost its disk"));
  if (!led && living < Majority(p.replicas.size()))
    return out->push_back(Of(p, "offline", "only " + OutOf(living, p.replicas.size()) + " replicas are alive"));
  if (!led) return out->push_back(Of(p, "leaderless", "it has no leader"));
  if (p.in_sync.empty()) return out->push_back(Of(p, "unknown", "who is in sync is not known here yet"));
  const size_t in_sync = CountIn(p.in_sync, alive);
  if (in_sync >= p.replicas.size()) return;
  const std::string copies = OutOf(in_sync, p.replicas.size()) + " replicas are alive and in sync";
  if (in_sync < static_cast<size_t>(std::max(p.min_in_sync, 0))) {
    out->push_back(Of(p, "under_min_isr", copies + ", min.insync.replicas is " + std::to_string(p.min_in_sync)));
  } else {
    out->push_back(Of(p, "under_replicated", copies));
  }
}

void AddStopReasons(const PartitionReport& p, const std::set<NodeId>& others, std::vector<Reason>* out) {
  if (p.leader.leader == NodeId(0) || p.in_sync.empty())
    return out->push_back(Of(p, "unknown", "its leader, or who is in sync with it, is not known here"));
  const size_t left = CountIn(p.in_sync, others);
  const std::string copies = OutOf(left, p.replicas.size()) + " replicas would be left in sync";
  if (left < Majority(p.replicas.size())) {
    out->push_back(Of(p, "loses_majority", copies + ", no majority"));
  } else if (left < static_cast<size_t>(std::max(p.min_in_sync, 0))) {
    out->push_back(Of(p, "below_min_isr", copies + ", min.insync.replicas is " + std::to_string(p.min_in_sync)));
  }
}

}  // namespace

std::vector<Reason> WhatIsWrong(const ClusterReport& cluster, const std::vector<PartitionReport>& partitions) {
  std::vector<Reason> out;
  AddClusterReasons(cluster, &out);
  for (const broker::MemberReport& member : cluster.members) {
    if (member.alive) continue;
    out.push_back({"dead_broker",
                   "node " + std::to_string(member.id.value) +
                       (member.host.empty() ? " has never joined" : " is not connected to this broker"),
                   "", -1, member.id});
  }
  const std::set<NodeId> alive = Alive(cluster);
  for (const PartitionReport& partition : partitions) AddPartitionReasons(partition, alive, &out);
  return out;
}

std::vector<Reason> WhyNotStop(const ClusterReport& cluster, const std::vector<PartitionReport>& partitions) {
  std::vector<Reason> out;
  AddClusterReasons(cluster, &out);
  std::set<NodeId> others = Alive(cluster);
  others.erase(cluster.self);
  const auto& voters = cluster.metadata_voters;
  const size_t left = CountIn(voters, others);
  if (std::find(voters.begin(), voters.end(), cluster.self) != voters.end() && left < Majority(voters.size())) {
    out.push_back({"metadata_loses_majority",
                   OutOf(left, voters.size()) + " voters of the metadata group would be left, no majority"});
  }
  for (const PartitionReport& partition : partitions) {
    const auto& replicas = partition.replicas;
    if (std::find(replicas.begin(), replicas.end(), cluster.self) != replicas.end())
      AddStopReasons(partition, others, &out);
  }
  return out;
}

}  // namespace chronik::admin
