// SPDX-License-Identifier: Apache-2.0
// The configuration as plain structs: what the rest of the kernel is given, so that no module but main looks keys up.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "kernel/base/clock.h"
#include "kernel/base/ids.h"
#include "kernel/base/log.h"
#include "kernel/config/config.h"

namespace chronik::config {

// [broker]: listeners, directories, limits. The manual (docs/configuration.md) says what each means.
struct BrokerSettings {
  NodeId node_id;  // cluster.node_id
  HostPort listen;
  std::optional<HostPort> advertised_listener;  // none: the address that was bound
  std::optional<HostPort> rpc_listen;           // none: the own peer entry says it
  HostPort http_listen;                         // also the metrics exporter's `listen`, unless that is set
  std::string data_dir;
  std::string plugin_dir;
  uint32_t shards = 0;  // 0: one per core
  bool fetch_from_followers = false;
  bool auto_create_topics = true;
  int32_t default_partitions = 1;
  uint32_t max_connections = 0;
  uint32_t socket_request_bytes_max = 0;      // one request
  uint64_t connection_request_bytes_max = 0;  // requests of one connection that are not answered yet
  uint64_t request_bytes_max = 0;             // requests of all connections that are not answered yet
  uint32_t message_bytes_max = 0;             // one record batch
  Duration connections_max_idle{};
  int64_t log_retention_bytes = -1;
  Duration log_retention_check_interval{};
  int64_t log_retention_ms = -1;
  Duration shutdown_timeout{};
};

struct RaftSettings {
  Duration election_timeout{};
  Duration heartbeat_interval{};
  uint32_t max_inflight_messages = 256;
  uint32_t max_append_bytes = 1 << 20;
  uint64_t recovery_bytes_per_second = 0;
  uint64_t snapshot_max_log_bytes = 64ull << 20;
  uint64_t snapshot_min_interval_entries = 10000;
};

// [cluster]: who the nodes are. node_id is in BrokerSettings.
struct ClusterSettings {
  bool enabled = false;
  int16_t replication_factor = 3;
  int32_t min_insync_replicas = 2;
  Duration replica_lag_max{};
  uint64_t replica_lag_max_entries = 1000;
  Duration join_timeout{};
  bool leadership_transfer = true;  // at a stop
  Duration leadership_transfer_timeout{};
  std::vector<Peer> peers;  // this node is among them if there are any
  bool by_dns = false;      // cluster.discovery.mode
  uint32_t founders = 0;    // without peers: how many nodes discovery has to name for a new cluster; 0: none is founded
};

// [groups]: consumer groups.
struct GroupSettings {
  int32_t offsets_topic_partitions = 50;
  Duration initial_rebalance_delay{};
  Duration min_session_timeout{};
  Duration max_session_timeout{};
  Duration offsets_retention{};
};

// [admin]: where operators ask.
struct AdminSettings {
  bool enabled = true;
  HostPort address;  // a loopback one; empty: the unix socket admin.sock in the data directory
};

// "unix", "off", or the host:port of a loopback address.
Result<AdminSettings> ParseAdminListen(std::string_view text);

// [plugins.<kind>]: the plugin and the values of its own options, for the config service of <chronik/host.h>.
struct PluginSettings {
  struct OptionValue {
    std::string key;  // without the section
    OptionType type;
    Value value;
  };
  std::string kind;
  std::string plugin;  // empty: disabled
  std::vector<OptionValue> options;
};

struct LogSettings {
  LogLevel level = LogLevel::kInfo;
  std::string directory;  // empty: stderr only
};

struct Settings {
  BrokerSettings broker;
  RaftSettings raft;
  ClusterSettings cluster;
  GroupSettings groups;
  AdminSettings admin;
  PluginSettings log_store;
  PluginSettings transport;  // if the cluster is enabled
  PluginSettings discovery;  // likewise
  PluginSettings metrics_exporter;
  bool allow_volatile_log_store = false;
  bool allow_ld_env = false;
  std::string plugin_checks;  // "auto", "off", "report" or "full"
  LogSettings log;
};

Settings MakeSettings(const Config& config);

// What one key alone cannot show to be wrong: a heartbeat slower than the election, own id absent from the peers...
// One sentence each, with the key and its origin in front. Loader::Finish calls it.
std::vector<std::string> CrossCheck(const Config& config);

}  // namespace chronik::config
