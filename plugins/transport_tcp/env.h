// SPDX-License-Identifier: Apache-2.0
// What every part of one instance shares: the host, the settings, the loop, and the log that cannot be flooded.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <cstdint>
#include <memory>
#include <mutex>
#include <random>
#include <string>

#include <chronik/sdk/host.h>
#include <chronik/sdk/transport.h>

#include "plugins/transport_tcp/settings.h"

namespace boost::asio::ssl {
class context;
}

namespace chronik_transport_tcp {

namespace sdk = chronik::sdk;

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
    const uint64_t now_ns = host_.MonoNs();
    std::string suffix;
    {
      const std::scoped_lock lock(mutex_);
      if (now_ns < next_ns_) {
        ++left_out_;
        return;
      }
      next_ns_ = now_ns + 1'000'000'000;
      if (left_out_ > 0) suffix = " (and " + std::to_string(left_out_) + " more such warnings)";
      left_out_ = 0;
    }
    host_.Warn(text + suffix);
  }

 private:
  const sdk::Host& host_;
  std::mutex mutex_;
  uint64_t next_ns_ = 0;
  uint64_t left_out_ = 0;
};

struct Counters {
  explicit Counters(const sdk::Host& host)
      : sent_bytes(
            host.DefineCounter("chronik_transport_tcp_sent_bytes", "bytes", "Bytes of frames given to the kernel")),
        received_bytes(host.DefineCounter("chronik_transport_tcp_received_bytes", "bytes", "Bytes of frames received")),
        connects(host.DefineCounter("chronik_transport_tcp_connects_total", "", "Sessions that were established")),
        losses(host.DefineCounter("chronik_transport_tcp_losses_total", "", "Sessions that were lost")),
        rejects(host.DefineCounter("chronik_transport_tcp_rejects_total", "",
                                   "Connections closed because of malformed or forbidden bytes")) {}
  sdk::Counter sent_bytes;
  sdk::Counter received_bytes;
  sdk::Counter connects;
  sdk::Counter losses;
  sdk::Counter rejects;
};

struct Env;

// What a task on a thread of the host goes through to come back: closed when the instance stops.
struct Gate {
  std::mutex mutex;
  Env* env = nullptr;
};

struct Env {
  Env(sdk::Host& the_host, sdk::TransportSink the_sink)
      : host(the_host), sink(the_sink), settings(ReadSettings(the_host)), counters(the_host), log(the_host) {
    gate->env = this;
  }

  // Runs `fn` on the loop, later; nothing runs once the loop has ended. [any]
  template <class Fn>
  void Post(Fn fn) {
    boost::asio::post(loop, std::move(fn));
  }

  sdk::Host& host;
  const sdk::TransportSink sink;
  const Settings settings;
  const Counters counters;
  QuietLog log;
  const std::shared_ptr<Gate> gate = std::make_shared<Gate>();
  std::shared_ptr<boost::asio::ssl::context> tls;  // NULL: plain
  std::mt19937_64 random{std::random_device{}()};  // the loop's: jitter; tokens come from OpenSSL
  boost::asio::io_context loop{1};                 // last: what its queue holds refers to the rest
};

}  // namespace chronik_transport_tcp
