// SPDX-License-Identifier: Apache-2.0
// Goal: what Prometheus and a supervisor get from the endpoint, and what those get who mean it no good.
// Method: the plugin is loaded and started as the broker does it, and asked over TCP by a client that reads exactly
// what HTTP says; the metrics text goes through a strict parser of the format.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include <chronik/sdk/testing/exposition.h>
#include <chronik/sdk/testing/http_client.h>

#include "kernel/host/plugin_host.h"

namespace chronik::host {
namespace {

using Client = sdk::testing::HttpClient;
using Response = sdk::testing::HttpAnswer;
using sdk::testing::Exposition;
using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;

// What /metrics says; a test failure where the text is not well-formed.
Exposition Read(const Response& response) {
  Exposition seen(response.body);
  EXPECT_THAT(seen.problems(), testing::IsEmpty());
  return seen;
}

class SteadyClock final : public Clock {
 public:
  Instant Now() const override { return Instant(std::chrono::steady_clock::now().time_since_epoch()); }
  WallTime WallNow() const override { return WallTime(std::chrono::milliseconds(0)); }
};

std::filesystem::path PluginDirectory() {
  const char* build = std::getenv("CHRONIK_BUILD");
  const auto of_this_program = std::filesystem::canonical("/proc/self/exe").parent_path().parent_path();
  return (build != nullptr ? std::filesystem::path(build) : of_this_program) / "lib/chronik/plugins";
}

class MetricsPrometheusTest : public testing::Test {
 protected:
  MetricsPrometheusTest() {
    const auto plugin = LoadPlugin({PluginDirectory(), true}, "metrics_prometheus");
    EXPECT_TRUE(plugin.ok()) << plugin.error();
    plugin_ = *plugin;
  }

  Result<std::unique_ptr<PluginInstance>> Launch(const std::string& listen) {
    auto instance = PluginInstance::Create(plugin_, CHR_METRICS_EXPORTER_1, services_,
                                           {"metrics_exporter", {{"listen", listen}}, {}});
    if (!instance.ok()) return instance;
    CHRONIK_RETURN_IF_ERROR((*instance)->Start(metrics_.source()));
    return instance;
  }
  // Of an instance that is up.
  std::string AddressOf(PluginInstance& instance) {
    char address[64];
    EXPECT_EQ(plugin_->metrics_exporter()->bound_address(instance.self(), address, sizeof address), CHR_OK);
    return address;
  }
  // Starts the one that most tests use.
  const std::string& Up() {
    auto instance = Launch("127.0.0.1:0");
    EXPECT_TRUE(instance.ok()) << instance.error();
    instance_ = std::move(*instance);
    return address_ = AddressOf(*instance_);
  }
  std::string Refusal(const std::string& listen, ErrorCode* code = nullptr) {
    const auto instance = Launch(listen);
    if (instance.ok()) return "accepted";
    if (code != nullptr) *code = instance.error().code;
    return instance.error().message;
  }

  SteadyClock clock_;
  MetricsRegistry metrics_;
  TaskPool tasks_;
  HostServices services_{&clock_, &metrics_, &tasks_, {}};
  LoadedPluginPtr plugin_;
  std::unique_ptr<PluginInstance> instance_;
  std::string address_;
};

TEST_F(MetricsPrometheusTest, PublishesTheRegistryInTheTextFormat) {
  metrics_.Counter("chronik_requests_total", "Requests\nby \\ kind", {{"api", "fetch"}}).Add(12);
  metrics_.Gauge("chronik_lag", "Lag", {{"topic", "a\"b\\c\nd"}, {"partition", "0"}}).Set(-2.5);
  metrics_.Gauge("chronik_nan", "").Set(std::nan(""));
  Metric& wait = metrics_.Histogram("chronik_wait_seconds", "seconds", "Waits");
  for (const double value : {0.001, 0.002, 100.0}) wait.Observe(value);
  const Response response = Client(Up()).Get("/metrics");
  EXPECT_EQ(response.status(), 200u);
  EXPECT_THAT(response.head, HasSubstr("Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n"));

  const Exposition seen = Read(response);
  EXPECT_EQ(seen.Find("chronik_requests_total", {{"api", "fetch"}}), 12);
  EXPECT_EQ(seen.Find("chronik_lag", {{"partition", "0"}, {"topic", "a\"b\\c\nd"}}), -2.5);
  EXPECT_TRUE(std::isnan(seen.Find("chronik_nan").value()));
  EXPECT_EQ(seen.Find("chronik_wait_seconds_bucket", {{"le", "0.001"}}), 1);
  EXPECT_EQ(seen.Find("chronik_wait_seconds_bucket", {{"le", "60"}}), 2);
  EXPECT_EQ(seen.Find("chronik_wait_seconds_bucket", {{"le", "+Inf"}}), 3);
  EXPECT_EQ(seen.Find("chronik_wait_seconds_count"), 3);
  EXPECT_DOUBLE_EQ(seen.Find("chronik_wait_seconds_sum").value(), 100.003);
  EXPECT_EQ(seen.types().at("chronik_requests_total"), "counter");
  EXPECT_EQ(seen.types().at("chronik_wait_seconds"), "histogram");
  EXPECT_EQ(seen.help().at("chronik_requests_total"), "Requests\nby \\ kind");
}

TEST_F(MetricsPrometheusTest, CountsItsOwnScrapes) {
  Client client(Up());
  EXPECT_EQ(Read(client.Get("/metrics")).Find("chronik_metrics_prometheus_scrapes_total"), 0);
  const Exposition second = Read(client.Get("/metrics?name[]=x"));
  EXPECT_EQ(second.Find("chronik_metrics_prometheus_scrapes_total"), 1);
  EXPECT_EQ(second.Find("chronik_metrics_prometheus_scrape_seconds_count"), 1);
}

TEST_F(MetricsPrometheusTest, HealthHasAStatusAndAReason) {
  Client client(Up());
  for (const char* path : {"/livez", "/readyz"}) {
    const Response response = client.Get(path);
    EXPECT_EQ(response.status(), 200u);
    EXPECT_THAT(response.head, HasSubstr("Content-Type: application/json\r\n"));
    EXPECT_EQ(response.body, "{\"status\":\"ok\"}\n");
  }
  metrics_.SetHealth(
      [](int32_t which) { return std::pair(which == CHR_HEALTH_LIVE, std::string(R"({"why":"no leader"})")); });
  EXPECT_EQ(client.Get("/livez").status(), 200u);
  const Response not_ready = client.Get("/readyz");
  EXPECT_EQ(not_ready.status(), 503u);
  EXPECT_EQ(not_ready.body, "{\"why\":\"no leader\"}\n");
}

TEST_F(MetricsPrometheusTest, HeadHasTheLengthAndNoBody) {
  Client client(Up());
  const size_t length = client.Get("/livez").body.size();
  client.Send("HEAD /livez HTTP/1.1\r\nHost: x\r\n\r\n");
  const Response head = client.Receive(false);
  EXPECT_EQ(head.status(), 200u);
  EXPECT_THAT(head.head, HasSubstr("Content-Length: " + std::to_string(length) + "\r\n"));
  EXPECT_EQ(client.Get("/livez").body.size(), length);  // the connection goes on where the head ended
}

TEST_F(MetricsPrometheusTest, PipelinedRequestsAreAnsweredInOrder) {
  Client client(Up());
  client.Send(
      "GET /livez HTTP/1.1\r\nHost: x\r\n\r\nGET /none HTTP/1.1\r\nHost: x\r\n\r\nGET /readyz HTTP/1.1\r\nHost: "
      "x\r\n\r\n");
  EXPECT_EQ(client.Receive().status(), 200u);
  EXPECT_EQ(client.Receive().status(), 404u);
  EXPECT_EQ(client.Receive().status(), 200u);
}

TEST_F(MetricsPrometheusTest, ClosesWhenTheClientAsksForIt) {
  for (const char* request :
       {"GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "GET /livez HTTP/1.0\r\n\r\n"}) {
    Client client(address_.empty() ? Up() : address_);
    client.Send(request);
    EXPECT_EQ(client.Receive().status(), 200u);
    EXPECT_TRUE(client.IsClosed());
  }
}

TEST_F(MetricsPrometheusTest, OtherPathsAndMethodsAreRefused) {
  Client client(Up());
  const Response missing = client.Get("/");
  EXPECT_EQ(missing.status(), 404u);
  EXPECT_THAT(missing.body, HasSubstr("/metrics"));
  EXPECT_EQ(client.Get("/metrics/").status(), 404u);
  client.Send("DELETE /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
  const Response method = client.Receive();
  EXPECT_EQ(method.status(), 405u);
  EXPECT_THAT(method.head, HasSubstr("Allow: GET, HEAD\r\n"));
}

TEST_F(MetricsPrometheusTest, BrokenAndOversizeRequestsEndTheConnectionOnly) {
  const std::pair<std::string, unsigned> cases[] = {
      {"nonsense\r\n\r\n", 400},
      {"GET /metrics HTTP/9.9\r\n\r\n", 400},
      {"GET /metrics HTTP/1.1\r\nContent-Length: x\r\n\r\n", 400},
      {"GET /metrics HTTP/1.1\r\nHost: x\r\nX: " + std::string(10000, 'a') + "\r\n\r\n", 431},
      {"GET /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello", 413},
      {"POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n", 413},
  };
  Up();
  for (const auto& [request, status] : cases) {
    Client client(address_);
    client.Send(request);
    EXPECT_EQ(client.Receive().status(), status) << request.substr(0, 60);
    EXPECT_TRUE(client.IsClosed()) << request.substr(0, 60);
  }
  {
    Client leaves_at_once(address_);
  }
  Client leaves_in_the_middle(address_);
  leaves_in_the_middle.Send("GET /metr");
  EXPECT_EQ(Client(address_).Get("/livez").status(), 200u);
}

TEST_F(MetricsPrometheusTest, AProbeGetsThroughHoweverManyConnectionsAreOpen) {
  Up();
  std::vector<std::unique_ptr<Client>> hoard;
  for (int i = 0; i < 64; ++i) {
    hoard.push_back(std::make_unique<Client>(address_));
    ASSERT_EQ(hoard.back()->Get("/livez").status(), 200u);  // it is accepted
  }
  ASSERT_EQ(hoard[0]->Get("/livez").status(), 200u);  // no longer the one that was quiet for longest
  Client probe(address_);
  EXPECT_EQ(probe.Get("/livez").status(), 200u);
  EXPECT_TRUE(hoard[1]->IsClosed());
  EXPECT_EQ(hoard[0]->Get("/livez").status(), 200u);
  EXPECT_EQ(hoard[2]->Get("/livez").status(), 200u);
}

TEST_F(MetricsPrometheusTest, ScrapesAreWellFormedWhileEverythingMoves) {
  Up();
  std::atomic<bool> end = false;
  std::vector<std::thread> writers;
  for (int t = 0; t < 2; ++t) {
    writers.emplace_back([&, t] {
      Metric& histogram = metrics_.Histogram("h_seconds", "seconds", "");
      for (int i = 0; !end; ++i) {
        histogram.Observe(i % 100 * 0.01);
        if (i < 2000) metrics_.Counter("c_total", "", {{"t", std::to_string(t)}, {"i", std::to_string(i)}}).Increment();
      }
    });
  }
  Client client(address_);
  double before = 0;
  for (int i = 0; i < 20; ++i) {
    const Response response = client.Get("/metrics");
    if (response.body.find("h_seconds_count") == std::string::npos) continue;  // not yet defined
    const double count = Read(response).Find("h_seconds_count").value();
    EXPECT_GE(count, before);
    before = count;
  }
  end = true;
  for (std::thread& writer : writers) writer.join();
}

TEST_F(MetricsPrometheusTest, ListensOnIpv6) {
  auto instance = Launch("[::1]:0");
  if (!instance.ok() && instance.error().message.find("Cannot assign requested address") != std::string::npos) {
    GTEST_SKIP() << "no IPv6 here";
  }
  ASSERT_TRUE(instance.ok()) << instance.error();
  const std::string address = AddressOf(**instance);
  EXPECT_THAT(address, StartsWith("[::1]:"));
  EXPECT_EQ(Client(address).Get("/livez").status(), 200u);
}

TEST_F(MetricsPrometheusTest, AnAddressThatCannotBeBoundIsNamedWithTheReason) {
  Up();
  EXPECT_THAT(Refusal(address_), AllOf(HasSubstr("cannot listen on " + address_ + ": Address already in use"),
                                       HasSubstr("choose another address in listen")));
  // 192.0.2.0/24 belongs to nobody (RFC 5737).
  EXPECT_THAT(Refusal("192.0.2.1:0"), HasSubstr("cannot listen on 192.0.2.1:0: Cannot assign requested address"));
  EXPECT_EQ(Client(address_).Get("/livez").status(), 200u);  // the first instance did not notice
}

TEST_F(MetricsPrometheusTest, AMalformedAddressIsAConfigurationError) {
  for (const char* listen : {"", "9644", ":9644", "localhost", "localhost:", "localhost:http", "127.0.0.1:70000",
                             "::1:9644", "127.0.0.1:-1", "127.0.0.1:1 "}) {
    ErrorCode code = ErrorCode::kInternal;
    EXPECT_THAT(Refusal(listen, &code),
                AllOf(HasSubstr("listen = \"" + std::string(listen) + "\""), HasSubstr("host:port")))
        << listen;
    EXPECT_EQ(code, ErrorCode::kConfig) << listen;
  }
}

TEST_F(MetricsPrometheusTest, StopEndsOpenConnectionsAndFreesThePort) {
  Up();
  Client idle(address_);
  ASSERT_EQ(idle.Get("/livez").status(), 200u);
  Client half(address_);
  half.Send("GET /livez HT");
  EXPECT_TRUE(instance_->Stop(std::chrono::seconds(5)).ok());
  EXPECT_TRUE(idle.IsClosed());
  EXPECT_TRUE(half.IsClosed());
  instance_.reset();
  const auto again = Launch(address_);
  ASSERT_TRUE(again.ok()) << again.error();
  EXPECT_EQ(Client(address_).Get("/livez").status(), 200u);
}

TEST_F(MetricsPrometheusTest, ATooSmallBufferForTheAddressIsRefused) {
  Up();
  char small[8];
  EXPECT_LT(plugin_->metrics_exporter()->bound_address(instance_->self(), small, sizeof small), 0);
}

}  // namespace
}  // namespace chronik::host
