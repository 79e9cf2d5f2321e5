// SPDX-License-Identifier: Apache-2.0
// The SRV records of a DNS message (RFC 1035, RFC 2782), with their TTLs, which c-ares 1.18's own parser leaves out.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace chronik_discovery_dns {

struct SrvRecord {
  std::string target;  // lower case, without the dot at its end; "" is the root: "no such service here"
  uint16_t port = 0;
  uint16_t priority = 0;
  uint16_t weight = 0;
  uint32_t ttl_s = 0;
};

// Throws chronik::sdk::Error(CHR_E_CORRUPT) on anything that is not a well-formed message. Bytes from the network: no
// answer makes it read outside of `message` or loop.
std::vector<SrvRecord> ParseSrvAnswer(std::span<const unsigned char> message);

}  // namespace chronik_discovery_dns
