// SPDX-License-Identifier: Apache-2.0
// Goal: nodes are found through a real name server, their coming and going is reported, and its failure costs nothing.
// Method: dnsmasq on loopback, restarted with other records on the same port.
#include "plugins/discovery_dns/options.h"
#include "plugins/discovery_dns/test_rig.h"

namespace chronik_discovery_dns {
namespace {

constexpr uint32_t kFresh = CHR_DISCOVERY_FRESH;
constexpr uint32_t kCached = CHR_DISCOVERY_CACHED;
constexpr uint32_t kFallback = CHR_DISCOVERY_FALLBACK;

std::string Srv(const std::string& target, int port) {
  return "srv-host=_chronik._tcp.test," + target + "," + std::to_string(port);
}

class RealServer : public testing::Test {
 protected:
  void SetUp() override {
    if (!Dnsmasq::Installed()) GTEST_SKIP() << "dnsmasq is not installed (apt-get install dnsmasq-base)";
  }
  void Serve(const std::vector<std::string>& lines) {
    server_ = nullptr;
    server_ = std::make_unique<Dnsmasq>(port_, lines);
  }
  std::map<std::string, std::string> Options(std::map<std::string, std::string> more = {}) const {
    more["servers"] = "127.0.0.1:" + std::to_string(port_);
    return more;
  }

  const uint16_t port_ = FreePort();
  std::unique_ptr<Dnsmasq> server_;
};

TEST_F(RealServer, NamesThePodsOfAStatefulSet) {
  Serve(
      {Srv("chronik-2.brokers.test", 9095), Srv("chronik-0.brokers.test", 9095), Srv("chronik-10.brokers.test", 9095)});
  Instance instance(Options());
  const Report report = instance.Await([](const Report&) { return true; });
  EXPECT_EQ(report.origin, kFresh);
  EXPECT_EQ(report.endpoints,
            (std::vector<std::string>{"1@chronik-0.brokers.test:9095", "3@chronik-2.brokers.test:9095",
                                      "11@chronik-10.brokers.test:9095"}));
}

TEST_F(RealServer, ReportsWhoComesAndGoes) {
  Serve({Srv("n1.test", 1), Srv("n2.test", 2)});
  Instance instance(Options({{"ordinal_base", "0"}}));
  instance.AwaitSet({"1@n1.test:1", "2@n2.test:2"}, kFresh);
  Serve({Srv("n1.test", 1), Srv("n2.test", 2), Srv("n3.test", 3)});
  instance.AwaitSet({"1@n1.test:1", "2@n2.test:2", "3@n3.test:3"}, kFresh);
  Serve({Srv("n2.test", 22), Srv("n3.test", 3)});
  instance.AwaitSet({"2@n2.test:22", "3@n3.test:3"}, kFresh);
}

TEST_F(RealServer, KeepsTheLastSetWhileTheServerIsAway) {
  Serve({Srv("n1.test", 1)});
  Instance instance(Options({{"ordinal_base", "0"}, {"nodes", "9@z.test:9"}}));
  instance.AwaitSet({"1@n1.test:1"}, kFresh);
  server_ = nullptr;
  const Report cached = instance.AwaitSet({"1@n1.test:1"}, kCached);
  EXPECT_NE(cached.message.find("_chronik._tcp.test"), std::string::npos) << cached.message;
  const size_t before = instance.count();
  Serve({Srv("n1.test", 1)});
  instance.Await([](const Report& r) { return r.origin == kFresh; }, before);
}

TEST_F(RealServer, FallsBackToTheConfiguredNodesUntilItAnswers) {
  Instance instance(Options({{"ordinal_base", "0"}, {"nodes", "7@seven.test:7,1@one.test:1"}}));
  const Report first = instance.Await([](const Report&) { return true; });
  EXPECT_EQ(first.origin, kFallback);
  EXPECT_EQ(first.endpoints, (std::vector<std::string>{"1@one.test:1", "7@seven.test:7"}));
  EXPECT_FALSE(first.message.empty());
  Serve({Srv("n1.test", 1)});
  instance.AwaitSet({"1@n1.test:1"}, kFresh);
}

TEST_F(RealServer, AServiceThatIsNotThereIsNotAnEmptySet) {
  Serve({"auth-zone=test", "auth-server=ns.test,127.0.0.1", "local=/test/", "host-record=other.test,127.0.0.1"});
  Instance nobody(Options());
  const Report failure = nobody.Await([](const Report&) { return true; });
  EXPECT_EQ(failure.status, CHR_E_NOT_FOUND) << failure.message;  // NXDOMAIN
  EXPECT_NE(failure.message.find("SRV _chronik._tcp.test"), std::string::npos) << failure.message;
  Instance no_records(Options({{"service", "other.test"}, {"nodes", "1@a:1"}}));
  const Report report = no_records.Await([](const Report&) { return true; });
  EXPECT_EQ(report.origin, kFallback);  // the name is there, without SRV records
}

TEST_F(RealServer, ALargeSetComesOverTcp) {
  std::vector<std::string> lines;
  constexpr int kNodes = 60;  // far more than the 512 bytes of an answer over UDP
  for (int i = 0; i < kNodes; ++i) lines.push_back(Srv("a-rather-long-name-" + std::to_string(i) + ".test", 9095));
  Serve(lines);
  Instance instance(Options());
  const Report report = instance.Await([](const Report&) { return true; });
  EXPECT_EQ(report.origin, kFresh) << report.message;
  EXPECT_EQ(report.endpoints.size(), size_t{kNodes});
}

TEST_F(RealServer, TheNextServerIsAskedWhenTheFirstIsAway) {
  Serve({Srv("n1.test", 1)});
  auto options = Options({{"ordinal_base", "0"}});
  options["servers"] = "127.0.0.1:" + std::to_string(FreePort()) + "," + options["servers"];
  Instance instance(options);
  instance.AwaitSet({"1@n1.test:1"}, kFresh);
}

TEST(Validation, NamesTheOptionThatIsWrong) {
  const std::pair<const char*, const char*> bad[] = {
      {"service", ""},       {"service", "two names"}, {"servers", "localhost:53"}, {"servers", "127.0.0.1"},
      {"servers", "[::1]"},  {"servers", "1.2.3.4:0"}, {"servers", "1.2.3.4:53,"},  {"nodes", "1@a"},
      {"refresh_min", "23h"}};
  for (const auto& [key, value] : bad) {
    std::map<std::string, std::string> options{{"service", "_a._tcp.b"}};
    options[key] = value;
    chronik::sdk::testing::FakeHost fake({.option_table = kOptions, .options = options});
    chronik::sdk::Host host(fake.raw());
    chr_error err{};
    err.struct_size = sizeof(err);
    EXPECT_EQ(chronik::sdk::Guard(&err, [&] { DnsDiscovery::Validate(host); }), CHR_E_CONFIG) << key << " " << value;
    EXPECT_NE(std::string_view(err.message).find(key), std::string_view::npos) << err.message;
  }
  CheckServers("10.0.0.1:53,[2001:db8::1]:5353");
}

TEST(NodeIds, AreReadFromTheFirstLabel) {
  const NodeIds zero{true, 0};
  EXPECT_EQ(NodeIdOf("chronik-2.brokers.test", zero), 2u);
  EXPECT_EQ(NodeIdOf("n007", zero), 7u);
  EXPECT_EQ(NodeIdOf("12.x3", zero), 12u);
  EXPECT_EQ(NodeIdOf("chronik-0.brokers", NodeIds{true, 1}), 1u);
  for (const char* none : {"broker.n2", "2n.test", "", "n18446744073709551616"}) EXPECT_EQ(NodeIdOf(none, zero), 0u);
  EXPECT_EQ(NodeIdOf("n18446744073709551615", NodeIds{true, 1}), 0u);
  EXPECT_EQ(NodeIdOf("n2", NodeIds{false, 0}), 0u);
}

}  // namespace
}  // namespace chronik_discovery_dns
