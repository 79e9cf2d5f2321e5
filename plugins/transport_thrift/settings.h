// SPDX-License-Identifier: Apache-2.0
// The plugin's options, and their values as the code wants them.
#pragma once

#include <cstdint>
#include <string>

#include <chronik/plugin.h>
#include <chronik/sdk/address.h>
#include <chronik/sdk/host.h>

namespace chronik_transport_thrift {

struct Settings {
  chronik::sdk::Address listen;
  uint64_t connect_timeout_ns;
  uint64_t idle_timeout_ns;
  uint64_t reconnect_backoff_min_ns;
  uint64_t reconnect_backoff_max_ns;
  uint32_t max_frame_bytes;
  uint64_t max_queued_bytes;
  bool checksums;  // never with TLS
  bool tls;
  std::string tls_cert_file;
  std::string tls_key_file;
  std::string tls_ca_file;
};

inline constexpr chr_option kOptions[] = {
    {"listen", "string", "127.0.0.1:0", nullptr,
     "Where other nodes reach this one, host:port; [::1]:9500 for IPv6, port 0 for any free one.", 0},
    {"connect_timeout", "duration", "3s", "50ms..5m",
     "From the first packet of a session until all its connections are greeted.", 0},
    {"idle_timeout", "duration", "5s", "100ms..10m",
     "A call that is not answered for so long, or a connection without a call, is a loss; the same on all nodes.", 0},
    {"reconnect_backoff_min", "duration", "50ms", "1ms..1m", "The first pause before connecting again; jittered.", 0},
    {"reconnect_backoff_max", "duration", "2s", "1ms..10m", "Pauses double up to this one.", 0},
    {"max_frame_bytes", "bytes", "16MiB", "2MiB..256MiB",
     "The longest frame that is sent or taken. A peer may make this node hold a few such frames a lane.", 0},
    {"max_queued_bytes", "bytes", "16MiB", "64KiB..1GiB",
     "What may wait to be sent to one peer in one lane, and in one stream; beyond it the sender is told to wait.", 0},
    {"body_checksum", "bool", "true", nullptr,
     "CRC-32C of each call's frames. Never computed with TLS, which authenticates them.", 0},
    {"tls", "enum:off,required", "off", nullptr, "required: TLS 1.2 or later, with certificates of both ends.", 0},
    {"tls_cert_file", "path", "", nullptr, "This node's certificate and the chain to its authority, PEM.", 0},
    {"tls_key_file", "path", "", nullptr, "The private key of tls_cert_file, PEM.", 0},
    {"tls_ca_file", "path", "", nullptr, "The authorities whose certificates other nodes may present, PEM.", 0},
};

// Throws chronik::sdk::Error(CHR_E_CONFIG) where two options do not go together.
Settings ReadSettings(const chronik::sdk::Host& host);

}  // namespace chronik_transport_thrift
