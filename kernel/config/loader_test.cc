// SPDX-License-Identifier: Apache-2.0
// Goal: the order of the layers, and that every mistake is refused with its place and the nearest valid name, all at
// once. Method: texts in, the Config or the exact lines of the error out; TOML and JSON alike.
#include <gtest/gtest.h>

#include "kernel/config/loader.h"

namespace chronik::config {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

Inputs Toml(std::string text) {
  Inputs inputs;
  inputs.files.push_back({"c.toml", std::move(text)});
  return inputs;
}

Result<Config> Load(Inputs inputs) { return Loader(std::move(inputs)).Finish(); }

std::vector<std::string> Lines(const Result<Config>& config) {
  std::vector<std::string> lines;
  if (config.ok()) return lines;
  EXPECT_EQ(config.error().code, ErrorCode::kConfig);
  std::istringstream text(config.error().message);
  for (std::string line; std::getline(text, line);) lines.push_back(line);
  return lines;
}

std::vector<std::string> Problems(std::string toml) { return Lines(Load(Toml(std::move(toml)))); }

std::vector<OptionSpec> WalOptions() {
  std::vector<OptionSpec> specs;
  specs.push_back(*MakePluginOption("log_store", "journal_file_size", "bytes", "64MiB", "1MiB..8GiB", "Size.", false));
  specs.push_back(*MakePluginOption("log_store", "sync", "enum:always,interval", "always", "", "When.", true));
  return specs;
}

TEST(Loader, NothingConfiguredIsASingleNode) {
  const Result<Config> config = Load({});
  ASSERT_TRUE(config.ok()) << config.error();
  EXPECT_EQ(config->Get<int64_t>("cluster.node_id"), 1);
  EXPECT_EQ(config->Get<HostPort>("broker.listen"), (HostPort{"127.0.0.1", 9092}));
  EXPECT_EQ(config->Find("broker.listen")->origin.where, "default");
  EXPECT_EQ(config->Find("broker.nonesuch"), nullptr);
}

TEST(Loader, FlagsBeatVariablesBeatFilesBeatDefaults) {
  Inputs inputs = Toml("[cluster]\nnode_id = 2\n");
  const auto node_id = [&inputs] {
    const Result<Config> config = Load(inputs);
    if (!config.ok()) return config.error().message;
    const Entry* entry = config->Find("cluster.node_id");
    return std::to_string(std::get<int64_t>(entry->value)) + " from " + entry->origin.where;
  };
  EXPECT_EQ(node_id(), "2 from c.toml:2");
  inputs.environment["CHRONIK_NODE_ID"] = "3";
  EXPECT_EQ(node_id(), "3 from CHRONIK_NODE_ID");
  inputs.flags["node-id"] = "4";
  EXPECT_EQ(node_id(), "4 from --node-id");
  inputs = {};
  EXPECT_EQ(node_id(), "1 from default");
}

TEST(Loader, DefaultsThatDependOnTheProcess) {
  Inputs inputs;
  inputs.defaults["broker.plugin_dir"] = "/opt/chronik/lib";
  const Result<Config> config = Load(inputs);
  ASSERT_TRUE(config.ok()) << config.error();
  EXPECT_EQ(config->Get<std::string>("broker.plugin_dir"), "/opt/chronik/lib");
  EXPECT_EQ(config->Find("broker.plugin_dir")->origin.layer, Origin::Layer::kDefault);
}

TEST(Loader, UnknownNamesAreRefusedWithPlaceAndNearestName) {
  EXPECT_THAT(Problems("[broker]\nlisen = \"a:1\"\n"),
              ElementsAre("c.toml:2: broker.lisen: unknown key; did you mean 'listen'?"));
  EXPECT_THAT(Problems("[cluster]\n\nlisten = \"a:1\"\n"),
              ElementsAre("c.toml:3: cluster.listen: unknown key; did you mean 'broker.listen'?"));
  EXPECT_THAT(Problems("[brokr]\nx = 1\n"), ElementsAre("c.toml:1: brokr: unknown section; did you mean 'broker'?"));
  EXPECT_THAT(Problems("[plugins.log_stor]\nplugin = \"x\"\n"),
              ElementsAre("c.toml:1: plugins.log_stor: unknown kind of plugin; did you mean 'log_store'?"));
  EXPECT_THAT(Problems("node_id = 5\n"),
              ElementsAre("c.toml:1: node_id: stands in no section; did you mean 'cluster.node_id'?"));
  EXPECT_THAT(Problems("broker = 1\n"),
              ElementsAre("c.toml:1: broker: is a section, not a key: write [broker] above its keys"));
}

TEST(Loader, UnknownVariablesAreRefusedButNotThoseOfOthers) {
  Inputs inputs;
  inputs.environment = {{"PATH", "/bin"}, {"CHRONIK_SERVICE_HOST", "10.0.0.1"}, {"CHRONIK_NODEID", "3"}};
  EXPECT_THAT(Lines(Load(inputs)),
              ElementsAre("CHRONIK_NODEID: unknown environment variable; did you mean 'CHRONIK_NODE_ID'?"));
  inputs.environment = {{"CHRONIK_NODE_ID", "three"}};
  EXPECT_THAT(Lines(Load(inputs)), ElementsAre("CHRONIK_NODE_ID: cluster.node_id: 'three' is not an integer"));
  inputs.environment.clear();
  inputs.flags = {{"listen", "9092"}};
  EXPECT_THAT(Lines(Load(inputs)),
              ElementsAre("--listen: broker.listen: '9092' is not host:port: the port is missing"));
}

TEST(Loader, WrongTypesAndRangesAreRefusedAtTheirLine) {
  EXPECT_THAT(Problems("[broker]\nshards = \"4\"\n"),
              ElementsAre("c.toml:2: broker.shards: expects an integer, got a string"));
  EXPECT_THAT(Problems("[broker]\nshards = 1025\n"),
              ElementsAre("c.toml:2: broker.shards: 1025 is out of range 0..1024"));
  EXPECT_THAT(Problems("[broker]\nauto_create_topics = 1\n"),
              ElementsAre("c.toml:2: broker.auto_create_topics: expects true or false, got an integer"));
  EXPECT_THAT(Problems("[broker]\nshutdown_timeout = 5\n"),
              ElementsAre("c.toml:2: broker.shutdown_timeout: a duration needs a unit, as in \"5ms\""));
  EXPECT_THAT(Problems("[broker]\nmessage_max_bytes = -1\n"),
              ElementsAre("c.toml:2: broker.message_max_bytes: a size cannot be negative"));
  EXPECT_THAT(Problems("[broker]\ndata_dir = 1979-05-27\n"),
              ElementsAre("c.toml:2: broker.data_dir: expects a path, got a date or a time"));
  EXPECT_THAT(Problems("[log]\nlevel = \"inof\"\n"),
              ElementsAre("c.toml:2: log.level: 'inof' is not one of debug, info, warn, error; did you mean 'info'?"));
}

TEST(Loader, AMistakeInTheFileDoesNotHideBehindAnOverride) {
  Inputs inputs = Toml("[broker]\nlisten = \"nonsense\"\n");
  inputs.flags["listen"] = "127.0.0.1:1";
  EXPECT_THAT(Lines(Load(inputs)), ElementsAre(HasSubstr("c.toml:2: broker.listen: 'nonsense'")));
}

TEST(Loader, AllProblemsAreReportedAtOnce) {
  Inputs inputs = Toml("[broker]\nlisen = 1\nshards = -1\n[rafd]\n");
  inputs.environment["CHRONIK_FOO"] = "1";
  inputs.flags["node-id"] = "0";
  inputs.problems = {"missing.toml: cannot be opened"};
  EXPECT_EQ(Lines(Load(inputs)).size(), 6u);
}

TEST(Loader, JsonHasTheSameKeysAndLines) {
  Inputs inputs;
  inputs.files.push_back(
      {"c.json", "{\n  \"broker\": {\n    \"shards\": 2,\n    \"message_max_bytes\": \"2MiB\"\n  }\n}\n"});
  const Result<Config> config = Load(inputs);
  ASSERT_TRUE(config.ok()) << config.error();
  EXPECT_EQ(config->Get<int64_t>("broker.message_max_bytes"), 2 << 20);
  EXPECT_EQ(config->Find("broker.shards")->origin.where, "c.json:3");
  inputs.files[0].text = "{ \"broker\": {\n \"shrads\": 2 } }";
  EXPECT_THAT(Lines(Load(inputs)), ElementsAre("c.json:2: broker.shrads: unknown key; did you mean 'shards'?"));
  inputs.files[0].text = "{ \"broker\":\n oops }";
  EXPECT_THAT(Lines(Load(inputs)), ElementsAre(HasSubstr("c.json:2: ")));
}

TEST(Loader, AKeyStandsInOneFileOnly) {
  Inputs inputs = Toml("[broker]\nshards = 2\n");
  inputs.files.push_back({"cluster.toml", "[cluster]\nnode_id = 7\n"});
  ASSERT_TRUE(Load(inputs).ok());
  inputs.files.back().text = "[broker]\n\nshards = 3\n";
  EXPECT_THAT(Lines(Load(inputs)), ElementsAre("cluster.toml:3: broker.shards: stands at c.toml:2 too"));
}

TEST(Loader, KeysWithoutEffectAreRefusedUnlessAtTheirDefault) {
  EXPECT_THAT(Problems("[cluster]\nenabled = false\nreplication_factor = 3\n"), ElementsAre());
  EXPECT_THAT(
      Problems("[raft]\nsnapshot_compression = \"gzip\"\n"),
      ElementsAre("c.toml:2: raft.snapshot_compression: has no effect in this version of chronik; only its default "
                  "\"zstd\" is accepted"));
}

TEST(Loader, PeersAreCheckedOneByOne) {
  const std::vector<std::string> problems = Problems(
      "[cluster]\nnode_id = 9\n[cluster.peers]\nnodes = [\n  { id = 1, addr = \"a:1\" },\n  { id = 1, addr = \"b:1\" "
      "},\n"
      "  { id = 2 },\n  { addr = \"c:1\" },\n  { id = 4, adr = \"d:1\" },\n  { id = \"5\", addr = \"e:1\" },\n  "
      "7,\n]\n");
  EXPECT_THAT(problems,
              ElementsAre("c.toml:6: cluster.peers.nodes: two peers with id 1",
                          "c.toml:7: cluster.peers.nodes: peer 2 without addr",
                          "c.toml:8: cluster.peers.nodes: a peer without id",
                          "c.toml:9: cluster.peers.nodes: unknown field 'adr' of a peer; did you mean 'addr'?",
                          "c.toml:10: cluster.peers.nodes: field 'id' of a peer cannot be a string",
                          HasSubstr("c.toml:11: cluster.peers.nodes: expects peers such as")));
}

TEST(Loader, TextThatIsNoUtf8IsRefusedFromEverySource) {
  for (const char* bad :
       {"\xff", "\x80", "\xc0\x80", "\xe2\x82", "\xed\xa0\x80", "\xf4\x90\x80\x80", "a\xf0\x9f\x98"}) {
    Inputs inputs;
    inputs.flags["data-dir"] = bad;
    EXPECT_THAT(Lines(Load(inputs)), ElementsAre(HasSubstr("is not UTF-8"))) << bad;
  }
  Inputs peers;
  peers.environment["CHRONIK_CLUSTER_PEERS"] = "1@a:9092;rack=x\xff";
  EXPECT_THAT(Lines(Load(peers)), ElementsAre(HasSubstr("rack is not UTF-8")));
  Inputs json;
  json.files.push_back({"c.json", "{\"broker\": {\"data_dir\": \"\xff\"}}"});
  EXPECT_THAT(Lines(Load(json)), ElementsAre(HasSubstr("is not UTF-8")));
  Inputs good;
  good.flags["data-dir"] = "/r\u00f6\u20ac\U0001F600";
  EXPECT_TRUE(Load(good).ok());
}

TEST(Loader, OwnIdMustBeAmongThePeers) {
  EXPECT_THAT(Problems("[cluster]\nnode_id = 9\n[cluster.peers]\nnodes = [{ id = 1, addr = \"a:1\" }]\n"),
              testing::Contains("c.toml:4: cluster.peers.nodes: this node, cluster.node_id = 9, is not among them"));
}

TEST(Loader, WhoFoundsIsSaidByThePeersOrByANumber) {
  const std::string peers = "[cluster.peers]\nnodes = [{ id = 1, addr = \"a:1\" }]\n";
  EXPECT_THAT(
      Problems(peers + "[cluster.discovery]\nfounders = 3\n"),
      ElementsAre("c.toml:4: cluster.discovery.founders: cluster.peers.nodes says who founds the cluster: set one "
                  "of the two"));
  EXPECT_THAT(Problems("[cluster.discovery]\nfounders = 3\n"), ElementsAre());
}

TEST(LoaderPlugins, ADiscoveryStartsFromWhatTheClusterSays) {
  Loader loader(
      Toml("[cluster.peers]\nnodes = [{ id = 1, addr = \"a:1\" }, { id = 2, addr = \"b:1\", rpc_addr = "
           "\"[::1]:7\" }]\n[cluster.discovery]\nmode = \"dns\"\ndns_service = \"_c._tcp.test\"\n"));
  std::vector<OptionSpec> options;
  for (const char* key : {"nodes", "service"})
    options.push_back(*MakePluginOption("discovery", key, "string", std::nullopt, "", "", false));
  ASSERT_TRUE(loader.schema().AddPluginOptions("discovery", "discovery_dns", std::move(options)).ok());
  const auto config = loader.Finish();
  ASSERT_TRUE(config.ok()) << config.error().message;
  EXPECT_EQ(config->Get<std::string>("plugins.discovery.plugin"), "discovery_dns");
  EXPECT_EQ(config->Get<std::string>("plugins.discovery.nodes"), "1@a:10001,2@[::1]:7");
  EXPECT_EQ(config->Get<std::string>("plugins.discovery.service"), "_c._tcp.test");
}

TEST(Loader, RulesAcrossKeys) {
  EXPECT_THAT(
      Problems("[raft]\nelection_timeout_ms = 299\n"),
      ElementsAre("c.toml:2: raft.election_timeout_ms: 299 is less than three times raft.heartbeat_interval_ms, 100"));
  EXPECT_THAT(Problems("[raft]\nelection_timeout_ms = 300\n"), ElementsAre());
  EXPECT_THAT(
      Problems("[broker]\nmessage_max_bytes = \"101MiB\"\n"),
      ElementsAre("c.toml:2: broker.message_max_bytes: \"101MiB\" is more than broker.socket_request_max_bytes, "
                  "\"100MiB\""));
  EXPECT_THAT(Problems("[broker]\nlisten = \"0.0.0.0:9092\"\n"),
              ElementsAre(HasSubstr("set broker.advertised_listener")));
  EXPECT_THAT(Problems("[broker]\nlisten = \"0.0.0.0:9092\"\nadvertised_listener = \"b:9092\"\n"), ElementsAre());
  EXPECT_THAT(Problems("[broker]\nhttp_listen = \"127.0.0.1:9092\"\n"), ElementsAre(HasSubstr("the same address")));
  EXPECT_THAT(Problems("[broker]\nlisten = \"a:0\"\nhttp_listen = \"a:0\"\n"), ElementsAre());
}

TEST(Loader, TheAdminEndpointStaysOnThisMachine) {
  for (const char* good : {"unix", "off", "127.0.0.1:9645", "127.1.2.3:0", "[::1]:9645", "localhost:9645"})
    EXPECT_THAT(Problems("[admin]\nlisten = \"" + std::string(good) + "\"\n"), ElementsAre()) << good;
  for (const char* bad :
       {"0.0.0.0:9645", "[::]:1", "192.0.2.1:9645", "127.example.org:1", "127.0.0.1.2:1", "127.0.0:1"})
    EXPECT_THAT(Problems("[admin]\nlisten = \"" + std::string(bad) + "\"\n"),
                ElementsAre(AllOf(HasSubstr("c.toml:2: admin.listen"), HasSubstr("no authentication yet"))))
        << bad;
  EXPECT_THAT(Problems("[admin]\nlisten = \"yes\"\n"), ElementsAre(HasSubstr("is not \"unix\", \"off\" or host:port")));
}

TEST(LoaderPlugins, TheDocumentsNameThePluginsBeforeTheirOptionsAreKnown) {
  Loader loader(Toml("[plugins.log_store]\nplugin = \"log_memory\"\n[plugins.metrics_exporter]\nplugin = \"none\"\n"));
  EXPECT_EQ(loader.PluginName("log_store"), "log_memory");
  EXPECT_EQ(loader.PluginName("metrics_exporter"), "");
  EXPECT_EQ(loader.PluginName("transport"), "transport_tcp");
  EXPECT_EQ(loader.PluginName("discovery"), "discovery_static");
  Loader dns(Toml("[cluster.discovery]\nmode = \"dns\"\n"));
  EXPECT_EQ(dns.PluginName("discovery"), "discovery_dns");
  Loader chosen(Toml("[cluster.discovery]\nmode = \"dns\"\n[plugins.discovery]\nplugin = \"mine\"\n"));
  EXPECT_EQ(chosen.PluginName("discovery"), "mine");
  Loader none(Toml("[plugins.discovery]\nplugin = \"none\"\n"));
  EXPECT_EQ(none.PluginName("discovery"), "");
  Loader defaults({});
  EXPECT_EQ(defaults.PluginName("log_store"), "log_wal");
  EXPECT_EQ(defaults.PluginName("metrics_exporter"), "metrics_prometheus");
}

TEST(LoaderPlugins, APluginsKeysAreCheckedAsTheKernelsOwn) {
  Loader good(Toml("[plugins.log_store]\njournal_file_size = \"128MiB\"\n"));
  ASSERT_TRUE(good.schema().AddPluginOptions("log_store", "log_wal", WalOptions()).ok());
  const Result<Config> config = good.Finish();
  ASSERT_TRUE(config.ok()) << config.error();
  EXPECT_EQ(config->Get<int64_t>("plugins.log_store.journal_file_size"), 128 << 20);
  EXPECT_EQ(config->Get<std::string>("plugins.log_store.sync"), "always");

  Loader bad(Toml("[plugins.log_store]\njournal_file_size = \"1KiB\"\nsink = \"always\"\n"));
  ASSERT_TRUE(bad.schema().AddPluginOptions("log_store", "log_wal", WalOptions()).ok());
  EXPECT_THAT(Lines(bad.Finish()),
              ElementsAre("c.toml:3: plugins.log_store.sink: unknown key; did you mean 'sync'?",
                          "c.toml:2: plugins.log_store.journal_file_size: \"1KiB\" is out of range 1MiB..8GiB"));
}

TEST(LoaderPlugins, TheExporterListensAtTheBrokersHttpAddressUnlessItHasItsOwn) {
  const auto listen = [](Inputs inputs) {
    Loader loader(std::move(inputs));
    const std::vector<OptionSpec> specs = {
        *MakePluginOption("metrics_exporter", "listen", "string", "127.0.0.1:9644", "", "Where.", false)};
    EXPECT_TRUE(loader.schema().AddPluginOptions("metrics_exporter", "metrics_prometheus", specs).ok());
    const Result<Config> config = loader.Finish();
    EXPECT_TRUE(config.ok()) << config.error();
    const Entry* entry = config->Find("plugins.metrics_exporter.listen");
    return std::get<std::string>(entry->value) + " from " + entry->origin.where;
  };
  Inputs flag;
  flag.flags["http-listen"] = "[::1]:80";
  EXPECT_EQ(listen(flag), "[::1]:80 from broker.http_listen");
  Inputs own = Toml("[plugins.metrics_exporter]\nlisten = \"127.0.0.1:1\"\n");
  own.flags["http-listen"] = "[::1]:80";
  EXPECT_EQ(listen(own), "127.0.0.1:1 from c.toml:2");
}

TEST(LoaderPlugins, ARequiredKeyMustBeSet) {
  std::vector<OptionSpec> specs = {
      *MakePluginOption("log_store", "bucket", "string", std::nullopt, "", "Where.", false)};
  Loader loader({});
  ASSERT_TRUE(loader.schema().AddPluginOptions("log_store", "log_wal", specs).ok());
  EXPECT_THAT(Lines(loader.Finish()),
              ElementsAre("plugins.log_store.bucket: is required and has no default; it must be a string"));
}

TEST(LoaderPlugins, ARefusedPluginIsReportedWithTheOtherProblems) {
  Loader loader(Toml("[plugins.log_store]\nplugin = \"log_wall\"\njournal_file_size = 1\n[broker]\nshards = -1\n"));
  loader.RefusePlugin("log_store", "there is no such plugin in /x", {"log_memory", "log_wal"});
  EXPECT_THAT(
      Lines(loader.Finish()),
      ElementsAre(
          "c.toml:2: plugins.log_store.plugin: 'log_wall': there is no such plugin in /x; did you mean 'log_wal'?",
          "c.toml:5: broker.shards: -1 is out of range 0..1024"));
}

TEST(LoaderPlugins, TheSchemaRefusesUnknownKindsAndKeysTwice) {
  Schema schema;
  EXPECT_FALSE(schema.AddPluginOptions("log_stor", "x", {}).ok());
  std::vector<OptionSpec> twice = WalOptions();
  twice.push_back(twice.front());
  EXPECT_THAT(schema.AddPluginOptions("log_store", "x", twice).error().message, HasSubstr("'journal_file_size' twice"));
}

}  // namespace
}  // namespace chronik::config
