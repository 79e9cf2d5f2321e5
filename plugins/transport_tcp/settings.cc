// SPDX-License-Identifier: Apache-2.0
#include "plugins/transport_tcp/settings.h"

namespace chronik_transport_tcp {
Settings ReadSettings(const chronik::sdk::Host& host) {
  const auto number = [&](const char* key) { return static_cast<uint64_t>(host.GetInt(key)); };
  Settings settings{.listen = chronik::sdk::ParseAddress("listen", host.GetString("listen")),
                    .connect_timeout_ns = number("connect_timeout"),
                    .idle_timeout_ns = number("idle_timeout"),
                    .reconnect_backoff_min_ns = number("reconnect_backoff_min"),
                    .reconnect_backoff_max_ns = number("reconnect_backoff_max"),
                    .max_frame_bytes = static_cast<uint32_t>(number("max_frame_bytes")),
                    .max_queued_bytes = number("max_queued_bytes"),
                    .body_checksum = host.GetBool("body_checksum"),
                    .tls = host.GetString("tls") == "required",
                    .tls_cert_file = std::string(host.GetString("tls_cert_file")),
                    .tls_key_file = std::string(host.GetString("tls_key_file")),
                    .tls_ca_file = std::string(host.GetString("tls_ca_file"))};
  if (settings.reconnect_backoff_min_ns > settings.reconnect_backoff_max_ns) {
    throw chronik::sdk::Error(CHR_E_CONFIG, "reconnect_backoff_min is above reconnect_backoff_max");
  }
  if (settings.tls &&
      (settings.tls_cert_file.empty() || settings.tls_key_file.empty() || settings.tls_ca_file.empty())) {
    throw chronik::sdk::Error(CHR_E_CONFIG, "tls = required needs tls_cert_file, tls_key_file and tls_ca_file");
  }
  return settings;
}

}  // namespace chronik_transport_tcp
