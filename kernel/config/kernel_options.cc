// SPDX-License-Identifier: Apache-2.0
// The kernel's own keys: the one table of what can be configured, in the order of the manual.
#include "kernel/config/schema.h"

namespace chronik::config {
namespace {

using Specs = std::vector<OptionSpec>;
using enum OptionType;

// clang-format off: a field a line would make a page of every four keys.

Specs BrokerOptions() {
  return {
      {.section = "broker", .key = "listen", .type = kHostPort, .default_text = "127.0.0.1:9092", .range = "",
       .doc = "Where Kafka clients connect. Port 0 lets the system choose; 0.0.0.0 stands for every address of this "
              "machine.",
       .flag = "listen"},
      {.section = "broker", .key = "advertised_listener", .type = kHostPort, .default_text = "", .range = "",
       .doc = "The address that clients are told to connect to, if it is not the one this process listens on "
              "(containers, NAT). Required when `listen` is 0.0.0.0 or [::].",
       .may_be_empty = true},
      {.section = "broker", .key = "rpc_listen", .type = kHostPort, .default_text = "", .range = "",
       .doc = "Where other nodes of the cluster connect; empty: the `rpc_addr` of this node's peer entry. What the "
              "transport's own key `listen` is, unless that is set.",
       .flag = "rpc-listen", .may_be_empty = true},
      {.section = "broker", .key = "http_listen", .type = kHostPort, .default_text = "127.0.0.1:9644", .range = "",
       .doc = "Where health, readiness and metrics are served over HTTP: what the metrics exporter's own key "
              "`listen` is, unless that is set. There is no authentication.",
       .flag = "http-listen"},
      {.section = "broker", .key = "data_dir", .type = kPath, .default_text = "./chronik-data", .range = "",
       .doc = "Everything this node stores. One process at a time may use it.", .flag = "data-dir"},
      {.section = "broker", .key = "plugin_dir", .type = kPath, .default_text = "", .range = "",
       .doc = "Where plugins are looked for.", .flag = "plugin-dir",
       .default_doc = "`../lib/chronik/plugins` beside the binary's folder", .may_be_empty = true},
      {.section = "broker", .key = "shards", .type = kInt, .default_text = "0", .range = "0..1024",
       .doc = "Threads that serve partitions and connections; 0: one for each core."},
      {.section = "broker", .key = "auto_create_topics", .type = kBool, .default_text = "true", .range = "",
       .doc = "Creates a topic when a client first asks for it."},
      {.section = "broker", .key = "default_partitions", .type = kInt, .default_text = "1", .range = "1..10000",
       .doc = "Partitions of a topic that is created without saying how many."},
      {.section = "broker", .key = "fetch_from_followers", .type = kBool, .default_text = "false", .range = "",
       .doc = "Serves committed records from followers, too, and sends consumers with a client.rack to one in their rack "
              "(KIP-392).",
       .environment = "CHRONIK_FETCH_FROM_FOLLOWERS"},
  };
}

Specs BrokerLimits() {
  return {
      {.section = "broker", .key = "max_connections", .type = kInt, .default_text = "10000", .range = "1..1000000",
       .doc = "Client connections at a time; one more is closed at once."},
      {.section = "broker", .key = "connections_max_idle", .type = kDuration, .default_text = "10m", .range = "1s..24h",
       .doc = "A connection without a request for so long is closed."},
      {.section = "broker", .key = "socket_request_max_bytes", .type = kBytes, .default_text = "100MiB",
       .range = "1KiB..1GiB", .doc = "The largest request; a client that announces a larger one is disconnected."},
      {.section = "broker", .key = "max_request_memory_per_connection", .type = kBytes, .default_text = "128MiB",
       .range = "1KiB..16GiB",
       .doc = "Requests of one connection that are not answered yet, half ones too, and answers that are not sent yet; "
              "beyond it the connection is not read from, and it waits for one Fetch (up to 55 MiB) at a time. At least "
              "`socket_request_max_bytes`."},
      {.section = "broker", .key = "max_request_memory", .type = kBytes, .default_text = "512MiB",
       .range = "1KiB..1TiB",
       .doc = "The same of all connections together; beyond it only one of them at a time is read from, besides small "
              "requests. At least `max_request_memory_per_connection`."},
      {.section = "broker", .key = "message_max_bytes", .type = kBytes, .default_text = "1048588",
       .range = "1KiB..1GiB",
       .doc = "The largest record batch, compressed as it comes. At most `socket_request_max_bytes`."},
      {.section = "broker", .key = "log_retention_bytes", .type = kInt, .default_text = "-1",
       .range = "-1..9223372036854775807",
       .doc = "Size of a partition from which on its oldest records are deleted; -1: any. A topic's `retention.bytes` "
              "comes first."},
      {.section = "broker", .key = "log_retention_check_interval", .type = kDuration, .default_text = "5m",
       .range = "100ms..24h", .doc = "How often leaders look for records that are older or more than is to be kept."},
      {.section = "broker", .key = "log_retention_ms", .type = kInt, .default_text = "604800000",
       .range = "-1..9223372036854775807",
       .doc = "Age at which records are deleted, by their timestamps; -1: never. A topic's `retention.ms` comes first."},
      {.section = "broker", .key = "shutdown_timeout", .type = kDuration, .default_text = "30s", .range = "1s..1h",
       .doc = "How long a stop waits for requests that are being served."},
  };
}

Specs AdminOptions() {
  return {
      {.section = "admin", .key = "listen", .type = kString, .default_text = "unix", .range = "",
       .doc = "Where `chronikctl` and other tools of operators ask over HTTP (docs/admin-api.md): `unix`, the socket "
              "`admin.sock` in the data directory, which only the broker's own user can open; `off`; or the host:port "
              "of a loopback address, which every user of this machine can reach. There is no authentication, so that "
              "other addresses are refused."},
  };
}

Specs LogOptions() {
  return {
      {.section = "log", .key = "level", .type = kEnum, .default_text = "info", .range = "",
       .choices = {"debug", "info", "warn", "error"}, .doc = "The least severe messages that are written."},
      {.section = "log", .key = "directory", .type = kPath, .default_text = "", .range = "",
       .doc = "Log files go here; empty: standard error only.", .may_be_empty = true},
  };
}

Specs PluginOptions() {
  return {
      {.section = "plugins", .key = "allow_volatile_log_store", .type = kBool, .default_text = "false", .range = "",
       .doc = "Lets a log store run that loses everything when the process ends, such as log_memory."},
      {.section = "plugins", .key = "allow_ld_env", .type = kBool, .default_text = "false", .range = "",
       .doc = "Loads plugins although LD_PRELOAD or LD_LIBRARY_PATH is set, which can replace their code."},
      {.section = "plugins", .key = "require_pin", .type = kBool, .default_text = "false", .range = "",
       .doc = "Refuses a plugin whose file is not pinned by `sha256`; for production."},
      {.section = "plugins", .key = "allow_draft", .type = kBool, .default_text = "false", .range = "",
       .doc = "Loads plugins that offer a draft interface, which the next version may change or drop."},
      {.section = "plugins", .key = "checks", .type = kEnum, .default_text = "auto", .range = "",
       .choices = {"auto", "off", "report", "full"},
       .doc = "Holds every plugin to the rules of its interface (interfaces/ABI.md) in each call. `report` logs and counts "
              "what it breaks, `full` ends the process too, `off` costs nothing; `auto`: `full` in a debug build of the "
              "broker, otherwise `off`.",
       .flag = "check-plugins"},
      {.section = "plugins.log_store", .key = "plugin", .type = kString, .default_text = "log_wal", .range = "",
       .doc = "What stores the logs of the partitions."},
      {.section = "plugins.log_store", .key = "sha256", .type = kString, .default_text = "", .range = "",
       .doc = "The SHA-256 of the plugin's file, which `--list-plugins` prints; no other file is loaded then. Empty: not "
              "checked. The libraries that the plugin needs are not covered.",
       .may_be_empty = true},
      {.section = "plugins.metrics_exporter", .key = "plugin", .type = kString, .default_text = "metrics_prometheus",
       .range = "", .doc = "What renders the metrics; empty or \"none\": nothing.", .may_be_empty = true},
      {.section = "plugins.metrics_exporter", .key = "sha256", .type = kString, .default_text = "", .range = "",
       .doc = "The SHA-256 of the plugin's file, which `--list-plugins` prints; no other file is loaded then. Empty: not "
              "checked. The libraries that the plugin needs are not covered.",
       .may_be_empty = true},
      {.section = "plugins.transport", .key = "plugin", .type = kString, .default_text = "transport_tcp", .range = "",
       .doc = "What carries messages between nodes; loaded if `cluster.enabled`."},
      {.section = "plugins.transport", .key = "sha256", .type = kString, .default_text = "", .range = "",
       .doc = "The SHA-256 of the plugin's file, which `--list-plugins` prints; no other file is loaded then. Empty: not "
              "checked. The libraries that the plugin needs are not covered.",
       .may_be_empty = true},
      {.section = "plugins.discovery", .key = "plugin", .type = kString, .default_text = "", .range = "",
       .doc = "What finds the other nodes; loaded if `cluster.enabled`. \"none\": nothing, [cluster.peers] is all there is.",
       .default_doc = "`discovery_static` or `discovery_dns`, by `cluster.discovery.mode`", .may_be_empty = true},
      {.section = "plugins.discovery", .key = "sha256", .type = kString, .default_text = "", .range = "",
       .doc = "The SHA-256 of the plugin's file, which `--list-plugins` prints; no other file is loaded then. Empty: not "
              "checked. The libraries that the plugin needs are not covered.",
       .may_be_empty = true},
      {.section = "plugins.snapshot_sink", .key = "plugin", .type = kString, .default_text = "", .range = "",
       .doc = "Where snapshots are kept outside the node.", .may_be_empty = true, .effective = false},
  };
}

Specs ClusterOptions() {
  return {
      {.section = "cluster", .key = "enabled", .type = kBool, .default_text = "false", .range = "",
       .doc = "Joins the nodes of [cluster.peers]; false: a single node.", .environment = "CHRONIK_CLUSTER_ENABLED"},
      {.section = "cluster", .key = "node_id", .type = kInt, .default_text = "1", .range = "1..2147483647",
       .doc = "This node's id, unique in the cluster and kept for life; clients see it as the broker id.",
       .environment = "CHRONIK_NODE_ID", .flag = "node-id"},
      {.section = "cluster", .key = "replication_factor", .type = kInt, .default_text = "3", .range = "1..15",
       .doc = "Replicas of a new partition, unless its creator says otherwise; 1 where `cluster.enabled` is false."},
      {.section = "cluster", .key = "join_timeout", .type = kDuration, .default_text = "5m", .range = "1s..24h",
       .doc = "How long a starting node waits for a majority of [cluster.peers] before it gives up."},
      {.section = "cluster", .key = "min_insync_replicas", .type = kInt, .default_text = "2", .range = "1..15",
       .doc = "Replicas that must hold a record before a producer with acks=all is answered, unless the topic says "
              "otherwise; fewer in sync refuse it. At most `replication_factor`; no more than a topic has replicas."},
      {.section = "cluster.peers", .key = "nodes", .type = kPeers, .default_text = "", .range = "",
       .doc = "All nodes, this one too: `{ id, addr = \"host:kafka_port\", rpc_addr = \"host:port\", rack, "
              "datacenter }`; `rpc_addr` is the Kafka port + 10000 unless it is given. As a variable: "
              "`1@host:9092;rack=r1,2@host2:9092`.",
       .environment = "CHRONIK_CLUSTER_PEERS"},
      {.section = "cluster.discovery", .key = "mode", .type = kEnum, .default_text = "static", .range = "",
       .choices = {"static", "dns"},
       .doc = "How nodes find each other: by [cluster.peers], or by DNS SRV records; then the addresses there come "
              "before those of [cluster.peers], which are used until the DNS has answered and may be left out.",
       .environment = "CHRONIK_CLUSTER_DISCOVERY_MODE"},
      {.section = "cluster.discovery", .key = "dns_service", .type = kString, .default_text = "", .range = "",
       .doc = "The name whose SRV records list the nodes, like `_chronik._tcp.brokers.default.svc.cluster.local`: what "
              "the discovery's own key `service` is, unless that is set.",
       .environment = "CHRONIK_CLUSTER_DNS_SERVICE", .may_be_empty = true},
      {.section = "cluster.discovery", .key = "founders", .type = kInt, .default_text = "0", .range = "0..64",
       .doc = "Without [cluster.peers]: how many nodes the DNS names when the cluster is founded, the same on each of "
              "them. The first answer with exactly so many nodes, this one among them, is who founds it; with more or "
              "fewer a new node waits. 0: it joins a cluster that exists, and founds none."},
      {.section = "cluster.datacenters", .key = "local", .type = kString, .default_text = "", .range = "",
       .doc = "The datacenter of this node.", .may_be_empty = true, .effective = false},
      {.section = "cluster.datacenters", .key = "remotes", .type = kStringList, .default_text = "", .range = "",
       .doc = "The other datacenters.", .effective = false},
      {.section = "cluster.datacenters", .key = "replication_mode", .type = kEnum, .default_text = "async", .range = "",
       .choices = {"async", "sync"}, .doc = "Whether a producer waits for another datacenter.", .effective = false},
  };
}

Specs GroupOptions() {
  return {
      {.section = "groups", .key = "offsets_topic_partitions", .type = kInt, .default_text = "50", .range = "1..1000",
       .doc = "Partitions of `__consumer_offsets`, when the first consumer group has it created: over so many leaders "
              "the groups are spread. Cannot be changed later."},
      {.section = "groups", .key = "initial_rebalance_delay", .type = kDuration, .default_text = "3s",
       .range = "0s..10m",
       .doc = "How long an empty group waits for more members before its first assignment."},
      {.section = "groups", .key = "min_session_timeout", .type = kDuration, .default_text = "6s", .range = "1ms..24h",
       .doc = "The shortest session timeout that a member may ask for."},
      {.section = "groups", .key = "max_session_timeout", .type = kDuration, .default_text = "30m", .range = "1ms..24h",
       .doc = "The longest session timeout that a member may ask for."},
      {.section = "groups", .key = "offsets_retention", .type = kDuration, .default_text = "168h",
       .range = "1m..876000h",
       .doc = "How long the committed offsets of a group without members are kept."},
  };
}

Specs RaftOptions() {
  return {
      {.section = "raft", .key = "election_timeout_ms", .type = kInt, .default_text = "1000", .range = "50..60000",
       .doc = "A follower that hears nothing for so long stands for election. At least three times "
              "`heartbeat_interval_ms`.",
       .environment = "CHRONIK_RAFT_ELECTION_TIMEOUT_MS"},
      {.section = "raft", .key = "heartbeat_interval_ms", .type = kInt, .default_text = "100", .range = "10..20000",
       .doc = "How often a leader shows that it lives."},
      {.section = "raft", .key = "snapshot_max_log_size_mb", .type = kInt, .default_text = "64", .range = "1..1048576",
       .doc = "Log written since the last snapshot, in MiB, that asks for the next one. Of the metadata; partitions are "
              "cut off by retention.",
       .environment = "CHRONIK_RAFT_SNAPSHOT_SIZE_MB"},
      {.section = "raft", .key = "snapshot_min_interval_entries", .type = kInt, .default_text = "10000",
       .range = "1..1000000000", .doc = "The least number of entries between two snapshots."},
      {.section = "raft", .key = "snapshot_compression", .type = kEnum, .default_text = "zstd", .range = "",
       .choices = {"zstd", "gzip", "none"}, .doc = "How snapshots are compressed.", .effective = false},
      {.section = "raft", .key = "rpc_timeout_ms", .type = kInt, .default_text = "5000", .range = "10..600000",
       .doc = "When a request to another node counts as lost.", .effective = false},
      {.section = "raft", .key = "max_inflight_messages", .type = kInt, .default_text = "256", .range = "1..65536",
       .doc = "Appends on their way to one follower."},
      {.section = "raft.advanced", .key = "replica_lag_max_entries", .type = kInt, .default_text = "1000",
       .range = "1..1000000000", .doc = "A follower further behind leaves the in-sync replicas."},
      {.section = "raft.advanced", .key = "replica_lag_max_ms", .type = kInt, .default_text = "10000",
       .range = "100..3600000", .doc = "A follower behind for longer leaves the in-sync replicas."},
      {.section = "raft.advanced", .key = "enable_leadership_transfer", .type = kBool, .default_text = "true",
       .range = "",
       .doc = "A node that stops hands its leaderships over, so that clients see no gap."},
      {.section = "raft.advanced", .key = "leadership_transfer_timeout_ms", .type = kInt, .default_text = "5000",
       .range = "100..600000", .doc = "How long a stopping node waits until others have taken over all that it leads."},
      {.section = "raft.advanced", .key = "batch_append_entries", .type = kBool, .default_text = "true", .range = "",
       .doc = "Sends several entries in one message.", .effective = false},
      {.section = "raft.advanced", .key = "max_append_entries_size", .type = kInt, .default_text = "1048576",
       .range = "1024..67108864", .doc = "Bytes of entries in one message; one entry always goes."},
      {.section = "raft.advanced", .key = "recovery_max_bytes_per_second", .type = kBytes, .default_text = "256MiB",
       .range = "0..1TiB",
       .doc = "What followers that are far behind are sent from this node's disk, of all partitions together; 0: no limit. "
              "New messages are not held up by it."},
  };
}

// clang-format on
}  // namespace

const std::vector<OptionSpec>& KernelOptions() {
  static const Specs options = [] {
    Specs all;
    for (Specs part : {BrokerOptions(), BrokerLimits(), AdminOptions(), LogOptions(), ClusterOptions(), GroupOptions(),
                       RaftOptions(), PluginOptions()}) {
      for (OptionSpec& spec : part) all.push_back(std::move(spec));
    }
    return all;
  }();
  return options;
}

const std::vector<SectionDoc>& KernelSections() {
  static const std::vector<SectionDoc> sections = {
      {"broker", "This process: its listeners, directories and limits."},
      {"admin", "The endpoint for operators."},
      {"log", "What this process writes about itself."},
      {"plugins", "What holds for all plugins."},
      {"plugins.log_store", "The storage of partition logs. The plugin's own keys stand beside `plugin`."},
      {"plugins.metrics_exporter", "The format of the metrics at `/metrics`."},
      {"plugins.transport", "The messages between nodes."},
      {"plugins.discovery", "How nodes find each other."},
      {"plugins.snapshot_sink", "Snapshots outside the node."},
      {"cluster", "This node's place in its cluster."},
      {"cluster.peers", "The nodes of the cluster."},
      {"cluster.discovery", "Where the list of nodes comes from."},
      {"cluster.datacenters", "Clusters that span datacenters."},
      {"groups", "Consumer groups."},
      {"raft", "Consensus: timing, snapshots, flow."},
      {"raft.advanced", "Consensus: lag, leadership transfer, batching."},
  };
  return sections;
}

}  // namespace chronik::config
