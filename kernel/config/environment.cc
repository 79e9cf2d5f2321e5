// SPDX-License-Identifier: Apache-2.0
#include "kernel/config/environment.h"

#include <algorithm>
#include <array>

namespace chronik::config {
namespace {

// "9092_TCP", "9092_TCP_ADDR"...: what follows _PORT_ in a service link.
bool IsPortDetail(std::string_view text) {
  constexpr std::array<std::string_view, 3> kProtocols = {"TCP", "UDP", "SCTP"};
  constexpr std::array<std::string_view, 4> kDetails = {"", "_PROTO", "_PORT", "_ADDR"};
  const size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
  if (digits == 0 || digits == text.size() || text[digits] != '_') return false;
  text.remove_prefix(digits + 1);
  for (const std::string_view protocol : kProtocols) {
    if (!text.starts_with(protocol)) continue;
    const std::string_view detail = text.substr(protocol.size());
    if (std::find(kDetails.begin(), kDetails.end(), detail) != kDetails.end()) return true;
  }
  return false;
}

}  // namespace

bool IsKubernetesServiceLink(std::string_view name, std::string_view value) {
  constexpr std::string_view kServicePort = "_SERVICE_PORT_";
  constexpr std::string_view kPort = "_PORT_";
  if (name.ends_with("_SERVICE_HOST") || name.ends_with("_SERVICE_PORT")) return true;
  if (name.find(kServicePort) != std::string_view::npos) return true;
  if (name.ends_with("_PORT") && value.find("://") != std::string_view::npos) return true;
  const size_t port = name.find(kPort);
  return port != std::string_view::npos && IsPortDetail(name.substr(port + kPort.size()));
}

}  // namespace chronik::config
