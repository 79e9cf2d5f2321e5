// SPDX-License-Identifier: Apache-2.0
// Goal: what operators read is complete and true: --explain, --print-config and the manual. Method: exact texts for a
// key; the printed configuration is loaded again; the manual holds every key.
#include <gtest/gtest.h>

#include "kernel/config/explain.h"
#include "kernel/config/loader.h"

namespace chronik::config {
namespace {

using testing::HasSubstr;

std::vector<OptionSpec> StoreOptions() {
  return {*MakePluginOption("log_store", "size", "bytes", "64MiB", "1MiB..8GiB", "A|B.", true),
          *MakePluginOption("log_store", "token", "secret", "", "", "A secret.", false)};
}

Result<Config> Load(Inputs inputs) {
  Loader loader(std::move(inputs));
  const Status added = loader.schema().AddPluginOptions("log_store", "log_wal", StoreOptions());
  if (!added.ok()) return added.error();
  return loader.Finish();
}

TEST(Explain, OneKeyWithItsOrigin) {
  Inputs inputs;
  inputs.environment["CHRONIK_NODE_ID"] = "7";
  const Result<Config> config = Load(inputs);
  ASSERT_TRUE(config.ok()) << config.error();
  EXPECT_EQ(*Explain(*config, "cluster.node_id"),
            "cluster.node_id = 7\n"
            "  from      CHRONIK_NODE_ID\n"
            "  type      an integer\n"
            "  default   1\n"
            "  range     1..2147483647\n"
            "  variable  CHRONIK_NODE_ID\n"
            "  flag      --node-id\n"
            "            This node's id, unique in the cluster and kept for life; clients see it as the broker id.\n");
  EXPECT_THAT(*Explain(*config, "cluster"), HasSubstr("cluster.replication_factor = 3\n"));
  EXPECT_THAT(*Explain(*config, "raft.rpc_timeout_ms"), HasSubstr("Has no effect in this version"));
}

TEST(Explain, AnUnknownKeyGivesTheNearest) {
  const Result<Config> config = Load({});
  ASSERT_TRUE(config.ok()) << config.error();
  EXPECT_EQ(Explain(*config, "broker.lisen").error().message,
            "unknown key 'broker.lisen'; did you mean 'broker.listen'?");
  EXPECT_EQ(Explain(*config, "listen").error().message,
            "unknown key 'listen'; did you mean 'broker.listen', 'admin.listen'?");
  EXPECT_EQ(Explain(*config, "brokr").error().message, "unknown key 'brokr'; did you mean 'broker'?");
}

TEST(PrintConfig, IsAConfigurationFileWithOrigins) {
  Inputs inputs;
  inputs.files.push_back(
      {"c.toml", "[broker]\nshards = 3\nmessage_max_bytes = 2048\nconnections_max_idle = \"90s\"\n"});
  inputs.flags["data-dir"] = "/data/\"quoted\"";
  const Result<Config> config = Load(inputs);
  ASSERT_TRUE(config.ok()) << config.error();
  const std::string printed = PrintConfig(*config);
  EXPECT_THAT(printed, testing::ContainsRegex("shards = 3 +# c.toml:2\n"));
  EXPECT_THAT(printed, testing::ContainsRegex("listen = \"127.0.0.1:9092\" +# default\n"));
  EXPECT_THAT(printed, testing::ContainsRegex("# --data-dir\n"));

  Inputs again;
  again.files.push_back({"printed.toml", printed});
  const Result<Config> reloaded = Load(again);
  ASSERT_TRUE(reloaded.ok()) << reloaded.error();
  ASSERT_EQ(reloaded->entries().size(), config->entries().size());
  for (size_t i = 0; i < config->entries().size(); ++i) {
    EXPECT_EQ(reloaded->entries()[i].value, config->entries()[i].value) << config->entries()[i].spec.name();
  }
}

TEST(PrintConfig, SecretsStaySecret) {
  Inputs inputs;
  inputs.files.push_back({"c.toml", "[plugins.log_store]\ntoken = \"hunter2\"\n"});
  const Result<Config> config = Load(inputs);
  ASSERT_TRUE(config.ok()) << config.error();
  EXPECT_EQ(config->Get<std::string>("plugins.log_store.token"), "hunter2");
  EXPECT_THAT(PrintConfig(*config), HasSubstr("token = \"***\""));
  EXPECT_EQ(PrintConfig(*config).find("hunter2"), std::string::npos);
  EXPECT_EQ(Explain(*config, "plugins.log_store")->find("hunter2"), std::string::npos);
}

TEST(PrintConfig, AnOddFileNameCannotAddAKey) {
  Inputs inputs;
  inputs.files.push_back({"x\n[cluster]\nnode_id = 5 #", "[broker]\nshards = 3\n"});
  const Result<Config> config = Load(inputs);
  ASSERT_TRUE(config.ok()) << config.error();
  EXPECT_EQ(PrintConfig(*config).find("node_id = 5 #:"), PrintConfig(*config).find("?node_id = 5 #:") + 1);
}

TEST(Manual, HoldsEveryKeyAndThePluginsOwn) {
  Schema schema;
  ASSERT_TRUE(schema.AddPluginOptions("log_store", "log_wal", StoreOptions()).ok());
  const std::string manual = GenerateManual(schema);
  for (const OptionSpec& spec : KernelOptions()) {
    EXPECT_THAT(manual, HasSubstr("## [" + spec.section + "]"));
    EXPECT_THAT(manual, HasSubstr("| `" + spec.key + "` |"));
    EXPECT_THAT(manual, HasSubstr(spec.environment));
  }
  EXPECT_THAT(manual, HasSubstr("### plugin = \"log_wal\""));
  EXPECT_THAT(manual,
              HasSubstr("| `size` | a size, `1MiB..8GiB` | `\"64MiB\"` |  | A\\|B. *May change at run time.* |"));
}

}  // namespace
}  // namespace chronik::config
