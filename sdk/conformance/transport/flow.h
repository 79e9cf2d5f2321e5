// SPDX-License-Identifier: Apache-2.0
// Numbered frames from one node to another in every lane, for as long as a test lasts; then whether what arrived is
// what the contract promises whatever the network did: in order, at most once, unchanged, and missing only where the
// sender was told of a loss.
#pragma once

#include <array>
#include <atomic>
#include <thread>
#include <vector>

#include "sdk/conformance/transport/node.h"

namespace chronik_conformance {

class Flow {
 public:
  Flow(Node& from, Node& to);
  ~Flow();  // stops without a verdict
  Flow(const Flow&) = delete;
  Flow& operator=(const Flow&) = delete;

  void Stop();
  // Stops, sends on until a frame of now has arrived in each lane, then judges all that arrived.
  void Finish();
  uint64_t sent() const { return sent_; }

 private:
  struct Sent {
    size_t events_before;  // of on_peer, as the sender had heard them
    size_t events_after;
    bool up;  // before and after
  };
  struct Lane {
    uint32_t id = 0;
    std::vector<Sent> sent = {};
    std::thread thread = {};
  };

  void Run(Lane& lane);
  bool SendOne(Lane& lane);
  void SendUntilOneArrives(Lane& lane);
  void Judge(const Lane& lane);
  void JudgeGap(const Lane& lane, uint64_t previous, uint64_t next) const;
  uint64_t NumberOf(const Lane& lane, uint64_t index) const;

  Node& from_;
  Node& to_;
  std::atomic<bool> stop_{false};
  std::atomic<uint64_t> sent_{0};
  std::array<Lane, CHR_LANE_COUNT> lanes_;
};

}  // namespace chronik_conformance
