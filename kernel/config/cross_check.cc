// SPDX-License-Identifier: Apache-2.0
// Rules that more than one key takes part in. A key whose own value was refused is absent here, and its rules wait.
#include <algorithm>
#include <optional>

#include "kernel/config/settings.h"

namespace chronik::config {
namespace {

class Checker {
 public:
  explicit Checker(const Config& config) : config_(config) {}

  template <class T>
  const T* Find(std::string_view name) const {
    const Entry* entry = config_.Find(name);
    return entry == nullptr ? nullptr : std::get_if<T>(&entry->value);
  }

  // `name`, which is at fault, must not be greater than `limit`.
  void RequireAtMost(std::string_view name, std::string_view limit) {
    const auto* value = Find<int64_t>(name);
    const auto* most = Find<int64_t>(limit);
    if (value == nullptr || most == nullptr || *value <= *most) return;
    Refuse(name, FormatValue(config_.Find(name)->spec, *value) + " is more than " + std::string(limit) + ", " +
                     FormatValue(config_.Find(limit)->spec, *most));
  }

  void Refuse(std::string_view name, std::string_view what) {
    // The one of the two that the operator set is not always the one named; its own place is in --print-config.
    problems_.push_back(ProblemText(config_.Find(name)->origin.where, name, what));
  }

  std::vector<std::string> problems_;

 private:
  const Config& config_;
};

void CheckListeners(Checker* check) {
  const auto* listen = check->Find<HostPort>("broker.listen");
  const auto* advertised = check->Find<HostPort>("broker.advertised_listener");
  if (listen == nullptr || advertised == nullptr) return;
  if (listen->IsWildcard() && advertised->empty()) {
    check->Refuse("broker.listen", "clients cannot be told to connect to " + listen->host +
                                       "; set broker.advertised_listener to an address that they reach");
  }
  if (advertised->IsWildcard()) {
    check->Refuse("broker.advertised_listener", "clients cannot connect to " + advertised->host);
  }
  const auto* http = check->Find<HostPort>("broker.http_listen");
  if (http != nullptr && *http == *listen && http->port != 0) {
    check->Refuse("broker.http_listen", "broker.listen has the same address");
  }
}

void CheckAdmin(Checker* check) {
  const auto* listen = check->Find<std::string>("admin.listen");
  if (listen == nullptr) return;
  if (const auto parsed = ParseAdminListen(*listen); !parsed.ok())
    check->Refuse("admin.listen", parsed.error().message);
}

void CheckRaftTiming(Checker* check) {
  constexpr int64_t kHeartbeatsPerElection = 3;  // one or two lost heartbeats must not start an election
  const auto* election = check->Find<int64_t>("raft.election_timeout_ms");
  const auto* heartbeat = check->Find<int64_t>("raft.heartbeat_interval_ms");
  if (election == nullptr || heartbeat == nullptr || *election >= *heartbeat * kHeartbeatsPerElection) return;
  check->Refuse("raft.election_timeout_ms", std::to_string(*election) + " is less than three times " +
                                                "raft.heartbeat_interval_ms, " + std::to_string(*heartbeat));
}

void CheckCluster(Checker* check) {
  const auto* enabled = check->Find<bool>("cluster.enabled");
  const auto* node_id = check->Find<int64_t>("cluster.node_id");
  const auto* peers = check->Find<std::vector<Peer>>("cluster.peers.nodes");
  const auto* mode = check->Find<std::string>("cluster.discovery.mode");
  const auto* service = check->Find<std::string>("cluster.discovery.dns_service");
  if (mode != nullptr && *mode == "dns" && service != nullptr && service->empty()) {
    check->Refuse("cluster.discovery.mode", "dns needs cluster.discovery.dns_service");
  }
  if (peers == nullptr) return;
  const auto* founders = check->Find<int64_t>("cluster.discovery.founders");
  if (founders != nullptr && *founders > 0 && !peers->empty()) {
    check->Refuse("cluster.discovery.founders", "cluster.peers.nodes says who founds the cluster: set one of the two");
  }
  if (enabled != nullptr && *enabled && mode != nullptr && *mode == "static" && peers->empty()) {
    check->Refuse("cluster.enabled", "a cluster with static discovery needs its nodes in cluster.peers.nodes");
  }
  if (node_id == nullptr || peers->empty()) return;
  const auto self = [node_id](const Peer& peer) { return peer.id == static_cast<uint64_t>(*node_id); };
  if (std::none_of(peers->begin(), peers->end(), self)) {
    check->Refuse("cluster.peers.nodes",
                  "this node, cluster.node_id = " + std::to_string(*node_id) + ", is not among them");
  }
}

}  // namespace

std::vector<std::string> CrossCheck(const Config& config) {
  Checker check(config);
  CheckListeners(&check);
  CheckAdmin(&check);
  check.RequireAtMost("broker.message_max_bytes", "broker.socket_request_max_bytes");
  check.RequireAtMost("broker.socket_request_max_bytes", "broker.max_request_memory_per_connection");
  check.RequireAtMost("broker.max_request_memory_per_connection", "broker.max_request_memory");
  check.RequireAtMost("cluster.min_insync_replicas", "cluster.replication_factor");
  CheckRaftTiming(&check);
  CheckCluster(&check);
  return std::move(check.problems_);
}

}  // namespace chronik::config
