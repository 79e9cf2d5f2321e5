// SPDX-License-Identifier: Apache-2.0
// Goal: the registry counts exactly, refuses what exporters could not publish, and can be read at any time.
// Method: define, count and visit as an exporter does; threads where the promise is about threads.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <latch>
#include <set>

#include "kernel/base/log.h"
#include "kernel/host/metrics.h"

namespace chronik::host {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

// What one visit reported, as text: "name{label=value} 1" and, for histograms, the cumulative counts.
class Visited {
 public:
  explicit Visited(const chr_metrics_source* source) {
    visitor_.struct_size = sizeof visitor_;
    visitor_.ctx = this;
    visitor_.family = [](void* ctx, int32_t kind, chr_str name, chr_str unit, chr_str) noexcept {
      auto* self = static_cast<Visited*>(ctx);
      self->name_.assign(name.data, name.size);
      self->families.push_back(self->name_ + ":" + std::to_string(kind) + ":" + std::string(unit.data, unit.size));
    };
    visitor_.sample = [](void* ctx, const chr_sample* sample) noexcept { static_cast<Visited*>(ctx)->Add(*sample); };
    status = source->visit(source->ctx, &visitor_);
  }

  chr_status status;
  std::vector<std::string> families;
  std::vector<std::string> samples;
  std::vector<std::vector<uint64_t>> histograms;

 private:
  void Add(const chr_sample& sample) {
    std::ostringstream out;
    out << name_ << '{';
    for (uint64_t i = 0; i < sample.label_count; ++i) {
      const chr_label& l = sample.labels[i];
      out << std::string_view(l.name.data, l.name.size) << '=' << std::string_view(l.value.data, l.value.size) << ';';
    }
    out << "} " << sample.value;
    samples.push_back(out.str());
    if (sample.bounds == nullptr) return;
    histograms.emplace_back(sample.counts, sample.counts + sample.bucket_count + 1);
  }

  chr_metrics_visitor visitor_{};
  std::string name_;
};

TEST(Metrics, AreVisitedByFamilyInOrder) {
  MetricsRegistry registry;
  registry.Gauge("b_depth", "Depth", {{"z", "1"}, {"a", "2"}}).Set(7);
  registry.Gauge("b_depth", "Depth", {{"a", "1"}}).Set(-1);
  registry.Counter("a_total", "Things").Add(3);
  const Visited seen(registry.source());
  EXPECT_EQ(seen.status, CHR_OK);
  EXPECT_THAT(seen.families, ElementsAre("a_total:0:", "b_depth:1:"));
  EXPECT_THAT(seen.samples, ElementsAre("a_total{} 3", "b_depth{a=1;} -1", "b_depth{a=2;z=1;} 7"));
}

TEST(Metrics, TheSameDefinitionGivesTheSameMetric) {
  MetricsRegistry registry;
  Metric& one = registry.Counter("x_total", "X", {{"a", "1"}, {"b", "2"}});
  EXPECT_EQ(&one, &registry.Counter("x_total", "another help", {{"b", "2"}, {"a", "1"}}));
  EXPECT_NE(&one, &registry.Counter("x_total", "X", {{"a", "2"}}));
}

TEST(Metrics, RefuseWhatExportersCouldNotPublish) {
  MetricsRegistry registry;
  const auto refusal = [&](MetricKind kind, const std::string& name, const std::string& unit, Labels labels) {
    const auto result = registry.Define(kind, name, unit, "", std::move(labels));
    return result.ok() ? std::string() : result.error().message;
  };
  EXPECT_EQ(refusal(MetricKind::kHistogram, "size", "bytes", {}), "");
  EXPECT_THAT(refusal(MetricKind::kGauge, "size", "bytes", {}), HasSubstr("another kind"));
  EXPECT_THAT(refusal(MetricKind::kHistogram, "size", "seconds", {}), HasSubstr("in 'bytes'"));
  EXPECT_THAT(refusal(MetricKind::kGauge, "9lives", "", {}), HasSubstr("[a-z_][a-z0-9_]*"));
  EXPECT_THAT(refusal(MetricKind::kGauge, "", "", {}), HasSubstr("no metric name"));
  EXPECT_THAT(refusal(MetricKind::kGauge, "g", "", {{"le", "1"}}), HasSubstr("'le' is no label name"));
  EXPECT_THAT(refusal(MetricKind::kGauge, "g", "", {{"a", "1"}, {"a", "2"}}), HasSubstr("label a twice"));
  EXPECT_THAT(refusal(MetricKind::kGauge, "g", "", {{"a", std::string(2000, 'x')}}), HasSubstr("too long"));
}

TEST(Metrics, AKernelMetricWhoseNameIsTakenStillCountsButIsNotExported) {
  SetLogSink([](LogLevel, const char*, int, std::string_view) {});
  MetricsRegistry registry;
  ASSERT_TRUE(registry.Define(MetricKind::kGauge, "raft_total", "", "a plugin was first").ok());
  Metric& mine = registry.Counter("raft_total", "Mine");
  SetLogSink(nullptr);
  mine.Increment();
  EXPECT_EQ(mine.value(), 1);
  EXPECT_THAT(Visited(registry.source()).samples, ElementsAre("raft_total{} 0"));
}

TEST(Metrics, SeriesAreBounded) {
  MetricsRegistry registry;
  for (size_t i = 0; i < MetricsRegistry::kSeriesMax; ++i) {
    ASSERT_TRUE(registry.Define(MetricKind::kGauge, "g", "", "", {{"i", std::to_string(i)}}).ok());
  }
  const auto more = registry.Define(MetricKind::kGauge, "h", "", "");
  ASSERT_FALSE(more.ok());
  EXPECT_EQ(more.error().code, ErrorCode::kOverloaded);
  EXPECT_TRUE(registry.Define(MetricKind::kGauge, "g", "", "", {{"i", "7"}}).ok());  // is there already
  EXPECT_EQ(Visited(registry.source()).samples.size(), MetricsRegistry::kSeriesMax);
}

TEST(Metrics, CountersIgnoreWhatWouldMakeThemFall) {
  MetricsRegistry registry;
  Metric& counter = registry.Counter("c_total", "");
  counter.Add(2.5);
  counter.Add(1);
  counter.Add(-5);
  counter.Set(0);
  counter.Observe(9);
  counter.Add(std::numeric_limits<double>::quiet_NaN());
  counter.Add(std::numeric_limits<double>::infinity());
  EXPECT_EQ(counter.value(), 3.5);
}

TEST(Metrics, HistogramCountsAreCumulativeAndEndWithEverything) {
  MetricsRegistry registry;
  Metric& seconds = registry.Histogram("wait_seconds", "seconds", "");
  for (const double value : {0.0001, 0.0002, 1e9}) seconds.Observe(value);  // a bound belongs to its own bucket
  registry.Histogram("z_bytes", "bytes", "").Observe(300);
  const Visited seen(registry.source());
  ASSERT_EQ(seen.histograms.size(), 2u);
  EXPECT_EQ(seen.histograms[0].front(), 1u);
  EXPECT_EQ(seen.histograms[0][1], 2u);
  EXPECT_EQ(seen.histograms[0][seen.histograms[0].size() - 2], 2u);
  EXPECT_EQ(seen.histograms[0].back(), 3u);
  EXPECT_THAT(std::vector<uint64_t>(seen.histograms[1].begin(), seen.histograms[1].begin() + 2), ElementsAre(0, 1));
}

TEST(Metrics, NothingIsLostBetweenThreads) {
  MetricsRegistry registry;
  Metric& counter = registry.Counter("c_total", "");
  Metric& gauge = registry.Gauge("g", "");
  Metric& histogram = registry.Histogram("h_seconds", "seconds", "");
  constexpr int kThreads = 4;
  constexpr int kRounds = 20000;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < kRounds; ++i) {
        counter.Increment();
        counter.Add(0.5);
        gauge.Add(1);
        histogram.Observe(1);
        if (i % 1000 == 0) (void)registry.Define(MetricKind::kGauge, "more", "", "", {{"i", std::to_string(i)}});
      }
    });
  }
  for (int i = 0; i < 20; ++i) EXPECT_EQ(Visited(registry.source()).status, CHR_OK);
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(counter.value(), kThreads * kRounds * 1.5);
  EXPECT_EQ(gauge.value(), kThreads * kRounds);
  EXPECT_EQ(Visited(registry.source()).histograms[0].back(), static_cast<uint64_t>(kThreads * kRounds));
}

TEST(Metrics, AComputedGaugeIsReadAtEachVisitUntilItIsDropped) {
  MetricsRegistry registry;
  int reads = 0;
  registry.GaugeFrom("depth", "", {{"b", "1"}, {"a", "2"}}, [&reads] { return ++reads; });
  EXPECT_THAT(Visited(registry.source()).samples, ElementsAre("depth{a=2;b=1;} 1"));
  EXPECT_THAT(Visited(registry.source()).samples, ElementsAre("depth{a=2;b=1;} 2"));
  registry.GaugeFrom("depth", "", {{"a", "2"}, {"b", "1"}}, [] { return 50; });
  EXPECT_THAT(Visited(registry.source()).samples, ElementsAre("depth{a=2;b=1;} 50"));
  registry.DropGauge("depth", {{"b", "1"}, {"a", "2"}});
  EXPECT_THAT(Visited(registry.source()).families, ElementsAre());
  EXPECT_EQ(reads, 2);
}

TEST(Metrics, DropGaugeWaitsForTheReadThatRuns) {
  MetricsRegistry registry;
  std::latch reading(1);
  std::atomic<bool> ended = false;
  std::latch go_on(1);
  registry.GaugeFrom("slow", "", {}, [&] {
    reading.count_down();
    go_on.wait();
    ended = true;
    return 1;
  });
  std::thread exporter([&] { Visited seen(registry.source()); });
  reading.wait();
  std::thread releaser([&] { go_on.count_down(); });
  registry.DropGauge("slow", {});
  EXPECT_TRUE(ended);
  exporter.join();
  releaser.join();
}

TEST(Metrics, AVisitorMayDefineMetrics) {
  MetricsRegistry registry;
  registry.Gauge("g", "");
  chr_metrics_visitor visitor{};
  visitor.struct_size = sizeof visitor;
  visitor.ctx = &registry;
  visitor.family = [](void* ctx, int32_t, chr_str, chr_str, chr_str) noexcept {
    static_cast<MetricsRegistry*>(ctx)->Gauge("defined_meanwhile", "");
  };
  visitor.sample = [](void*, const chr_sample*) noexcept {};
  EXPECT_EQ(registry.source()->visit(registry.source()->ctx, &visitor), CHR_OK);
  EXPECT_EQ(Visited(registry.source()).families.size(), 2u);
}

TEST(Metrics, TheSourceRefusesAVisitorWithoutFunctions) {
  MetricsRegistry registry;
  chr_metrics_visitor visitor{};
  EXPECT_EQ(registry.source()->visit(registry.source()->ctx, &visitor), CHR_E_INVALID);
  EXPECT_EQ(registry.source()->visit(registry.source()->ctx, nullptr), CHR_E_INVALID);
}

TEST(Metrics, HealthFitsTheCallersBuffer) {
  MetricsRegistry registry;
  char json[64];
  const chr_metrics_source* source = registry.source();
  EXPECT_EQ(source->health(source->ctx, CHR_HEALTH_LIVE, json, sizeof json), 1);
  EXPECT_STREQ(json, R"({"status":"ok"})");
  registry.SetHealth(
      [](int32_t which) { return std::pair(which == CHR_HEALTH_LIVE, std::string(R"({"why":"no leader"})")); });
  EXPECT_EQ(source->health(source->ctx, CHR_HEALTH_READY, json, sizeof json), 0);
  EXPECT_STREQ(json, R"({"why":"no leader"})");
  std::memset(json, 'x', sizeof json);
  EXPECT_EQ(source->health(source->ctx, CHR_HEALTH_LIVE, json, 5), 1);
  EXPECT_EQ(std::string(json, 6), std::string("{\"wh\0x", 6));
  EXPECT_EQ(source->health(source->ctx, CHR_HEALTH_LIVE, nullptr, 0), 1);
}

}  // namespace
}  // namespace chronik::host
