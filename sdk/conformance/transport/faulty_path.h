// SPDX-License-Identifier: Apache-2.0
// A way to a peer that does to bytes what networks do: the suite's own proxy, or a Toxiproxy where one is named.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

namespace chronik_conformance {

class FaultyPath {
 public:
  enum class Way { kToPeer, kFromPeer };

  virtual ~FaultyPath() = default;
  virtual const std::string& address() const = 0;  // what is to be dialled in the place of the peer's

  // Each holds for connections of now and to come, in both ways unless one is named, until Heal.
  virtual void Latency(std::chrono::milliseconds delay) = 0;  // one way
  virtual void Bandwidth(uint64_t bytes_per_second) = 0;      // of each connection
  virtual void SlowClose(std::chrono::milliseconds delay) = 0;
  virtual void CutAfter(uint64_t bytes) = 0;  // to the peer: each connection ends there, in whatever frame it is
  virtual void ResetAfter(std::chrono::milliseconds age) = 0;
  virtual void Silence(Way way) = 0;          // bytes of that way vanish, nothing is closed
  virtual void RefuseShare(double part) = 0;  // of new connections, 0 to 1
  virtual void Heal() = 0;

  virtual void Cut() = 0;  // ends every connection of now
};

// The way to `target`, "127.0.0.1:port".
std::unique_ptr<FaultyPath> MakePath(const std::string& target);

}  // namespace chronik_conformance
