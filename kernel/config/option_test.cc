// SPDX-License-Identifier: Apache-2.0
// Goal: every type's text form, range and printed form; the registry's own table is sound; a plugin's option table is
// checked as the ABI says. Method: tables of cases, and one walk over all kernel options.
#include <gtest/gtest.h>

#include <set>

#include "kernel/config/environment.h"
#include "kernel/config/nearest.h"
#include "kernel/config/option.h"
#include "kernel/config/peers.h"
#include "kernel/config/schema.h"

namespace chronik::config {
namespace {

using testing::HasSubstr;

OptionSpec Spec(OptionType type, std::string range = "") {
  OptionSpec spec;
  spec.section = "s";
  spec.key = "k";
  spec.type = type;
  spec.range = std::move(range);
  return spec;
}

std::string ErrorOf(const OptionSpec& spec, std::string_view text) {
  const Result<Value> value = ParseValue(spec, text);
  return value.ok() ? "no error" : value.error().message;
}

TEST(Bytes, ReadsUnitsAndWritesTheLargestWithoutLoss) {
  EXPECT_EQ(*ParseBytes("0"), 0);
  EXPECT_EQ(*ParseBytes("1048588"), 1048588);
  EXPECT_EQ(*ParseBytes("64MiB"), int64_t{64} << 20);
  EXPECT_EQ(*ParseBytes("2MB"), 2'000'000);
  EXPECT_EQ(*ParseBytes("8388607TiB"), int64_t{8388607} << 40);
  for (const char* bad : {"", "MiB", "-1", "1.5GiB", "64 MiB", "64mib", "1x", "8388608TiB", "99999999999999999999"}) {
    EXPECT_FALSE(ParseBytes(bad).ok()) << bad;
  }
  EXPECT_EQ(FormatBytes(int64_t{1} << 30), "1GiB");
  EXPECT_EQ(FormatBytes(1536), "1536");
  EXPECT_EQ(FormatBytes(3072), "3KiB");
  EXPECT_EQ(FormatBytes(0), "0");
}

TEST(Duration, ReadsUnitsAndRefusesANumberWithoutOne) {
  EXPECT_EQ(*ParseDuration("10ms"), 10'000'000);
  EXPECT_EQ(*ParseDuration("1h"), 3'600'000'000'000);
  EXPECT_EQ(*ParseDuration("2m"), *ParseDuration("2min"));
  EXPECT_EQ(*ParseDuration("7d"), *ParseDuration("168h"));
  EXPECT_EQ(*ParseDuration("0"), 0);
  for (const char* bad : {"", "5", "-5s", "1.5s", "5 s", "106752d", "s"}) EXPECT_FALSE(ParseDuration(bad).ok()) << bad;
  EXPECT_EQ(FormatDuration(90'000'000'000), "90s");
  EXPECT_EQ(FormatDuration(600'000'000'000), "10m");
  EXPECT_EQ(FormatDuration(1'500), "1500ns");
  EXPECT_EQ(FormatDuration(0), "0s");
}

TEST(HostPort, ReadsNamesAndBracketedIpv6) {
  EXPECT_EQ(*ParseHostPort("127.0.0.1:9092"), (HostPort{"127.0.0.1", 9092}));
  EXPECT_EQ(*ParseHostPort("broker-1.example.org:0"), (HostPort{"broker-1.example.org", 0}));
  EXPECT_EQ(*ParseHostPort("[::1]:65535"), (HostPort{"::1", 65535}));
  EXPECT_EQ(ParseHostPort("[fe80::1%eth0]:1")->ToString(), "[fe80::1%eth0]:1");
  for (const char* bad : {"", "host", "host:", ":9092", "host:65536", "host:-1", "host:9092x", "::1:9092", "[::1]",
                          "[host]:1", "a b:1", "[]:1", "a/b:1", "http://a:1"}) {
    EXPECT_FALSE(ParseHostPort(bad).ok()) << bad;
  }
}

TEST(Values, RangeIsInclusiveAndNamedInTheError) {
  const OptionSpec spec = Spec(OptionType::kBytes, "1MiB..8GiB");
  EXPECT_TRUE(ParseValue(spec, "1MiB").ok());
  EXPECT_TRUE(ParseValue(spec, "8GiB").ok());
  EXPECT_EQ(ErrorOf(spec, "1048575"), "1048575 is out of range 1MiB..8GiB");
  EXPECT_EQ(ErrorOf(spec, "9GiB"), "\"9GiB\" is out of range 1MiB..8GiB");
  EXPECT_EQ(ErrorOf(Spec(OptionType::kFloat, "0.0..1.0"), "1.25"), "1.25 is out of range 0.0..1.0");
  EXPECT_EQ(ErrorOf(Spec(OptionType::kInt, "-1..5"), "-2"), "-2 is out of range -1..5");
}

TEST(Values, EachTypeRefusesWhatItIsNot) {
  EXPECT_EQ(ErrorOf(Spec(OptionType::kInt), "5x"), "'5x' is not an integer");
  EXPECT_EQ(ErrorOf(Spec(OptionType::kInt), "99999999999999999999"), "'99999999999999999999' is not an integer");
  EXPECT_EQ(ErrorOf(Spec(OptionType::kBool), "yes"), "'yes' is neither true nor false");
  EXPECT_EQ(ErrorOf(Spec(OptionType::kFloat), "inf"), "'inf' is not a number");
  EXPECT_EQ(ErrorOf(Spec(OptionType::kPath), ""), "must not be empty");
  OptionSpec level = Spec(OptionType::kEnum);
  level.choices = {"zstd", "gzip", "none"};
  EXPECT_EQ(ErrorOf(level, "zsdt"), "'zsdt' is not one of zstd, gzip, none; did you mean 'zstd'?");
}

TEST(Values, ASecretIsNeitherPrintedNorQuotedInAnError) {
  const OptionSpec spec = Spec(OptionType::kSecret);
  EXPECT_EQ(FormatValue(spec, *ParseValue(spec, "hunter2")), "\"***\"");
  EXPECT_EQ(ErrorOf(spec, std::string_view("hunter2\0", 8)).find("hunter2"), std::string::npos);
}

TEST(Values, StringsAreQuotedForToml) {
  EXPECT_EQ(FormatValue(Spec(OptionType::kString), Value(std::string("a\"b\\c\n\x7f"))),
            "\"a\\\"b\\\\c\\u000A\\u007F\"");
  EXPECT_EQ(FormatValue(Spec(OptionType::kStringList), *ParseValue(Spec(OptionType::kStringList), "a, b")),
            "[\"a\", \"b\"]");
}

TEST(Peers, TextFormFillsInTheRpcAddress) {
  const auto peers = ParsePeers("1@a:9092;rack=r1, 2@[::1]:9092;rpc_addr=b:7;datacenter=east");
  ASSERT_TRUE(peers.ok()) << peers.error();
  ASSERT_EQ(peers->size(), 2u);
  EXPECT_EQ((*peers)[0], (Peer{1, {"a", 9092}, {"a", 19092}, "r1", ""}));
  EXPECT_EQ((*peers)[1], (Peer{2, {"::1", 9092}, {"b", 7}, "", "east"}));
  EXPECT_EQ(FormatPeers({(*peers)[0]}), "[{ id = 1, addr = \"a:9092\", rpc_addr = \"a:19092\", rack = \"r1\" }]");
}

TEST(Peers, RefusesWhatCannotBeACluster) {
  const auto error = [](std::string_view text) {
    const auto peers = ParsePeers(text);
    return peers.ok() ? "no error" : peers.error().message;
  };
  EXPECT_EQ(error("1@a:1,1@b:1"), "two peers with id 1");
  EXPECT_EQ(error("1@a:1,2@a:1"), "peers 1 and 2 both have a:1");
  EXPECT_EQ(error("1@a:1,2@b:1;rpc_addr=a:10001"), "peers 1 and 2 both have a:10001");
  EXPECT_EQ(error("1@a:60000"), "peer 1 needs an rpc_addr: port 60000 + 10000 is no port");
  EXPECT_THAT(error("a:1"), HasSubstr("is not a peer"));
  EXPECT_THAT(error("0@a:1"), HasSubstr("id must be 1.."));
  EXPECT_THAT(error("1@a:0"), HasSubstr("not 0"));
  EXPECT_THAT(error("1@a:1;rak=x"), HasSubstr("did you mean 'rack'?"));
  EXPECT_THAT(error("1@a:1;rack"), HasSubstr("not name=value"));
}

TEST(Nearest, ToleratesTyposButNotOtherWords) {
  EXPECT_EQ(EditDistance("listen", "lisetn"), 1u);  // neighbours swapped
  EXPECT_EQ(EditDistance("Listen", "listen"), 0u);
  EXPECT_EQ(EditDistance("", "abc"), 3u);
  EXPECT_EQ(NearestName("lisen", {"shards", "listen"}), "listen");
  EXPECT_EQ(NearestName("zzzzzz", {"shards", "listen"}), "");
  EXPECT_EQ(NearestName("x", {"a"}), "");
  EXPECT_EQ(NearestName(std::string(5000, 'a'), {std::string(5000, 'a')}), "");
  EXPECT_EQ(Suggestion("zzzzzz", {"shards", "listen"}), "; known: shards, listen");
  EXPECT_EQ(Suggestion("listen", {"shards", "listen"}), "");
}

TEST(Environment, KubernetesServiceLinksAreNotOurs) {
  EXPECT_TRUE(IsKubernetesServiceLink("CHRONIK_SERVICE_HOST", "10.0.0.7"));
  EXPECT_TRUE(IsKubernetesServiceLink("CHRONIK_HEADLESS_SERVICE_PORT_KAFKA", "9092"));
  EXPECT_TRUE(IsKubernetesServiceLink("CHRONIK_PORT", "tcp://10.0.0.7:9092"));
  EXPECT_TRUE(IsKubernetesServiceLink("CHRONIK_PORT_9092_TCP_ADDR", "10.0.0.7"));
  EXPECT_FALSE(IsKubernetesServiceLink("CHRONIK_PORT", "9092"));
  EXPECT_FALSE(IsKubernetesServiceLink("CHRONIK_PORT_9092", "1"));
  EXPECT_FALSE(IsKubernetesServiceLink("CHRONIK_PORT_9092_TCP_X", "1"));
  EXPECT_FALSE(IsKubernetesServiceLink("CHRONIK_NODE_ID", "1"));
}

TEST(KernelOptions, EachDefaultIsValidAndEachNameIsUsedOnce) {
  std::set<std::string> names, variables, flags, sections;
  for (const SectionDoc& section : KernelSections()) sections.emplace(section.name);
  for (const OptionSpec& spec : KernelOptions()) {
    EXPECT_TRUE(names.insert(spec.name()).second) << spec.name();
    EXPECT_TRUE(spec.environment.empty() || variables.insert(spec.environment).second) << spec.environment;
    EXPECT_TRUE(spec.flag.empty() || flags.insert(spec.flag).second) << spec.flag;
    EXPECT_TRUE(sections.contains(spec.section)) << spec.section;
    EXPECT_FALSE(spec.doc.empty()) << spec.name();
    ASSERT_TRUE(spec.default_text.has_value()) << spec.name();
    const Result<Value> value = ParseValue(spec, *spec.default_text);
    EXPECT_TRUE(value.ok()) << spec.name() << ": " << value.error();
  }
  const std::set<std::string> expected = {"CHRONIK_CLUSTER_ENABLED",
                                          "CHRONIK_NODE_ID",
                                          "CHRONIK_RAFT_ELECTION_TIMEOUT_MS",
                                          "CHRONIK_RAFT_SNAPSHOT_SIZE_MB",
                                          "CHRONIK_CLUSTER_PEERS",
                                          "CHRONIK_CLUSTER_DISCOVERY_MODE",
                                          "CHRONIK_CLUSTER_DNS_SERVICE",
                                          "CHRONIK_FETCH_FROM_FOLLOWERS"};
  EXPECT_EQ(variables, expected);
}

TEST(PluginOptions, TheAbisTableBecomesASpec) {
  const auto spec = MakePluginOption("log_store", "journal_file_size", "bytes", "64MiB", "1MiB..8GiB", "doc", true);
  ASSERT_TRUE(spec.ok()) << spec.error();
  EXPECT_EQ(spec->name(), "plugins.log_store.journal_file_size");
  EXPECT_TRUE(spec->dynamic);
  const auto sync = MakePluginOption("log_store", "sync", "enum:always,interval", "always", "", "doc", false);
  ASSERT_TRUE(sync.ok()) << sync.error();
  EXPECT_EQ(sync->choices, (std::vector<std::string>{"always", "interval"}));
  EXPECT_TRUE(MakePluginOption("log_store", "token", "secret", std::nullopt, "", "doc", false).ok());
}

TEST(PluginOptions, ABrokenTableIsRefusedWithTheOptionsName) {
  const auto error = [](std::string_view key, std::string_view type, std::optional<std::string_view> value,
                        std::string_view range) {
    const auto spec = MakePluginOption("log_store", key, type, value, range, "doc", false);
    return spec.ok() ? "no error" : spec.error().message;
  };
  EXPECT_THAT(error("Size", "int", "1", ""), HasSubstr("'Size': a key is [a-z][a-z0-9_]*"));
  EXPECT_THAT(error("", "int", "1", ""), HasSubstr("a key is"));
  EXPECT_THAT(error("plugin", "int", "1", ""), HasSubstr("names the plugin itself"));
  EXPECT_THAT(error("sha256", "string", "1", ""), HasSubstr("pins the plugin's file"));
  EXPECT_THAT(error("a", "number", "1", ""), HasSubstr("unknown type 'number'"));
  EXPECT_THAT(error("a", "enum:", "1", ""), HasSubstr("without a choice"));
  EXPECT_THAT(error("a", "enum:x,y", "z", ""), HasSubstr("its default: 'z' is not one of x, y"));
  EXPECT_THAT(error("a", "int", "9", "1..5"), HasSubstr("its default: 9 is out of range 1..5"));
  EXPECT_THAT(error("a", "int", std::nullopt, "5..1"), HasSubstr("its range"));
  EXPECT_THAT(error("a", "bytes", "1MiB", "1MiB"), HasSubstr("is not a..b"));
  EXPECT_THAT(error("a", "string", "x", "1..5"), HasSubstr("only numbers have a range"));
}

}  // namespace
}  // namespace chronik::config
