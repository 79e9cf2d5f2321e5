// SPDX-License-Identifier: Apache-2.0
#include "plugins/transport_thrift/settings.h"

namespace chronik_transport_thrift {

using chronik::sdk::Error;

Settings ReadSettings(const chronik::sdk::Host& host) {
  Settings out;
  out.listen = chronik::sdk::ParseAddress("listen", host.GetString("listen"));
  out.connect_timeout_ns = static_cast<uint64_t>(host.GetInt("connect_timeout"));
  out.idle_timeout_ns = static_cast<uint64_t>(host.GetInt("idle_timeout"));
  out.reconnect_backoff_min_ns = static_cast<uint64_t>(host.GetInt("reconnect_backoff_min"));
  out.reconnect_backoff_max_ns = static_cast<uint64_t>(host.GetInt("reconnect_backoff_max"));
  out.max_frame_bytes = static_cast<uint32_t>(host.GetInt("max_frame_bytes"));
  out.max_queued_bytes = static_cast<uint64_t>(host.GetInt("max_queued_bytes"));
  out.tls = host.GetString("tls") == "required";
  out.checksums = host.GetBool("body_checksum") && !out.tls;
  out.tls_cert_file = host.GetString("tls_cert_file");
  out.tls_key_file = host.GetString("tls_key_file");
  out.tls_ca_file = host.GetString("tls_ca_file");
  if (out.reconnect_backoff_min_ns > out.reconnect_backoff_max_ns) {
    throw Error(CHR_E_CONFIG, "reconnect_backoff_min is above reconnect_backoff_max");
  }
  if (out.tls && (out.tls_cert_file.empty() || out.tls_key_file.empty() || out.tls_ca_file.empty())) {
    throw Error(CHR_E_CONFIG, "tls = required needs tls_cert_file, tls_key_file and tls_ca_file");
  }
  return out;
}

}  // namespace chronik_transport_thrift
