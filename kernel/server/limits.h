// SPDX-License-Identifier: Apache-2.0
// What one connection, and all of them, may cost.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace chronik::server {

struct Limits {
  size_t connections_max = 10000;
  uint32_t request_bytes_max = 100u << 20;
  // A connection reads no further request while it has this many, or these bytes of them and of unsent responses.
  size_t requests_in_flight_max = 64;
  size_t connection_bytes_max = 8u << 20;
  // All connections of the process together. Beyond it they read no further, except for one connection at a time, and
  // for small requests (kReadAheadBytes) of connections that have nothing in flight.
  uint64_t total_bytes_max = 1ull << 30;
  std::chrono::milliseconds idle_timeout{600000};    // nothing received, nothing in flight
  std::chrono::milliseconds partial_timeout{30000};  // half a request, and less than kProgressBytes more of it
};

// What a connection reads when it expects nothing; not counted above.
inline constexpr size_t kReadAheadBytes = 16u << 10;
inline constexpr size_t kProgressBytes = 4u << 10;
// A request's memory grows with what has arrived: a length field alone costs this much.
inline constexpr size_t kFirstReadBytes = 64u << 10;

}  // namespace chronik::server
