// SPDX-License-Identifier: Apache-2.0
#include "kernel/config/settings.h"

#include <chrono>

namespace chronik::config {
namespace {

// The registry's ranges guarantee that the number fits.
template <class T>
T Whole(const Config& config, std::string_view name) {
  return static_cast<T>(config.Get<int64_t>(name));
}

Duration Milliseconds(const Config& config, std::string_view name) {
  return std::chrono::milliseconds(config.Get<int64_t>(name));
}

std::optional<HostPort> OptionalAddress(const Config& config, std::string_view name) {
  const HostPort& address = config.Get<HostPort>(name);
  return address.empty() ? std::nullopt : std::optional<HostPort>(address);
}

BrokerSettings MakeBrokerSettings(const Config& config) {
  BrokerSettings broker;
  broker.node_id = NodeId(Whole<uint64_t>(config, "cluster.node_id"));
  broker.listen = config.Get<HostPort>("broker.listen");
  broker.advertised_listener = OptionalAddress(config, "broker.advertised_listener");
  broker.rpc_listen = OptionalAddress(config, "broker.rpc_listen");
  broker.http_listen = config.Get<HostPort>("broker.http_listen");
  broker.data_dir = config.Get<std::string>("broker.data_dir");
  broker.plugin_dir = config.Get<std::string>("broker.plugin_dir");
  broker.shards = Whole<uint32_t>(config, "broker.shards");
  broker.fetch_from_followers = config.Get<bool>("broker.fetch_from_followers");
  broker.auto_create_topics = config.Get<bool>("broker.auto_create_topics");
  broker.default_partitions = Whole<int32_t>(config, "broker.default_partitions");
  broker.max_connections = Whole<uint32_t>(config, "broker.max_connections");
  broker.socket_request_bytes_max = Whole<uint32_t>(config, "broker.socket_request_max_bytes");
  broker.connection_request_bytes_max = Whole<uint64_t>(config, "broker.max_request_memory_per_connection");
  broker.request_bytes_max = Whole<uint64_t>(config, "broker.max_request_memory");
  broker.message_bytes_max = Whole<uint32_t>(config, "broker.message_max_bytes");
  broker.connections_max_idle = Duration(config.Get<int64_t>("broker.connections_max_idle"));
  broker.log_retention_bytes = config.Get<int64_t>("broker.log_retention_bytes");
  broker.log_retention_check_interval = Duration(config.Get<int64_t>("broker.log_retention_check_interval"));
  broker.log_retention_ms = config.Get<int64_t>("broker.log_retention_ms");
  broker.shutdown_timeout = Duration(config.Get<int64_t>("broker.shutdown_timeout"));
  return broker;
}

GroupSettings MakeGroupSettings(const Config& config) {
  GroupSettings groups;
  groups.offsets_topic_partitions = Whole<int32_t>(config, "groups.offsets_topic_partitions");
  groups.initial_rebalance_delay = Duration(config.Get<int64_t>("groups.initial_rebalance_delay"));
  groups.min_session_timeout = Duration(config.Get<int64_t>("groups.min_session_timeout"));
  groups.max_session_timeout = Duration(config.Get<int64_t>("groups.max_session_timeout"));
  groups.offsets_retention = Duration(config.Get<int64_t>("groups.offsets_retention"));
  return groups;
}

PluginSettings MakePluginSettings(const Config& config, const std::string& kind) {
  PluginSettings settings;
  settings.kind = kind;
  for (const Entry& entry : config.entries()) {
    if (entry.spec.section != "plugins." + kind || entry.spec.key == "sha256") continue;
    if (entry.spec.key != "plugin") {
      settings.options.push_back({entry.spec.key, entry.spec.type, entry.value});
    } else if (const auto& plugin = std::get<std::string>(entry.value); plugin != "none") {
      settings.plugin = plugin;
    }
  }
  return settings;
}

LogLevel LevelOf(const std::string& name) {
  if (name == "debug") return LogLevel::kDebug;
  if (name == "warn") return LogLevel::kWarn;
  if (name == "error") return LogLevel::kError;
  return LogLevel::kInfo;
}

}  // namespace

Result<AdminSettings> ParseAdminListen(std::string_view text) {
  if (text == "unix") return AdminSettings{};
  if (text == "off") return AdminSettings{false, {}};
  auto address = ParseHostPort(text);
  if (!address.ok())
    return Error{ErrorCode::kConfig, "'" + std::string(text) + "' is not \"unix\", \"off\" or host:port"};
  if (!address->IsLoopback()) {
    return Error{ErrorCode::kConfig, address->ToString() +
                                         " is no loopback address, and there is no authentication yet: use 127.0.0.1, "
                                         "[::1] or \"unix\""};
  }
  return AdminSettings{true, *std::move(address)};
}

Settings MakeSettings(const Config& config) {
  Settings settings;
  settings.broker = MakeBrokerSettings(config);
  settings.groups = MakeGroupSettings(config);
  settings.raft.election_timeout = Milliseconds(config, "raft.election_timeout_ms");
  settings.raft.heartbeat_interval = Milliseconds(config, "raft.heartbeat_interval_ms");
  settings.raft.max_inflight_messages = Whole<uint32_t>(config, "raft.max_inflight_messages");
  settings.raft.recovery_bytes_per_second = Whole<uint64_t>(config, "raft.advanced.recovery_max_bytes_per_second");
  settings.raft.snapshot_max_log_bytes = Whole<uint64_t>(config, "raft.snapshot_max_log_size_mb") << 20;
  settings.raft.snapshot_min_interval_entries = Whole<uint64_t>(config, "raft.snapshot_min_interval_entries");
  settings.raft.max_append_bytes = Whole<uint32_t>(config, "raft.advanced.max_append_entries_size");
  settings.cluster.enabled = config.Get<bool>("cluster.enabled");
  settings.cluster.replication_factor = Whole<int16_t>(config, "cluster.replication_factor");
  settings.cluster.min_insync_replicas = Whole<int32_t>(config, "cluster.min_insync_replicas");
  settings.cluster.replica_lag_max = Milliseconds(config, "raft.advanced.replica_lag_max_ms");
  settings.cluster.replica_lag_max_entries = Whole<uint64_t>(config, "raft.advanced.replica_lag_max_entries");
  settings.cluster.join_timeout = Duration(config.Get<int64_t>("cluster.join_timeout"));
  settings.cluster.leadership_transfer = config.Get<bool>("raft.advanced.enable_leadership_transfer");
  settings.cluster.leadership_transfer_timeout = Milliseconds(config, "raft.advanced.leadership_transfer_timeout_ms");
  settings.cluster.peers = config.Get<std::vector<Peer>>("cluster.peers.nodes");
  settings.admin = ParseAdminListen(config.Get<std::string>("admin.listen")).value();  // CrossCheck refused others
  settings.log_store = MakePluginSettings(config, "log_store");
  settings.cluster.by_dns = config.Get<std::string>("cluster.discovery.mode") == "dns";
  settings.cluster.founders = Whole<uint32_t>(config, "cluster.discovery.founders");
  settings.discovery = MakePluginSettings(config, "discovery");
  settings.transport = MakePluginSettings(config, "transport");
  settings.metrics_exporter = MakePluginSettings(config, "metrics_exporter");
  settings.allow_volatile_log_store = config.Get<bool>("plugins.allow_volatile_log_store");
  settings.allow_ld_env = config.Get<bool>("plugins.allow_ld_env");
  settings.plugin_checks = config.Get<std::string>("plugins.checks");
  settings.log.level = LevelOf(config.Get<std::string>("log.level"));
  settings.log.directory = config.Get<std::string>("log.directory");
  return settings;
}

}  // namespace chronik::config
