// SPDX-License-Identifier: Apache-2.0
// What a node of a cluster has besides: founders, a pace of Raft that notices a death quickly, and a transport.
#include <algorithm>
#include <future>

#include "kernel/main/node_impl.h"

namespace chronik::main {
namespace {

// A tick finer than the heartbeat: how soon after a leader's death the others stand for election is counted in ticks.
constexpr uint32_t kTicksPerHeartbeat = 4;

}  // namespace

void SetClusterSettings(const config::Settings& from, broker::Settings& to) {
  const config::RaftSettings& raft = from.raft;
  const uint32_t per_heartbeat = from.cluster.enabled ? kTicksPerHeartbeat : 1;
  const Duration tick = std::max(raft.heartbeat_interval / per_heartbeat, Duration(std::chrono::milliseconds(1)));
  to.tick = std::chrono::duration_cast<std::chrono::milliseconds>(tick);
  to.heartbeat_ticks = per_heartbeat;
  to.election_ticks = static_cast<uint32_t>(std::max<int64_t>(2, raft.election_timeout / tick));
  to.max_inflight_messages = raft.max_inflight_messages;
  to.max_append_bytes = raft.max_append_bytes;
  to.recovery_bytes_per_second = raft.recovery_bytes_per_second;
  to.snapshot_max_log_bytes = raft.snapshot_max_log_bytes;
  to.snapshot_min_interval_entries = raft.snapshot_min_interval_entries;
  if (!from.cluster.enabled) return;
  to.default_replication_factor = from.cluster.replication_factor;
  to.min_insync_replicas = from.cluster.min_insync_replicas;
  to.replica_lag_max = std::chrono::duration_cast<std::chrono::milliseconds>(from.cluster.replica_lag_max);
  to.replica_lag_max_entries = from.cluster.replica_lag_max_entries;
  to.join_timeout = std::chrono::duration_cast<std::chrono::milliseconds>(from.cluster.join_timeout);
  for (const config::Peer& peer : from.cluster.peers) {
    to.founders.emplace_back(peer.id);
    if (NodeId(peer.id) != to.node_id) {
      to.peer_addresses[NodeId(peer.id)] = peer.rpc_address.ToString();
      continue;
    }
    to.rpc_address = peer.rpc_address.ToString();
    to.rack = peer.rack;
    if (from.broker.advertised_listener || peer.address.empty()) continue;
    to.host = peer.address.host;
    to.port = peer.address.port;
  }
  std::sort(to.founders.begin(), to.founders.end());
  to.by_discovery = from.cluster.peers.empty();
  to.founders_to_discover = from.cluster.founders;
}

Status Node::Impl::StartTransport() {
  if (broker->links() == nullptr) return {};
  const host::LoadedPluginPtr& plugin = setup.plugins.at("transport");
  const auto table = plugin->transport();
  if (!table.ok()) return table.error();
  host::InstanceSettings instance = InstanceOf(setup.settings.transport);
  instance.data_dir.clear();
  auto created = host::PluginInstance::Create(plugin, CHR_TRANSPORT_1, services, std::move(instance));
  if (!created.ok()) return created.error();
  transport = *std::move(created);
  cluster::Links& links = *broker->links();
  Check(*table, *transport, &transport_checks);
  const uint64_t message_bytes_max = setup.settings.broker.message_bytes_max;
  CHRONIK_RETURN_IF_ERROR(transport_checks.layer ? links.Attach(host::ContractTransport::Table(),
                                                                transport_checks.layer.get(), message_bytes_max)
                                                 : links.Attach(*table, transport->self(), message_bytes_max));
  CHRONIK_RETURN_IF_ERROR(StartPlugin(*transport, links.sink(), &transport_checks));
  for (const auto& [peer, address] : broker->settings().peer_addresses)
    CHRONIK_RETURN_IF_ERROR(links.SetPeer(peer, address));
  return {};
}

// While clients are still served: they are told who leads now, and lose nothing but a moment.
void Node::Impl::HandOver() {
  const config::ClusterSettings& cluster = setup.settings.cluster;
  if (!broker || exit_code.load() != 0 || (transport && !cluster.leadership_transfer)) return;
  auto finished = std::make_shared<std::promise<void>>();
  auto over = finished->get_future();
  broker->HandOver(cluster.leadership_transfer_timeout, [finished] { finished->set_value(); });
  over.wait();
}

}  // namespace chronik::main
