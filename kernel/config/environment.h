// SPDX-License-Identifier: Apache-2.0
// Which environment variables are meant for chronik.
#pragma once

#include <string_view>

namespace chronik::config {

inline constexpr std::string_view kEnvironmentPrefix = "CHRONIK_";

// Kubernetes puts the address of every service into the environment of every pod; for a service called "chronik" or
// "chronik-..." their names start as ours do (CHRONIK_SERVICE_HOST, CHRONIK_PORT=tcp://10.0.0.7:9092). Those are no
// mistakes.
bool IsKubernetesServiceLink(std::string_view name, std::string_view value);

}  // namespace chronik::config
