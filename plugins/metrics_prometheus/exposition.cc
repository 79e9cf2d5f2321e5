// SPDX-License-Identifier: Apache-2.0
#include "plugins/metrics_prometheus/exposition.h"

#include <prometheus/text_serializer.h>

#include <limits>
#include <vector>

namespace chronik_metrics_prometheus {
namespace {

using chronik::sdk::ToView;

// The serializer escapes label values, but writes help texts as they are.
std::string EscapeHelp(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    if (c == '\\') {
      out += "\\\\";
    } else if (c == '\n') {
      out += "\\n";
    } else {
      out += c;
    }
  }
  return out;
}

prometheus::MetricType TypeOf(int32_t kind) {
  switch (kind) {
    case CHR_METRIC_COUNTER: return prometheus::MetricType::Counter;
    case CHR_METRIC_GAUGE: return prometheus::MetricType::Gauge;
    case CHR_METRIC_HISTOGRAM: return prometheus::MetricType::Histogram;
    default: return prometheus::MetricType::Untyped;  // of a later minor version
  }
}

// The visitor: collects the families.
class Collector {
 public:
  void Family(int32_t kind, std::string_view name, std::string_view, std::string_view help) {
    families_.push_back({std::string(name), EscapeHelp(help), TypeOf(kind), {}});
  }

  void Sample(const chr_sample& sample) {
    prometheus::ClientMetric metric;
    for (uint64_t i = 0; i < sample.label_count; ++i) {
      metric.label.push_back({std::string(ToView(sample.labels[i].name)), std::string(ToView(sample.labels[i].value))});
    }
    switch (families_.back().type) {
      case prometheus::MetricType::Counter: metric.counter.value = sample.value; break;
      case prometheus::MetricType::Gauge: metric.gauge.value = sample.value; break;
      case prometheus::MetricType::Histogram: FillHistogram(sample, metric.histogram); break;
      default: metric.untyped.value = sample.value;
    }
    families_.back().metric.push_back(std::move(metric));
  }

  const std::vector<prometheus::MetricFamily>& families() const { return families_; }

 private:
  static void FillHistogram(const chr_sample& sample, prometheus::ClientMetric::Histogram& out) {
    out.sample_sum = sample.value;
    out.sample_count = sample.counts[sample.bucket_count];
    out.bucket.reserve(sample.bucket_count + 1);
    for (uint64_t i = 0; i < sample.bucket_count; ++i) out.bucket.push_back({sample.counts[i], sample.bounds[i]});
    out.bucket.push_back({out.sample_count, std::numeric_limits<double>::infinity()});
  }

  std::vector<prometheus::MetricFamily> families_;
};

}  // namespace

std::string RenderMetrics(const chronik::sdk::MetricsSource& source) {
  Collector collector;
  source.Visit(collector);
  return prometheus::TextSerializer().Serialize(collector.families());
}

}  // namespace chronik_metrics_prometheus
