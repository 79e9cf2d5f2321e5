// SPDX-License-Identifier: Apache-2.0
// The discovery plugin of a node of a cluster. It starts before the broker, which is told where this node itself is
// found, and is followed until the node stops.
#include "kernel/main/node_impl.h"

namespace chronik::main {
namespace {

constexpr std::chrono::seconds kFirstReport{10};  // what interfaces/chronik/discovery.h allows
constexpr std::chrono::seconds kLookAgain{2};     // as long as no cluster is found

}  // namespace

Status Node::Impl::StartDiscovery() {
  const auto plugin = setup.plugins.find("discovery");
  if (plugin == setup.plugins.end() || !setup.settings.cluster.enabled) return {};
  const auto table = plugin->second->discovery();
  if (!table.ok()) return table.error();
  host::InstanceSettings instance = InstanceOf(setup.settings.discovery);
  instance.data_dir.clear();
  auto created = host::PluginInstance::Create(plugin->second, CHR_DISCOVERY_1, services, std::move(instance));
  if (!created.ok()) return created.error();
  discovery = *std::move(created);
  Check(*table, *discovery, &discovery_checks);
  host::ContractDiscovery* layer = discovery_checks.layer.get();
  layer != nullptr ? discovered.Attach(layer->table(), layer) : discovered.Attach(*table, discovery->self());
  CHRONIK_RETURN_IF_ERROR(StartPlugin(*discovery, discovered.sink(), &discovery_checks));
  if (layer == nullptr) return {};
  layer->Started();
  discovery_timers.push_back(
      tasks.Schedule(kFirstReport + kLookAgain, Duration(0), [layer] { layer->CheckDeadline(); }));
  return {};
}

// Before its own entry in cluster.peers what discovery is sure of; after it an address to listen on that others can
// use.
void Node::Impl::SetOwnRpcAddress(broker::Settings* settings) {
  if (!discovery) return;
  const cluster::Discovered first = discovered.AwaitFirst(kFirstReport);
  using Origin = cluster::Discovered::Origin;
  const auto self = first.nodes.find(settings->node_id);
  if (self != first.nodes.end() && (first.origin == Origin::kFresh || first.origin == Origin::kCached))
    settings->rpc_address = self->second;
  const auto& listen = setup.settings.broker.rpc_listen;
  if (settings->rpc_address.empty() && listen && !listen->IsWildcard() && listen->port != 0)
    settings->rpc_address = listen->ToString();
}

void Node::Impl::FollowDiscovery() {
  if (!discovery) return;
  discovered.Listen(*shards.front(), [this](const cluster::Discovered& found) { broker->OnDiscovered(found); });
  // An answer may be good for a minute; a node that looks for its cluster does not wait so long.
  discovery_timers.push_back(tasks.Schedule(kLookAgain, kLookAgain, [this] {
    if (!ready.load()) discovered.Refresh();
  }));
}

void Node::Impl::StopDiscovery() {
  for (const uint64_t timer : discovery_timers) tasks.Cancel(timer);
  StopPlugin(*discovery, &discovery_checks);
}

}  // namespace chronik::main
