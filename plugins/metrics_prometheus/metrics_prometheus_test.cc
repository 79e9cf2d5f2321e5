// SPDX-License-Identifier: Apache-2.0
// Goal: what Prometheus and a supervisor get from the endpoint, and what those get who mean it no good.
// Method: the plugin is loaded and started as the broker does it, and asked over TCP by a client that reads exactly
// what HTTP says; the metrics text goes through a strict parser of the format.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "kernel/host/plugin_host.h"
#include "plugins/metrics_prometheus/http_test_client.h"

namespace chronik::host {
namespace {

using chronik_metrics_prometheus::Client;
using chronik_metrics_prometheus::Response;
using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;

// --- the text format
// ------------------------------------------------------------------------------------------------------

// Series ("name{a=\"b\"}" as written) to value. Fails the test on anything that the format does not allow: a sample
// outside its family, a family twice, a series twice, a broken escape, a histogram that falls or does not end with its
// count.
class Exposition {
 public:
  explicit Exposition(const std::string& text) {
    EXPECT_TRUE(text.empty() || text.back() == '\n');
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) {
      SCOPED_TRACE(line);
      if (line.starts_with("# HELP ")) {
        ReadHelp(line.substr(7));
      } else if (line.starts_with("# TYPE ")) {
        ReadType(line.substr(7));
      } else {
        ReadSample(line);
      }
    }
    EndHistogram();
  }
  double operator[](const std::string& series) const {
    const auto found = samples_.find(series);
    if (found == samples_.end()) ADD_FAILURE() << "there is no " << series;
    return found == samples_.end() ? std::nan("") : found->second;
  }
  const std::map<std::string, std::string>& types() const { return types_; }
  const std::map<std::string, std::string>& help() const { return help_; }

 private:
  void ReadHelp(const std::string& rest) {
    const size_t space = rest.find(' ');
    ASSERT_NE(space, std::string::npos);
    EXPECT_TRUE(help_.emplace(rest.substr(0, space), rest.substr(space + 1)).second) << "help twice";
  }
  void ReadType(const std::string& rest) {
    EndHistogram();
    const size_t space = rest.find(' ');
    family_ = rest.substr(0, space);
    type_ = rest.substr(space + 1);
    EXPECT_TRUE(type_ == "counter" || type_ == "gauge" || type_ == "histogram") << type_;
    EXPECT_TRUE(types_.emplace(family_, type_).second) << "family twice";
  }
  void ReadSample(const std::string& line) {
    size_t at = 0;
    while (at < line.size() && (std::isalnum(static_cast<unsigned char>(line[at])) || line[at] == '_')) ++at;
    const std::string name = line.substr(0, at);
    if (at < line.size() && line[at] == '{') at = EndOfLabels(line, at);
    ASSERT_LT(at, line.size());
    ASSERT_EQ(line[at], ' ');
    const std::string number = line.substr(at + 1);
    size_t used = 0;
    const double value = std::stod(number, &used);
    EXPECT_EQ(used, number.size());
    const std::string series = line.substr(0, at);
    EXPECT_TRUE(samples_.emplace(series, value).second) << "series twice";
    if (type_ != "histogram") {
      EXPECT_EQ(name, family_);
    } else if (name == family_ + "_bucket") {
      EXPECT_GE(value, last_bucket_) << "a cumulative count falls";
      last_bucket_ = value;
      saw_infinity_ = series.find("le=\"+Inf\"") != std::string::npos;
    } else if (name == family_ + "_count") {
      count_ = value;
    } else {
      EXPECT_EQ(name, family_ + "_sum");
    }
  }
  // Of label="value",... in braces, with the escapes \\ \" \n only.
  static size_t EndOfLabels(const std::string& line, size_t at) {
    bool quoted = false;
    for (++at; at < line.size(); ++at) {
      if (quoted && line[at] == '\\') {
        ++at;
        EXPECT_TRUE(at < line.size() && std::string_view("\\\"n").find(line[at]) != std::string_view::npos) << "escape";
      } else if (line[at] == '"') {
        quoted = !quoted;
      } else if (!quoted && line[at] == '}') {
        return at + 1;
      }
    }
    ADD_FAILURE() << "labels without an end";
    return at;
  }
  // Only for families with one series, which is what the tests have.
  void EndHistogram() {
    if (type_ == "histogram") {
      EXPECT_TRUE(saw_infinity_);
      EXPECT_EQ(last_bucket_, count_);
    }
    last_bucket_ = count_ = 0;
    saw_infinity_ = false;
  }

  std::map<std::string, double> samples_;
  std::map<std::string, std::string> types_;
  std::map<std::string, std::string> help_;
  std::string family_;
  std::string type_;
  double last_bucket_ = 0;
  double count_ = 0;
  bool saw_infinity_ = false;
};

// --- the plugin
// -----------------------------------------------------------------------------------------------------------

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

  const Exposition seen(response.body);
  EXPECT_EQ(seen["chronik_requests_total{api=\"fetch\"}"], 12);
  EXPECT_EQ(seen["chronik_lag{partition=\"0\",topic=\"a\\\"b\\\\c\\nd\"}"], -2.5);
  EXPECT_TRUE(std::isnan(seen["chronik_nan"]));
  EXPECT_EQ(seen["chronik_wait_seconds_bucket{le=\"0.001\"}"], 1);
  EXPECT_EQ(seen["chronik_wait_seconds_bucket{le=\"60\"}"], 2);
  EXPECT_EQ(seen["chronik_wait_seconds_bucket{le=\"+Inf\"}"], 3);
  EXPECT_EQ(seen["chronik_wait_seconds_count"], 3);
  EXPECT_DOUBLE_EQ(seen["chronik_wait_seconds_sum"], 100.003);
  EXPECT_EQ(seen.types().at("chronik_requests_total"), "counter");
  EXPECT_EQ(seen.types().at("chronik_wait_seconds"), "histogram");
  EXPECT_EQ(seen.help().at("chronik_requests_total"), "Requests\\nby \\\\ kind");
}

TEST_F(MetricsPrometheusTest, CountsItsOwnScrapes) {
  Client client(Up());
  EXPECT_EQ(Exposition(client.Get("/metrics").body)["chronik_metrics_prometheus_scrapes_total"], 0);
  const Exposition second(client.Get("/metrics?name[]=x").body);
  EXPECT_EQ(second["chronik_metrics_prometheus_scrapes_total"], 1);
  EXPECT_EQ(second["chronik_metrics_prometheus_scrape_seconds_count"], 1);
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
    const double count = Exposition(response.body)["h_seconds_count"];
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
