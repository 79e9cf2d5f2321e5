// SPDX-License-Identifier: Apache-2.0
// CRC-32C over the arguments of a call. Lengths are part of it, so that damage to Thrift's own bytes shows as well.
#pragma once

#include <bit>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <chronik/sdk/crc32c.h>

#include "Node.h"

namespace chronik_transport_thrift {

class Checksum {
 public:
  Checksum& Add(int64_t number) {
    crc_ = chronik::sdk::Crc32c(std::as_bytes(std::span(&number, 1)), crc_);
    return *this;
  }
  Checksum& Add(const std::string& bytes) {
    Add(static_cast<int64_t>(bytes.size()));
    crc_ = chronik::sdk::Crc32c(std::as_bytes(std::span(bytes)), crc_);
    return *this;
  }
  int64_t value() const { return crc_; }

 private:
  uint32_t crc_ = 0;
};
static_assert(std::endian::native == std::endian::little, "numbers are summed as little-endian bytes");

inline int64_t SumOf(const rpc::Hello& hello) {
  Checksum sum;
  sum.Add(hello.version).Add(hello.node_id).Add(hello.wanted_id).Add(hello.session).Add(hello.lane);
  return sum.Add(hello.max_frame_bytes).Add(hello.checksums).Add(hello.hello).value();
}
inline int64_t SumOf(const rpc::Welcome& welcome) {
  Checksum sum;
  sum.Add(welcome.status).Add(welcome.text).Add(welcome.node_id).Add(welcome.max_frame_bytes).Add(welcome.hello);
  return sum.value();
}
inline int64_t SumOf(const std::vector<std::string>& frames) {
  Checksum sum;
  for (const std::string& frame : frames) sum.Add(frame);
  return sum.value();
}
inline int64_t SumOf(const std::vector<rpc::StreamEvent>& events) {
  Checksum sum;
  for (const rpc::StreamEvent& event : events) sum.Add(event.stream).Add(event.kind).Add(event.value).Add(event.bytes);
  return sum.value();
}

}  // namespace chronik_transport_thrift
