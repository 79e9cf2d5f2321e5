// SPDX-License-Identifier: Apache-2.0
// A network address as operators write it: "host:port", with IPv6 in brackets.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "kernel/base/result.h"

namespace chronik::config {

struct HostPort {
  std::string host;   // a name or an address, IPv6 without its brackets; empty: no address at all
  uint16_t port = 0;  // 0: the system chooses

  friend bool operator==(const HostPort&, const HostPort&) = default;
  bool empty() const { return host.empty(); }
  bool IsWildcard() const { return host == "0.0.0.0" || host == "::"; }
  bool IsLoopback() const;       // 127.0.0.0/8, ::1, or the name localhost
  std::string ToString() const;  // what ParseHostPort reads; "" if empty()
};

// "127.0.0.1:9092", "broker-1.example.org:9092", "[::1]:0". The name is checked for its form, not resolved.
Result<HostPort> ParseHostPort(std::string_view text);

}  // namespace chronik::config
