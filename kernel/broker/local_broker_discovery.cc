// SPDX-License-Identifier: Apache-2.0
// Where the other nodes are, as a discovery plugin says. It is a hint for connecting; who is a member is what the
// metadata says. Of a node's addresses the newest is tried first and the others after it; a connection that works is
// left alone.
//
// Founders: with cluster.peers discovery has no say in them. Without, they are the first fresh report that names as
// many nodes as the operator expects, for the life of this process: a node that has told others whom it would found a
// cluster with may be counted on, and a second list could found a second cluster.
#include <algorithm>
#include <utility>

#include "kernel/base/log.h"
#include "kernel/broker/local_broker.h"

namespace chronik::broker {
namespace {

using Origin = cluster::Discovered::Origin;

constexpr std::chrono::seconds kProposeWithin{10};
constexpr std::chrono::milliseconds kSettle{200};
constexpr std::chrono::seconds kLookElsewhere{2};
constexpr size_t kAddressesMax = 8;  // of one node

std::string Names(const std::map<NodeId, std::string>& nodes) {
  std::string out;
  for (const auto& [node, address] : nodes) out += (out.empty() ? "" : ", ") + std::to_string(node.value);
  return out.empty() ? "none" : out;
}

}  // namespace

void LocalBroker::OnDiscovered(const cluster::Discovered& found) {
  found_ = found;
  LearnFounders(found);
  const bool sure = found.origin == Origin::kFresh || found.origin == Origin::kCached;
  for (const auto& [node, address] : found.nodes) {
    unnamed_.erase(node);
    if (!sure) {  // the nodes of the configuration, which are looked for already
      if (!addresses_.contains(node)) LearnAddress(node, address);
    } else if (node == settings_.node_id) {
      SetOwnAddress(address);
    } else if (std::exchange(discovered_[node], address) != address) {
      LearnAddress(node, address);
    }
  }
  if (found.origin != Origin::kFresh) return;
  for (const auto& [node, address] : discovered_) {
    if (!found.nodes.contains(node)) unnamed_.insert(node);
  }
  for (const NodeId node : unnamed_) discovered_.erase(node);
  ForgetUnnamed();
}

// --- founding

void LocalBroker::LearnFounders(const cluster::Discovered& found) {
  if (life_.generation || !founders_.empty() || settings_.founders_to_discover == 0) return;
  if (found.origin != Origin::kFresh || found.ambiguous) return;
  if (found.nodes.size() != settings_.founders_to_discover || !found.nodes.contains(settings_.node_id)) return;
  for (const auto& [node, address] : found.nodes) founders_.push_back(node);
  if (entering_) entering_->willing.clear();  // they agreed to no list
  CHRONIK_LOG(kInfo) << "discovery names " << founders_.size()
                     << " nodes, as many as found a cluster: " << Names(found.nodes);
}

std::string LocalBroker::WhyNotFounding() const {
  const std::string named = "discovery names nodes " + Names(found_.nodes);
  if (settings_.founders_to_discover == 0) return named + ", and cluster.discovery.founders = 0: this node founds none";
  std::string why = named + "; cluster.discovery.founders = " + std::to_string(settings_.founders_to_discover) +
                    " are needed, this one among them, in one answer";
  if (found_.ambiguous) why += "; each with its id and one address";
  return found_.why.empty() ? why : why + " (" + found_.why + ")";
}

// --- addresses

void LocalBroker::SetOwnAddress(const std::string& address) {
  if (std::exchange(rpc_address_, address) == address) return;
  links_->SetRpcAddress(address);
  if (!serving_) return;  // it will register with it
  ProposeMetadata(SelfRegistration(), kProposeWithin, [](const Result<metadata::Effect>& effect) {
    if (!effect.ok())
      CHRONIK_LOG(kWarn) << "the other nodes were not told of this one's new address: " << effect.error();
  });
}

// By discovery, by its own hello, by its registration in the metadata - which may be an old entry of the log - or by a
// name that this node cannot resolve: no word is trusted beyond a connection that works, and none is forgotten soon.
void LocalBroker::LearnAddress(NodeId node, const std::string& address) {
  if (!links_ || node == settings_.node_id || address.empty()) return;
  std::vector<std::string>& known = known_addresses_[node];
  std::erase(known, address);
  known.insert(known.begin(), address);
  if (known.size() > kAddressesMax) known.pop_back();
  if (!addresses_.contains(node)) return UseAddress(node, address);
  // The hello may be of a connection that this node made and is about to work.
  unsettled_.insert(node);
  if (settle_timer_ != 0) return;
  settle_timer_ = home().executor.Schedule(kSettle, [this] {
    settle_timer_ = 0;
    for (const NodeId changed : std::exchange(unsettled_, {})) UseNewestAddress(changed);
  });
}

void LocalBroker::UseNewestAddress(NodeId node) {
  const auto known = known_addresses_.find(node);
  if (known == known_addresses_.end() || home().connected.contains(node)) return;
  UseAddress(node, known->second.front());
}

void LocalBroker::UseAddress(NodeId node, const std::string& address) {
  if (std::exchange(addresses_[node], address) == address) return;
  environment_.control->Post([this, node, address] {
    const Status set = links_->SetPeer(node, address);
    if (!set.ok()) CHRONIK_LOG(kWarn) << set.error();
  });
}

void LocalBroker::LookForLost(NodeId node) {
  UseNewestAddress(node);
  ForgetUnnamed();
}

// Who is not where it was looked for may be at another place that was named.
void LocalBroker::LookElsewhere() {
  for (const auto& [node, known] : known_addresses_) {
    if (known.size() < 2 || home().connected.contains(node)) continue;
    const auto here = std::find(known.begin(), known.end(), addresses_[node]);
    const bool last = here == known.end() || here + 1 == known.end();
    UseAddress(node, last ? known.front() : *(here + 1));
  }
  look_elsewhere_timer_ = home().executor.Schedule(kLookElsewhere, [this] { LookElsewhere(); });
}

// Members stay, and those that the configuration names, and who is there.
void LocalBroker::ForgetUnnamed() {
  if (life_.generation && !serving_) return;  // who is a member is not known yet
  for (auto next = unnamed_.begin(); next != unnamed_.end();) {
    const NodeId node = *next;
    const bool listed = settings_.peer_addresses.contains(node) || std::count(founders_.begin(), founders_.end(), node);
    const bool member = serving_ && metadata_ && metadata_->image()->FindBroker(node) != nullptr;
    if (listed || member || home().connected.contains(node)) {
      ++next;
      continue;
    }
    next = unnamed_.erase(next);
    addresses_.erase(node);
    known_addresses_.erase(node);
    CHRONIK_LOG(kInfo) << "node " << node << " is not named any more, and is not looked for";
    environment_.control->Post([this, node] { links_->RemovePeer(node); });
  }
}

}  // namespace chronik::broker
