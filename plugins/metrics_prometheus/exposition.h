// SPDX-License-Identifier: Apache-2.0
// The host's metrics in the Prometheus text format, version 0.0.4.
#pragma once

#include <string>

#include <chronik/sdk/metrics_exporter.h>

namespace chronik_metrics_prometheus {

inline constexpr const char* kExpositionType = "text/plain; version=0.0.4; charset=utf-8";

// Visits the registry on this thread. Throws what the visit or an allocation throws.
std::string RenderMetrics(const chronik::sdk::MetricsSource& source);

}  // namespace chronik_metrics_prometheus
