// SPDX-License-Identifier: Apache-2.0
#include "kernel/config/host_port.h"

#include <algorithm>
#include <charconv>

namespace chronik::config {
namespace {

constexpr size_t kHostLengthMax = 253;  // RFC 1035: the longest name in text form

bool IsAlphaNumeric(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'); }

// Of a name or an IPv4 address. Underscores are not DNS, but container networks use them.
bool IsHostCharacter(char c) { return IsAlphaNumeric(c) || c == '-' || c == '.' || c == '_'; }

// Of an IPv6 address with its zone ("fe80::1%eth0").
bool IsIpv6Character(char c) { return IsHostCharacter(c) || c == ':' || c == '%'; }

Error Bad(std::string_view text, std::string_view why) {
  return {ErrorCode::kConfig, "'" + std::string(text) + "' is not host:port: " + std::string(why)};
}

}  // namespace

bool HostPort::IsLoopback() const {
  if (host == "localhost" || host == "::1") return true;
  std::string_view rest = host;
  for (int part = 0; part < 4; ++part) {
    const std::string_view digits = rest.substr(0, rest.find('.'));
    uint8_t value = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    if (error != std::errc() || end != digits.data() + digits.size()) return false;  // a name
    if (part == 0 && value != 127) return false;
    rest.remove_prefix(digits.size());
    if (part < 3 && !rest.starts_with('.')) return false;
    if (part < 3) rest.remove_prefix(1);
  }
  return rest.empty();
}

std::string HostPort::ToString() const {
  if (empty()) return "";
  const bool ipv6 = host.find(':') != std::string::npos;
  return (ipv6 ? '[' + host + ']' : host) + ':' + std::to_string(port);
}

Result<HostPort> ParseHostPort(std::string_view text) {
  const size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return Bad(text, "the port is missing");
  std::string_view host = text.substr(0, colon);
  const std::string_view port_text = text.substr(colon + 1);
  const bool bracketed = host.size() >= 2 && host.front() == '[' && host.back() == ']';
  if (bracketed) {
    host = host.substr(1, host.size() - 2);
    if (host.find(':') == std::string_view::npos) return Bad(text, "brackets are for IPv6 addresses");
  } else if (host.find(':') != std::string_view::npos) {
    return Bad(text, "an IPv6 address stands in brackets, as in [::1]:9092");
  }
  if (host.empty()) return Bad(text, "the host is missing; 0.0.0.0 stands for every address");
  if (host.size() > kHostLengthMax) return Bad(text.substr(0, 32), "the host is too long");
  if (!std::all_of(host.begin(), host.end(), bracketed ? IsIpv6Character : IsHostCharacter)) {
    return Bad(text, "the host has a character that no host has");
  }
  uint16_t port = 0;
  const auto [end, error] = std::from_chars(port_text.data(), port_text.data() + port_text.size(), port);
  if (error != std::errc() || end != port_text.data() + port_text.size()) return Bad(text, "the port is not 0..65535");
  return HostPort{std::string(host), port};
}

}  // namespace chronik::config
