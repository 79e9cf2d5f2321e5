// SPDX-License-Identifier: Apache-2.0
// What every part of one instance shares: the host, the settings, the threads, and the log that cannot be flooded.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>

#include <chronik/sdk/host.h>
#include <chronik/sdk/transport.h>

#include "plugins/transport_thrift/loop.h"
#include "plugins/transport_thrift/settings.h"

namespace chronik_transport_thrift {

namespace sdk = chronik::sdk;

// Lanes of frames, and the two connections of streams; together a session.
inline constexpr size_t kPushLane = CHR_LANE_COUNT;
inline constexpr size_t kPullLane = CHR_LANE_COUNT + 1;
inline constexpr size_t kConnections = CHR_LANE_COUNT + 2;
inline constexpr int32_t kVersion = 1;
inline constexpr size_t kBatchBytes = 256 << 10;
inline constexpr size_t kBatchFrames = 1024;

// Why a connection is no more, in the words of on_peer.
struct Loss {
  chr_status status = CHR_E_IO;
  std::string why;

  bool operator==(const Loss&) const = default;
};

// At most one warning a second; the next one says how many were left out. [any]
class QuietLog {
 public:
  explicit QuietLog(const sdk::Host& host) : host_(host) {}
  void Warn(const std::string& text) {
    const std::scoped_lock lock(mutex_);
    const uint64_t now_ns = host_.MonoNs();
    if (now_ns < next_ns_) {
      ++left_out_;
      return;
    }
    next_ns_ = now_ns + 1'000'000'000;
    host_.Warn(left_out_ == 0 ? text : text + " (and " + std::to_string(left_out_) + " more such warnings)");
    left_out_ = 0;
  }

 private:
  const sdk::Host& host_;
  std::mutex mutex_;
  uint64_t next_ns_ = 0;
  uint64_t left_out_ = 0;
};

struct Counters {
  explicit Counters(const sdk::Host& host)
      : sent_bytes(host.DefineCounter("chronik_transport_thrift_sent_bytes", "bytes", "Bytes of frames that arrived")),
        received_bytes(
            host.DefineCounter("chronik_transport_thrift_received_bytes", "bytes", "Bytes of frames received")),
        connects(host.DefineCounter("chronik_transport_thrift_connects_total", "", "Sessions that were established")),
        losses(host.DefineCounter("chronik_transport_thrift_losses_total", "", "Sessions that were lost")),
        rejects(host.DefineCounter("chronik_transport_thrift_rejects_total", "",
                                   "Connections closed because of malformed or forbidden calls")) {}
  sdk::Counter sent_bytes;
  sdk::Counter received_bytes;
  sdk::Counter connects;
  sdk::Counter losses;
  sdk::Counter rejects;
};

class TlsFactory;

struct Env {
  Env(sdk::Host& the_host, sdk::TransportSink the_sink)
      : host(the_host),
        sink(the_sink),
        settings(ReadSettings(the_host)),
        counters(the_host),
        log(the_host),
        loop(the_host),
        threads(the_host) {}

  sdk::Host& host;
  const sdk::TransportSink sink;
  const Settings settings;
  const Counters counters;
  QuietLog log;
  std::shared_ptr<TlsFactory> tls;  // NULL: plain
  Loop loop;
  Threads threads;  // last: they use the rest
};

}  // namespace chronik_transport_thrift
