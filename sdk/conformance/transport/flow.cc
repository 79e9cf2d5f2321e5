// SPDX-License-Identifier: Apache-2.0
#include "sdk/conformance/transport/flow.h"

#include <cstring>

namespace chronik_conformance {
namespace {

using std::chrono::milliseconds;

constexpr uint64_t kIndexBits = 40;

// Mostly small, sometimes large enough that a loss finds it half sent.
size_t SizeOf(uint64_t index) { return index % 64 == 63 ? 200'000 : 8 + index * 7919 % 4000; }

}  // namespace

Flow::Flow(Node& from, Node& to) : from_(from), to_(to) {
  for (uint32_t id = 0; id < CHR_LANE_COUNT; ++id) {
    lanes_[id].id = id;
    lanes_[id].thread = std::thread([this, &lane = lanes_[id]] { Run(lane); });
  }
}

Flow::~Flow() { Stop(); }

void Flow::Stop() {
  stop_ = true;
  for (Lane& lane : lanes_) {
    if (lane.thread.joinable()) lane.thread.join();
  }
}

uint64_t Flow::NumberOf(const Lane& lane, uint64_t index) const {
  return (from_.id() * CHR_LANE_COUNT + lane.id) << kIndexBits | index;
}

void Flow::Run(Lane& lane) {
  while (!stop_) {
    SendOne(lane);
    std::this_thread::sleep_for(milliseconds(2));  // a steady flow, not as much as goes
  }
}

bool Flow::SendOne(Lane& lane) {
  const auto heard = [this] {
    const auto guard = from_.lock();
    return std::pair(from_.events[to_.id()].size(), from_.IsUp(to_.id()));
  };
  const uint64_t index = lane.sent.size();
  const auto [events_before, up_before] = heard();
  const chr_status status = from_.Send(to_.id(), lane.id, Payload(NumberOf(lane, index), SizeOf(index)));
  const auto [events_after, up_after] = heard();
  if (status >= 0) {
    lane.sent.push_back({events_before, events_after, up_before && up_after});
    ++sent_;
    return true;
  }
  // A transport that stops knows no peers any more.
  if (status != CHR_E_BUSY && status != CHR_E_CLOSED && status != CHR_E_NOT_FOUND) {
    Breach("TR-10: send: CHR_OK, CHR_E_BUSY or CHR_E_CLOSED on a network with faults, not " + std::to_string(status));
  }
  return false;
}

void Flow::SendUntilOneArrives(Lane& lane) {
  const uint64_t first = NumberOf(lane, lane.sent.size());
  const auto arrived = [&] {
    const auto& frames = to_.frames[{from_.id(), lane.id}];
    uint64_t number = 0;
    if (!frames.empty()) std::memcpy(&number, frames.back().data(), 8);
    return number >= first;
  };
  const auto deadline = Node::Clock::now() + kPatience;
  do {
    from_.AwaitUp(to_.id());
    SendOne(lane);
    if (Node::Clock::now() > deadline) return Breach("TR-4: after a fault of the network frames flow again");
  } while (!to_.Becomes(arrived, milliseconds(100)));
}

void Flow::Finish() {
  Stop();
  for (Lane& lane : lanes_) SendUntilOneArrives(lane);
  for (const Lane& lane : lanes_) Judge(lane);
}

void Flow::Judge(const Lane& lane) {
  const auto guard = to_.lock();
  auto& frames = to_.frames[{from_.id(), lane.id}];
  int64_t last = -1;
  for (const std::string& frame : frames) {
    uint64_t number = 0;
    if (frame.size() >= 8) std::memcpy(&number, frame.data(), 8);
    const uint64_t index = number & ((uint64_t{1} << kIndexBits) - 1);
    if (number != NumberOf(lane, index) || index >= lane.sent.size() || frame != Payload(number, SizeOf(index))) {
      return Breach("TR-1: a frame arrives unchanged or not at all; this one was never sent so");
    }
    const auto next = static_cast<int64_t>(index);
    if (next == last) return Breach("TR-1: a frame arrives at most once");
    if (next < last) return Breach("TR-2: frames of one lane arrive in the order of sending");
    JudgeGap(lane, static_cast<uint64_t>(last + 1), index);
    last = next;
  }
  frames.clear();
}

// [missing, next) did not arrive. Whoever sends a frame, hears nothing, and sends another one, has lost none between.
void Flow::JudgeGap(const Lane& lane, uint64_t missing, uint64_t next) const {
  if (missing == next) return;
  const Sent& before = lane.sent[missing > 0 ? missing - 1 : 0];
  const Sent& after = lane.sent[next];
  if (before.up && after.up && before.events_before == after.events_after) {
    Breach("TR-2 TR-15: frames are lost with a connection only, which on_peer tells; lane " + std::to_string(lane.id) +
           " lost " + std::to_string(next - missing) + " in silence");
  }
}

}  // namespace chronik_conformance
