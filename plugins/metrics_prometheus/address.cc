// SPDX-License-Identifier: Apache-2.0
#include "plugins/metrics_prometheus/address.h"

#include <charconv>

#include <chronik/sdk/guard.h>

namespace chronik_metrics_prometheus {

Address ParseAddress(std::string_view text) {
  const auto malformed = [&] {
    return chronik::sdk::Error(
        CHR_E_CONFIG,
        "listen = \"" + std::string(text) + "\" is not of the form host:port, such as 127.0.0.1:9644 or [::1]:9644");
  };
  const size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) throw malformed();
  std::string_view host = text.substr(0, colon);
  const std::string_view port = text.substr(colon + 1);
  if (host.starts_with('[') && host.ends_with(']')) {
    host = host.substr(1, host.size() - 2);
  } else if (host.find(':') != std::string_view::npos) {
    throw malformed();  // IPv6 without brackets: which colon ends it?
  }
  Address out{std::string(host), 0};
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), out.port);
  if (host.empty() || port.empty() || error != std::errc() || end != port.data() + port.size()) throw malformed();
  return out;
}

std::string FormatAddress(const Address& address) {
  const bool v6 = address.host.find(':') != std::string::npos;
  return (v6 ? "[" + address.host + "]" : address.host) + ":" + std::to_string(address.port);
}

}  // namespace chronik_metrics_prometheus
