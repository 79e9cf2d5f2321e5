// SPDX-License-Identifier: Apache-2.0
// Goal: the structs that the kernel is given hold what the configuration says. Method: set every effective key to a
// value that is not its default, and read the structs.
#include <gtest/gtest.h>

#include <chrono>

#include "kernel/config/loader.h"
#include "kernel/config/settings.h"

namespace chronik::config {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

Settings Load(const std::string& toml, std::vector<OptionSpec> log_store_options = {}) {
  Inputs inputs;
  inputs.files.push_back({"c.toml", toml});
  Loader loader(inputs);
  const std::string plugin = loader.PluginName("log_store");
  EXPECT_TRUE(loader.schema().AddPluginOptions("log_store", plugin, std::move(log_store_options)).ok());
  const Result<Config> config = loader.Finish();
  EXPECT_TRUE(config.ok()) << config.error();
  return MakeSettings(*config);
}

TEST(Settings, EveryBrokerKeyArrives) {
  const BrokerSettings broker = Load(R"(
[cluster]
node_id = 5
[broker]
listen = "0.0.0.0:1092"
advertised_listener = "b.example:2092"
http_listen = "[::1]:80"
data_dir = "/d"
plugin_dir = "/p"
shards = 2
auto_create_topics = false
fetch_from_followers = true
default_partitions = 6
max_connections = 77
connections_max_idle = "2m"
socket_request_max_bytes = "8MiB"
max_request_memory_per_connection = "9MiB"
max_request_memory = "10MiB"
message_max_bytes = "7MiB"
shutdown_timeout = "3s"
)")
                                    .broker;
  EXPECT_EQ(broker.node_id, NodeId(5));
  EXPECT_EQ(broker.listen.ToString(), "0.0.0.0:1092");
  EXPECT_EQ(broker.advertised_listener->ToString(), "b.example:2092");
  EXPECT_EQ(broker.http_listen.ToString(), "[::1]:80");
  EXPECT_EQ(broker.data_dir, "/d");
  EXPECT_EQ(broker.plugin_dir, "/p");
  EXPECT_EQ(broker.shards, 2u);
  EXPECT_FALSE(broker.auto_create_topics);
  EXPECT_TRUE(broker.fetch_from_followers);
  EXPECT_EQ(broker.default_partitions, 6);
  EXPECT_EQ(broker.max_connections, 77u);
  EXPECT_EQ(broker.connections_max_idle, seconds(120));
  EXPECT_EQ(broker.socket_request_bytes_max, 8u << 20);
  EXPECT_EQ(broker.connection_request_bytes_max, 9u << 20);
  EXPECT_EQ(broker.request_bytes_max, 10u << 20);
  EXPECT_EQ(broker.message_bytes_max, 7u << 20);
  EXPECT_EQ(broker.shutdown_timeout, seconds(3));
}

TEST(Settings, AnEmptyAddressIsNone) {
  const BrokerSettings broker = Load("[broker]\nadvertised_listener = \"\"\n").broker;
  EXPECT_FALSE(broker.advertised_listener.has_value());
}

TEST(Settings, RaftLogAndPlugins) {
  const Settings settings = Load(R"(
[raft]
election_timeout_ms = 700
heartbeat_interval_ms = 70
[log]
level = "warn"
directory = "/l"
[plugins]
allow_volatile_log_store = true
allow_ld_env = true
[plugins.log_store]
plugin = "faststore"
depth = 3
[plugins.metrics_exporter]
plugin = "none"
)",
                                 {*MakePluginOption("log_store", "depth", "int", "1", "", "Depth.", false)});
  EXPECT_EQ(settings.raft.election_timeout, milliseconds(700));
  EXPECT_EQ(settings.raft.heartbeat_interval, milliseconds(70));
  EXPECT_EQ(settings.log.level, LogLevel::kWarn);
  EXPECT_EQ(settings.log.directory, "/l");
  EXPECT_TRUE(settings.allow_volatile_log_store);
  EXPECT_TRUE(settings.allow_ld_env);
  EXPECT_EQ(settings.log_store.kind, "log_store");
  EXPECT_EQ(settings.log_store.plugin, "faststore");
  ASSERT_EQ(settings.log_store.options.size(), 1u);
  EXPECT_EQ(settings.log_store.options[0].key, "depth");
  EXPECT_EQ(settings.log_store.options[0].value, Value(int64_t{3}));
  EXPECT_EQ(settings.metrics_exporter.plugin, "");
}

}  // namespace
}  // namespace chronik::config
