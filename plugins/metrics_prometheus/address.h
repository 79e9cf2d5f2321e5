// SPDX-License-Identifier: Apache-2.0
// "host:port" as it stands in the option `listen`.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace chronik_metrics_prometheus {

struct Address {
  std::string host;   // a name or a number, IPv6 without brackets
  uint16_t port = 0;  // 0: the system chooses
};

// "127.0.0.1:9644", "localhost:0", "[::1]:9644"; an empty host is refused ("0.0.0.0:9644" says what is meant). Throws
// chronik::sdk::Error(CHR_E_CONFIG).
Address ParseAddress(std::string_view text);

std::string FormatAddress(const Address& address);  // with brackets where they belong

}  // namespace chronik_metrics_prometheus
