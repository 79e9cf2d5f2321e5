// SPDX-License-Identifier: Apache-2.0
#include "kernel/host/metrics.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <new>

#include "kernel/base/log.h"

namespace chronik::host {
namespace {

constexpr size_t kNameMax = 200;
constexpr size_t kTextMax = 1024;
constexpr size_t kLabelsMax = 16;

bool IsName(const std::string& name) {
  const auto head = [](char c) { return (c >= 'a' && c <= 'z') || c == '_'; };
  return !name.empty() && name.size() <= kNameMax && head(name[0]) &&
         std::all_of(name.begin(), name.end(), [&](char c) { return head(c) || (c >= '0' && c <= '9'); });
}

Error Invalid(std::string text) { return {ErrorCode::kInvalidArgument, std::move(text)}; }

// `labels` are sorted.
Status CheckLabels(const std::string& metric, const Labels& labels) {
  if (labels.size() > kLabelsMax)
    return Invalid("metric '" + metric + "' has " + std::to_string(labels.size()) + " labels");
  for (size_t i = 0; i < labels.size(); ++i) {
    const auto& [name, value] = labels[i];
    if (!IsName(name) || name == "le") return Invalid("metric '" + metric + "': '" + name + "' is no label name");
    if (value.size() > kTextMax) return Invalid("metric '" + metric + "': the value of label " + name + " is too long");
    if (i > 0 && labels[i - 1].first == name) return Invalid("metric '" + metric + "' has label " + name + " twice");
  }
  return {};
}

chr_str View(const std::string& text) { return {text.data(), text.size()}; }

const std::vector<double>& BoundsFor(const std::string& unit) {
  static const std::vector<double> kSeconds = {0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05,
                                               0.1,    0.25,    0.5,    1,     2.5,    5,     10,   30,    60};
  static const std::vector<double> kBytes = {0x1p8,  0x1p10, 0x1p12, 0x1p14, 0x1p16, 0x1p18,
                                             0x1p20, 0x1p22, 0x1p24, 0x1p26, 0x1p28, 0x1p30};
  static const std::vector<double> kMilliseconds = {0.1, 0.25, 0.5, 1,    2.5,  5,    10,    25,    50,
                                                    100, 250,  500, 1000, 2500, 5000, 10000, 30000, 60000};
  if (unit == "ms") return kMilliseconds;
  return unit == "bytes" ? kBytes : kSeconds;
}

}  // namespace

Metric::Metric(MetricKind kind, const std::string& unit, Labels labels)
    : kind_(kind), labels_(std::move(labels)), bounds_(kind == MetricKind::kHistogram ? &BoundsFor(unit) : nullptr) {
  if (bounds_ != nullptr) buckets_ = std::make_unique<std::atomic<uint64_t>[]>(bounds_->size() + 1);
}

void Metric::Add(double value) {
  constexpr double kExact = 0x1p53;  // below, a double holds every whole number
  if (kind_ == MetricKind::kGauge) {
    value_.fetch_add(value, std::memory_order_relaxed);
  } else if (kind_ == MetricKind::kCounter && value >= 0 && value < kExact && std::trunc(value) == value) {
    whole_.fetch_add(static_cast<uint64_t>(value), std::memory_order_relaxed);
  } else if (kind_ == MetricKind::kCounter && value >= 0 && std::isfinite(value)) {
    value_.fetch_add(value, std::memory_order_relaxed);
  }
}

void Metric::Set(double value) {
  if (kind_ == MetricKind::kGauge) value_.store(value, std::memory_order_relaxed);
}

void Metric::Observe(double value) {
  if (kind_ != MetricKind::kHistogram || std::isnan(value)) return;
  const auto bucket = std::lower_bound(bounds_->begin(), bounds_->end(), value) - bounds_->begin();
  buckets_[static_cast<size_t>(bucket)].fetch_add(1, std::memory_order_relaxed);
  value_.fetch_add(value, std::memory_order_relaxed);
}

MetricsRegistry::MetricsRegistry() {
  source_.struct_size = sizeof source_;
  source_.ctx = this;
  source_.visit = &VisitAbi;
  source_.health = &HealthAbi;
}

// Where the metric of this name and these labels is or belongs; counted already. Called under the lock.
Result<std::shared_ptr<Metric>*> MetricsRegistry::Slot(MetricKind kind, const std::string& name,
                                                       const std::string& unit, const std::string& help,
                                                       Labels labels) {
  if (!IsName(name)) return Invalid("'" + name + "' is no metric name: [a-z_][a-z0-9_]*");
  if (unit.size() > kTextMax || help.size() > kTextMax) return Invalid("metric '" + name + "': its help is too long");
  std::sort(labels.begin(), labels.end());
  CHRONIK_RETURN_IF_ERROR(CheckLabels(name, labels));
  const auto family = families_.find(name);
  if (family != families_.end()) {
    if (family->second.kind != kind) return Invalid("metric '" + name + "' is defined already, with another kind");
    if (family->second.unit != unit) {
      return Invalid("metric '" + name + "' is defined already, in '" + family->second.unit + "', not '" + unit + "'");
    }
    if (const auto found = family->second.series.find(labels); found != family->second.series.end())
      return &found->second;
  }
  if (series_count_ >= kSeriesMax) {
    return Error{ErrorCode::kOverloaded, "metric '" + name + "': there are " + std::to_string(kSeriesMax) +
                                             " series already; use labels with fewer values"};
  }
  ++series_count_;
  auto& series = families_.try_emplace(name, Family{kind, unit, help, {}}).first->second.series;
  return &series.emplace(std::move(labels), nullptr).first->second;
}

Result<Metric*> MetricsRegistry::Define(MetricKind kind, const std::string& name, const std::string& unit,
                                        const std::string& help, Labels labels) {
  const std::scoped_lock lock(mutex_);
  const auto slot = Slot(kind, name, unit, help, labels);
  if (!slot.ok()) return slot.error();
  std::shared_ptr<Metric>& metric = **slot;
  if (metric == nullptr) {
    std::sort(labels.begin(), labels.end());
    metric = std::make_shared<Metric>(kind, unit, std::move(labels));
  }
  // Its function may be dropped, and the metric with it; a handle may not.
  if (metric->reader_ != nullptr) return Invalid("metric '" + name + "' is computed by the kernel");
  return metric.get();
}

Metric& MetricsRegistry::DefineOwn(MetricKind kind, const std::string& name, const std::string& unit,
                                   const std::string& help, Labels labels) {
  const auto metric = Define(kind, name, unit, help, labels);
  if (metric.ok()) return **metric;
  CHRONIK_LOG(kError) << "a metric is not exported: " << metric.error().message;
  const std::scoped_lock lock(mutex_);
  return *unexported_.emplace_back(std::make_unique<Metric>(kind, unit, std::move(labels)));
}

Metric& MetricsRegistry::Counter(const std::string& name, const std::string& help, Labels labels) {
  return DefineOwn(MetricKind::kCounter, name, "", help, std::move(labels));
}
Metric& MetricsRegistry::Gauge(const std::string& name, const std::string& help, Labels labels) {
  return DefineOwn(MetricKind::kGauge, name, "", help, std::move(labels));
}
Metric& MetricsRegistry::Histogram(const std::string& name, const std::string& unit, const std::string& help,
                                   Labels labels) {
  return DefineOwn(MetricKind::kHistogram, name, unit, help, std::move(labels));
}

void MetricsRegistry::GaugeFrom(const std::string& name, const std::string& help, Labels labels,
                                UniqueFunction<double()> read) {
  DropGauge(name, labels);
  std::sort(labels.begin(), labels.end());
  auto metric = std::make_shared<Metric>(MetricKind::kGauge, "", labels);
  metric->reader_ = std::make_unique<Metric::Reader>();
  metric->reader_->read = std::move(read);
  const std::scoped_lock lock(mutex_);
  const auto slot = Slot(MetricKind::kGauge, name, "", help, std::move(labels));
  if (slot.ok() && **slot == nullptr) {
    **slot = std::move(metric);
  } else {
    CHRONIK_LOG(kError) << "a metric is not exported: "
                        << (slot.ok() ? "'" + name + "' is defined already, as a stored gauge" : slot.error().message);
  }
}

void MetricsRegistry::DropGauge(const std::string& name, Labels labels) {
  std::sort(labels.begin(), labels.end());
  std::shared_ptr<Metric> metric;
  {
    const std::scoped_lock lock(mutex_);
    const auto family = families_.find(name);
    if (family == families_.end()) return;
    const auto found = family->second.series.find(labels);
    if (found == family->second.series.end() || found->second->reader_ == nullptr) return;
    metric = std::move(found->second);
    family->second.series.erase(found);
    --series_count_;
  }
  // A visit may hold the metric still.
  const std::scoped_lock lock(metric->reader_->mutex);
  metric->reader_->read = nullptr;
}

void MetricsRegistry::Visit(const chr_metrics_visitor& visitor) {
  struct Snapshot {
    const std::string* name;
    const Family* family;  // its series are not touched
    std::vector<std::shared_ptr<Metric>> series;
  };
  std::vector<Snapshot> families;
  {
    const std::scoped_lock lock(mutex_);
    families.reserve(families_.size());
    for (const auto& [name, family] : families_) {
      Snapshot& out = families.emplace_back(Snapshot{&name, &family, {}});
      for (const auto& [labels, metric] : family.series) out.series.push_back(metric);
    }
  }
  std::vector<chr_label> labels;
  std::vector<uint64_t> counts;
  for (const Snapshot& at : families) {
    if (at.series.empty()) continue;
    visitor.family(visitor.ctx, static_cast<int32_t>(at.family->kind), View(*at.name), View(at.family->unit),
                   View(at.family->help));
    for (const auto& metric : at.series) {
      labels.clear();
      for (const auto& [label, value] : metric->labels_) labels.push_back({View(label), View(value)});
      chr_sample sample{labels.data(), labels.size(), metric->value(), nullptr, nullptr, 0};
      if (metric->reader_ != nullptr) {
        const std::scoped_lock lock(metric->reader_->mutex);
        if (!metric->reader_->read) continue;  // dropped meanwhile
        sample.value = metric->reader_->read();
      }
      if (metric->bounds_ != nullptr) {
        counts.clear();
        uint64_t sum = 0;
        for (size_t i = 0; i <= metric->bounds_->size(); ++i) {
          counts.push_back(sum += metric->buckets_[i].load(std::memory_order_relaxed));
        }
        sample.bounds = metric->bounds_->data();
        sample.counts = counts.data();
        sample.bucket_count = metric->bounds_->size();
      }
      visitor.sample(visitor.ctx, &sample);
    }
  }
}

void MetricsRegistry::SetHealth(Health health) {
  const std::scoped_lock lock(health_mutex_);
  health_ = std::move(health);
}

chr_status MetricsRegistry::VisitAbi(void* ctx, const chr_metrics_visitor* visitor) noexcept {
  if (visitor == nullptr || !CHR_HAS(chr_metrics_visitor, visitor, family) ||
      !CHR_HAS(chr_metrics_visitor, visitor, sample)) {
    return CHR_E_INVALID;
  }
  try {
    static_cast<MetricsRegistry*>(ctx)->Visit(*visitor);
    return CHR_OK;
  } catch (const std::bad_alloc&) {
    return CHR_E_NO_MEMORY;
  } catch (...) {
    return CHR_E_INTERNAL;
  }
}

int32_t MetricsRegistry::HealthAbi(void* ctx, int32_t which, char* json, size_t cap) noexcept {
  auto* self = static_cast<MetricsRegistry*>(ctx);
  std::pair<bool, std::string> health;
  try {
    health = {true, R"({"status":"ok"})"};
    const std::scoped_lock lock(self->health_mutex_);
    if (self->health_) health = self->health_(which);
  } catch (...) {
    health.first = false;
  }
  if (cap > 0) {
    const size_t size = std::min(cap - 1, health.second.size());
    std::memcpy(json, health.second.data(), size);
    json[size] = '\0';
  }
  return health.first ? 1 : 0;
}

}  // namespace chronik::host
