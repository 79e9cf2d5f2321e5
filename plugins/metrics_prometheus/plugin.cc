// SPDX-License-Identifier: Apache-2.0
// The plugin's face: its options, and what each path answers.
#include <chronik/sdk/metrics_exporter.h>

#include <optional>
#include <string>

#include "plugins/metrics_prometheus/exposition.h"
#include "plugins/metrics_prometheus/http_server.h"

namespace chronik_metrics_prometheus {
namespace {

using chronik::sdk::Host;
using chronik::sdk::MetricsSource;

class PrometheusExporter {
 public:
  explicit PrometheusExporter(Host& host)
      : host_(host),
        scrapes_(host.DefineCounter("chronik_metrics_prometheus_scrapes_total", "",
                                    "Scrapes of /metrics that were answered")),
        scrape_seconds_(host.DefineHistogram("chronik_metrics_prometheus_scrape_seconds", "seconds",
                                             "Time to collect and render all metrics")) {}

  static void Validate(Host& host) { (void)chronik::sdk::ParseAddress("listen", host.GetString("listen")); }

  void Start(MetricsSource source) {
    source_ = source;
    server_.emplace(
        HttpLimits{}, [this](std::string_view path) { return Answer(path); },
        [this](const std::string& text) { host_.Warn(text); });
    server_->Start(chronik::sdk::ParseAddress("listen", host_.GetString("listen")));
    host_.Info("metrics at http://" + BoundAddress() + "/metrics");
  }

  void Stop(uint64_t) {
    if (server_) server_->Stop();
  }

  std::string BoundAddress() const { return FormatAddress(server_.value().bound()); }

 private:
  HttpResponse Answer(std::string_view path) {
    if (path == "/metrics") return Metrics();
    if (path == "/livez") return Health(CHR_HEALTH_LIVE);
    if (path == "/readyz") return Health(CHR_HEALTH_READY);
    return {404, "text/plain; charset=utf-8", "here are /metrics, /livez and /readyz\n"};
  }

  HttpResponse Metrics() {
    const uint64_t start = host_.MonoNs();
    HttpResponse response{200, kExpositionType, RenderMetrics(source_)};
    scrape_seconds_.Observe(static_cast<double>(host_.MonoNs() - start) * 1e-9);
    scrapes_.Add();
    return response;
  }

  HttpResponse Health(int32_t which) const {
    MetricsSource::Health health = source_.GetHealth(which);
    return {health.healthy ? 200u : 503u, "application/json", health.json + "\n"};
  }

  Host& host_;
  chronik::sdk::Counter scrapes_;
  chronik::sdk::Histogram scrape_seconds_;
  MetricsSource source_;
  std::optional<HttpServer> server_;
};

constexpr chr_option kOptions[] = {
    {"listen", "string", "127.0.0.1:9644", nullptr,
     "Address of the HTTP endpoint, host:port; [::1]:9644 for IPv6, port 0 for any free one. There is no "
     "authentication: do "
     "not bind it to a public address.",
     0},
};

constexpr chronik::sdk::PluginInfo kInfo{
    .id = "chronik.metrics.prometheus",
    .version = "1.0.0",
    .vendor = "chronik",
    .license = "Apache-2.0",
    .url = "",
    .options = kOptions,
};

}  // namespace
}  // namespace chronik_metrics_prometheus

CHRONIK_METRICS_EXPORTER_PLUGIN(chronik_metrics_prometheus::PrometheusExporter, chronik_metrics_prometheus::kInfo);
