// SPDX-License-Identifier: Apache-2.0
// A C++ class as a chr_metrics_exporter: the concept it must fulfil, and the table behind the exception firewall.
#pragma once

#include <array>
#include <concepts>
#include <cstring>
#include <span>
#include <string>
#include <string_view>

#include <chronik/metrics_exporter.h>
#include <chronik/sdk/plugin.h>

CHRONIK_SDK_BEGIN

// The host's metrics registry and health; copies share it. [any]
class MetricsSource {
 public:
  MetricsSource() = default;
  explicit MetricsSource(const chr_metrics_source& source) : source_(source) {}

  // Calls visitor.Family(kind, name, unit, help), followed by visitor.Sample(chr_sample) for each of its series, on
  // this thread. What the visitor throws ends the visit and is rethrown here.
  template <class Visitor>
    requires requires(Visitor& v, int32_t kind, std::string_view text, const chr_sample& sample) {
      v.Family(kind, text, text, text);
      v.Sample(sample);
    }
  void Visit(Visitor& visitor) const {
    Visiting<Visitor> context{visitor, nullptr};
    chr_metrics_visitor table{};
    table.struct_size = sizeof(table);
    table.ctx = &context;
    table.family = [](void* ctx, int32_t kind, chr_str name, chr_str unit, chr_str help) noexcept {
      auto& c = *static_cast<Visiting<Visitor>*>(ctx);
      c.Run([&] { c.visitor.Family(kind, ToView(name), ToView(unit), ToView(help)); });
    };
    table.sample = [](void* ctx, const chr_sample* sample) noexcept {
      auto& c = *static_cast<Visiting<Visitor>*>(ctx);
      c.Run([&] { c.visitor.Sample(*sample); });
    };
    const chr_status status = source_.visit(source_.ctx, &table);
    if (context.thrown != nullptr) {
      std::rethrow_exception(context.thrown);
    }
    if (status < 0) {
      throw Error(status, "the host refused a visit of its metrics");
    }
  }

  struct Health {
    bool healthy;
    std::string json;  // one line
  };
  Health GetHealth(int32_t which) const {  // CHR_HEALTH_*
    std::array<char, 4096> json{};
    const bool healthy = source_.health(source_.ctx, which, json.data(), json.size()) != 0;
    return {healthy, std::string(json.data(), strnlen(json.data(), json.size()))};
  }

 private:
  // Carries an exception of the visitor across the host's C frames.
  template <class Visitor>
  struct Visiting {
    Visitor& visitor;
    std::exception_ptr thrown;
    template <class Call>
    void Run(Call call) noexcept {
      if (thrown == nullptr) {
        try {
          call();
        } catch (...) {
          thrown = std::current_exception();
        }
      }
    }
  };

  chr_metrics_source source_{};
};

// A pull exporter has `std::string BoundAddress()`, a push exporter `chr_status Flush(Done&)`; one may have both.
template <class E>
concept PullExporter = requires(E& exporter) {
  { exporter.BoundAddress() } -> std::convertible_to<std::string>;
};
template <class E>
concept PushExporter = requires(E& exporter, Done& done) {
  { exporter.Flush(done) } -> std::same_as<chr_status>;
};
template <class E>
concept MetricsExporterClass = PluginClass<E, MetricsSource> && (PullExporter<E> || PushExporter<E>);

template <class E>
class MetricsExporterInterface {
 public:
  using Sink = MetricsSource;
  using RawSink = chr_metrics_source;
  static constexpr const char* kId = CHR_METRICS_EXPORTER_1;

  static chr_status BoundAddress(void* self, char* out, size_t cap) noexcept {
    return Guard(nullptr, [&] {
      if constexpr (PullExporter<E>) {
        const std::string address = PluginAdapter<E, MetricsExporterInterface>::Self(self).BoundAddress();
        if (address.size() >= cap) {
          throw Error(CHR_E_RANGE, "bound_address: the buffer is too small");
        }
        std::memcpy(out, address.c_str(), address.size() + 1);
      } else {
        throw Error(CHR_E_UNSUPPORTED, "a push exporter does not listen");
      }
    });
  }
  static chr_status Flush(void* self, chr_done raw) noexcept
    requires PushExporter<E>
  {
    return GuardDone(raw, nullptr, [&](Done& done) -> chr_status {
      return PluginAdapter<E, MetricsExporterInterface>::Self(self).Flush(done);
    });
  }

  static constexpr chr_metrics_exporter MakeTable() {
    chr_metrics_exporter table{};
    table.struct_size = sizeof(table);
    table.bound_address = &BoundAddress;
    if constexpr (PushExporter<E>) {
      table.flush = &Flush;
    }
    return table;
  }
  static constexpr chr_metrics_exporter kTable = MakeTable();
};

template <class E>
constexpr chr_plugin DescribeMetricsExporter(const PluginInfo& info) {
  static_assert(MetricsExporterClass<E>, "a member of MetricsExporterClass is missing or has another signature");
  return PluginAdapter<E, MetricsExporterInterface<E>>::Describe(info);
}

CHRONIK_SDK_END

// Makes the translation unit's library a metrics exporter plugin. `info` is a constexpr PluginInfo.
#define CHRONIK_METRICS_EXPORTER_PLUGIN(Class, info) \
  CHRONIK_PLUGIN_MAIN(::chronik::sdk::DescribeMetricsExporter<Class>(info))
