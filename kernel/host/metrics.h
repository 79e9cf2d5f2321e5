// SPDX-License-Identifier: Apache-2.0
// The metrics registry: kernel and plugins count into it, an exporter plugin reads it through the ABI. Defining a
// metric takes a lock; adding to one never does.
#pragma once

#include <chronik/metrics_exporter.h>

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "kernel/base/function.h"
#include "kernel/base/result.h"

namespace chronik::host {

using Labels = std::vector<std::pair<std::string, std::string>>;

enum class MetricKind : int32_t {
  kCounter = CHR_METRIC_COUNTER,
  kGauge = CHR_METRIC_GAUGE,
  kHistogram = CHR_METRIC_HISTOGRAM
};

// One time series. What is not of its kind is ignored. Every member: any thread. Whole numbers added to a counter and
// Set are wait-free; a fractional Add and the sum of Observe are lock-free (they retry while another thread writes the
// same series).
class Metric {
 public:
  // `unit` "bytes" has buckets from 256 B to 1 GiB, every other 100 us to 60 s: "ms" in milliseconds, the rest in
  // seconds.
  Metric(MetricKind kind, const std::string& unit, Labels labels);

  void Add(double value);  // counter (value >= 0), gauge
  void Increment() { Add(1); }
  void Set(double value);      // gauge
  void Observe(double value);  // histogram, in its unit
  // Counter, gauge; histogram: the sum.
  double value() const {
    return static_cast<double>(whole_.load(std::memory_order_relaxed)) + value_.load(std::memory_order_relaxed);
  }

 private:
  friend class MetricsRegistry;

  // A gauge that is computed when visited.
  struct Reader {
    std::mutex mutex;  // held while `read` runs
    UniqueFunction<double()> read;
  };

  const MetricKind kind_;
  const Labels labels_;
  const std::vector<double>* const bounds_;  // histogram
  std::atomic<uint64_t> whole_{0};           // counter: the sum of the whole numbers added
  std::atomic<double> value_{0};             // counter: the rest; gauge: all; histogram: sum
  std::unique_ptr<std::atomic<uint64_t>[]> buckets_;
  std::unique_ptr<Reader> reader_;
};

// Thread-safe. Outlives everybody who holds a Metric or the source.
class MetricsRegistry {
 public:
  static constexpr size_t kSeriesMax = 50000;

  MetricsRegistry();
  MetricsRegistry(const MetricsRegistry&) = delete;
  MetricsRegistry& operator=(const MetricsRegistry&) = delete;

  // The same name and labels give the same metric; it lives as long as the registry. The help of the first definition
  // stays. kInvalidArgument: a malformed name or label, or the name has another kind or unit already; kOverloaded: too
  // many series.
  Result<Metric*> Define(MetricKind kind, const std::string& name, const std::string& unit, const std::string& help,
                         Labels labels = {});
  // For the kernel's own. A definition that is refused (a plugin took the name, too many series) is logged, and gives a
  // metric that nobody exports: a metric must not stop a broker.
  Metric& Counter(const std::string& name, const std::string& help, Labels labels = {});
  Metric& Gauge(const std::string& name, const std::string& help, Labels labels = {});
  Metric& Histogram(const std::string& name, const std::string& unit, const std::string& help, Labels labels = {});

  // A gauge that is computed at each visit, on the visiting thread, one call at a time; `read` must not block nor drop
  // a gauge. Replaces the one of the same name and labels.
  void GaugeFrom(const std::string& name, const std::string& help, Labels labels, UniqueFunction<double()> read);
  // Removes such a gauge. When it returns, its function neither runs nor will run.
  void DropGauge(const std::string& name, Labels labels);

  // Families in order of name, each with its series in order of labels; no lock is held while the visitor runs. A
  // histogram's counts belong together; its sum may already hold an observation that they do not.
  void Visit(const chr_metrics_visitor& visitor);

  // To start an exporter with. `health`: {healthy, one-line JSON}, for CHR_HEALTH_LIVE and CHR_HEALTH_READY; any
  // thread, one call at a time. Without one the process counts as healthy.
  using Health = UniqueFunction<std::pair<bool, std::string>(int32_t which)>;
  void SetHealth(Health health);
  const chr_metrics_source* source() const { return &source_; }

 private:
  using Series = std::map<Labels, std::shared_ptr<Metric>>;
  struct Family {
    MetricKind kind;
    std::string unit;
    std::string help;
    Series series;  // the rest never changes
  };

  Metric& DefineOwn(MetricKind kind, const std::string& name, const std::string& unit, const std::string& help,
                    Labels labels);
  Result<std::shared_ptr<Metric>*> Slot(MetricKind kind, const std::string& name, const std::string& unit,
                                        const std::string& help, Labels labels);
  static chr_status VisitAbi(void* ctx, const chr_metrics_visitor* visitor) noexcept;
  static int32_t HealthAbi(void* ctx, int32_t which, char* json, size_t cap) noexcept;

  std::mutex mutex_;
  std::map<std::string, Family> families_;
  size_t series_count_ = 0;
  std::vector<std::unique_ptr<Metric>> unexported_;
  std::mutex health_mutex_;
  Health health_;
  chr_metrics_source source_{};
};

}  // namespace chronik::host
