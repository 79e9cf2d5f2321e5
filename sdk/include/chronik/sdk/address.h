// SPDX-License-Identifier: Apache-2.0
// "host:port" as it stands in an option `listen` or as a peer's address.
#pragma once

#include <charconv>
#include <cstdint>
#include <string>
#include <string_view>

#include <chronik/sdk/guard.h>

CHRONIK_SDK_BEGIN

struct Address {
  std::string host;   // a name or a number, IPv6 without brackets
  uint16_t port = 0;  // 0: the system chooses

  bool operator==(const Address&) const = default;
};

// "127.0.0.1:9644", "localhost:0", "[::1]:9644"; an empty host is refused ("0.0.0.0:9644" says what is meant). Throws
// Error(status) whose text begins with `what`.
inline Address ParseAddress(std::string_view what, std::string_view text, chr_status status = CHR_E_CONFIG) {
  const auto malformed = [&] {
    return Error(status, std::string(what) + " = \"" + std::string(text) +
                             "\" is not of the form host:port, such as 127.0.0.1:9644 or [::1]:9644");
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

inline std::string FormatAddress(const Address& address) {  // with brackets where they belong
  const bool v6 = address.host.find(':') != std::string::npos;
  return (v6 ? "[" + address.host + "]" : address.host) + ":" + std::to_string(address.port);
}

CHRONIK_SDK_END
