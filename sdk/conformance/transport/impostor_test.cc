// SPDX-License-Identifier: Apache-2.0
// Goal: a peer that was let in and then sends what no peer sends does no harm and is cut off; the others are served
// meanwhile. Method: a proxy between two nodes that, once they are connected, says something else to one in the other's
// place.
#include <gtest/gtest.h>

#include <functional>

#include "sdk/conformance/transport/flow.h"
#include "sdk/conformance/transport/options.h"
#include "sdk/conformance/transport/proxy.h"

namespace chronik_conformance {
namespace {

struct Trick {
  const char* name;
  std::function<void(Proxy& path)> play;
  bool before = false;  // the frames are sent: it is they that are cut
};
void PrintTo(const Trick& trick, std::ostream* out) { *out << trick.name; }

class Impostor : public testing::TestWithParam<Trick> {};

TEST_P(Impostor, IsCutOffDoesNoHarmAndComesBackAsItself) {
  Node a({.id = 1});
  Node b({.id = 2});
  Node c({.id = 3});
  Proxy to_b(b.address());
  a.SetPeer(2, to_b.address());
  b.SetPeer(1, a.address());
  a.AwaitUp(2);
  b.AwaitUp(1);
  Connect(b, c);
  Flow of_c(c, b);
  const uint64_t memory = ResidentBytes();
  const size_t events_b = b.EventCount(1);
  const size_t events_c = b.EventCount(3);
  if (GetParam().before) GetParam().play(to_b);
  for (uint32_t lane = 0; lane < CHR_LANE_COUNT; ++lane) a.Send(2, lane, Payload(lane, 500'000));
  if (!GetParam().before) GetParam().play(to_b);
  const PeerEvent down =
      b.AwaitDown(1, events_b, "TR-15: a peer that sends nonsense is cut off", Options().notice_limit);
  EXPECT_NE(down.why, "") << "TR-15: on_peer: says why";
  EXPECT_LT(ResidentBytes() - std::min(memory, ResidentBytes()), 64u << 20) << "nonsense makes nobody grow";
  // It connects again by itself, now unspoilt.
  a.AwaitUp(2);
  const std::string frame = Payload(77, 1000);
  const auto arrived = [&] {
    const auto& frames = b.frames[{1, CHR_LANE_FORWARD}];
    return !frames.empty() && frames.back() == frame;
  };
  while (!b.Becomes(arrived, std::chrono::milliseconds(50)) && !testing::Test::HasFailure()) {
    a.AwaitUp(2);
    a.Send(2, CHR_LANE_FORWARD, frame);
  }
  for (uint32_t lane = 0; lane < CHR_LANE_COUNT; ++lane) {
    const auto guard = b.lock();
    for (const std::string& got : b.frames[{1, lane}]) {
      EXPECT_TRUE(got == frame || got == Payload(lane, 500'000)) << "TR-1: nothing is delivered that was never sent";
    }
  }
  of_c.Finish();
  EXPECT_EQ(b.EventCount(3), events_c) << "TR-15: nonsense of one peer disturbs no other";
}

INSTANTIATE_TEST_SUITE_P(
    Hostile, Impostor,
    testing::Values(Trick{"Garbage", [](Proxy& path) { path.Impersonate(Payload(4711, 6000), false); }},
                    Trick{"HugeLengths", [](Proxy& path) { path.Impersonate(std::string(1000, '\xff'), false); }},
                    Trick{"LargeLengths", [](Proxy& path) { path.Impersonate(std::string(1000, '\x7f'), false); }},
                    Trick{"Zeros", [](Proxy& path) { path.Impersonate(std::string(1000, '\0'), false); }},
                    Trick{"AnotherProtocol",
                          [](Proxy& path) { path.Impersonate("GET / HTTP/1.1\r\nHost: x\r\n\r\n", false); }},
                    Trick{"OneByte", [](Proxy& path) { path.Impersonate("x", false); }},
                    Trick{"AnEndWithinAFrame", [](Proxy& path) { path.Impersonate("xyz", true); }},
                    Trick{"HalfAFrameAndSilence", [](Proxy& path) { path.MuteAfter(100'000); }, true}),
    [](const auto& tested) { return tested.param.name; });

}  // namespace
}  // namespace chronik_conformance
