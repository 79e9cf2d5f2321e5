// SPDX-License-Identifier: Apache-2.0
// Goal: a lost connection is noticed, in time and for the right reason, nothing arrives damaged or twice, and frames
// flow again without being asked. Method: a proxy between two nodes that cuts, refuses, spoils, delays and swallows.
#include <gtest/gtest.h>

#include <set>
#include <thread>

#include "sdk/conformance/transport/node.h"
#include "sdk/conformance/transport/options.h"
#include "sdk/conformance/transport/proxy.h"

namespace chronik_conformance {
namespace {

using std::chrono::milliseconds;

// Two nodes; whatever a and b send to each other goes through one of two proxies.
struct Wire {
  Node a{{.id = 1}};
  Node b{{.id = 2}};
  Proxy to_b{b.address()};
  Proxy to_a{a.address()};

  Wire() {
    a.SetPeer(2, to_b.address());
    b.SetPeer(1, to_a.address());
    a.AwaitUp(2);
    b.AwaitUp(1);
  }
  // What is sent just when a connection is lost may be gone, so the marker is sent until it arrives.
  void ExpectFlow() {
    for (const auto& [from, to] : {std::pair(&a, &b), std::pair(&b, &a)}) {
      const std::string marker = "marker " + std::to_string(++markers_);
      const auto arrived = [&, from = from, to = to] {
        const auto& frames = to->frames[{from->id(), CHR_LANE_CONTROL}];
        return std::find(frames.begin(), frames.end(), marker) != frames.end();
      };
      const auto deadline = Node::Clock::now() + kPatience;
      do {
        from->AwaitUp(to->id());
        from->Send(to->id(), CHR_LANE_CONTROL, marker);
      } while (!to->Becomes(arrived, milliseconds(200)) && Node::Clock::now() < deadline);
      EXPECT_TRUE(to->Becomes(arrived, milliseconds(0))) << "after a loss the plugin connects again and frames flow";
    }
  }

 private:
  uint64_t markers_ = 0;
};

class Cuts : public testing::TestWithParam<bool> {};

TEST_P(Cuts, AreNoticedAtOnceByBothEndsAndMended) {
  Wire wire;
  const size_t events_a = wire.a.EventCount(2);
  const size_t events_b = wire.b.EventCount(1);
  wire.to_b.Refuse(true);
  wire.to_b.Cut(GetParam());
  // Well below any timeout: a follower must hear at once that its leader's process died.
  EXPECT_EQ(
      wire.a
          .AwaitDown(2, events_a, "on_peer: a closed connection is noticed promptly by the dialler", milliseconds(500))
          .status,
      CHR_E_CLOSED)
      << "on_peer: CHR_E_CLOSED, its end closed or reset the connection";
  EXPECT_EQ(wire.b
                .AwaitDown(1, events_b, "on_peer: a connection from the peer that ends is noticed promptly",
                           milliseconds(500))
                .status,
            CHR_E_CLOSED)
      << "on_peer: CHR_E_CLOSED, a connection from it ended";
  EXPECT_EQ(wire.a.Send(2, CHR_LANE_CONTROL, "x"), CHR_E_CLOSED) << "send: not connected, nothing was queued";
  wire.to_b.Refuse(false);
  wire.ExpectFlow();
}
INSTANTIATE_TEST_SUITE_P(Loss, Cuts, testing::Bool(),
                         [](const auto& tested) { return tested.param ? "WithReset" : "WithEndOfFile"; });

TEST(Loss, FramesComeInOrderAndAtMostOnceAcrossManyCuts) {
  Wire wire;
  std::atomic<bool> stop{false};
  std::thread cutter([&] {
    for (int i = 0; i < 15; ++i) {
      std::this_thread::sleep_for(milliseconds(60));  // anywhere in the flow
      wire.to_b.Cut(i % 2 == 0);
    }
    stop = true;
  });
  uint64_t sent = 0;
  while (!stop) {
    const chr_status status = wire.a.Send(2, CHR_LANE_REPLICATION, Payload(sent, 3000));
    if (status >= 0) ++sent;
    if (status == CHR_E_CLOSED || status == CHR_E_BUSY) std::this_thread::yield();
  }
  cutter.join();
  wire.ExpectFlow();
  const auto guard = wire.b.lock();
  int64_t last = -1;
  for (const std::string& frame : wire.b.frames[{1, CHR_LANE_REPLICATION}]) {
    uint64_t number = 0;
    std::memcpy(&number, frame.data(), 8);
    ASSERT_GT(static_cast<int64_t>(number), last) << "a frame arrives at most once, and in order, across reconnects";
    ASSERT_TRUE(frame == Payload(number, 3000)) << "a frame arrives whole and unchanged, or not at all";
    last = static_cast<int64_t>(number);
  }
  EXPECT_GE(last, 0) << "frames flow between cuts";
}

TEST(Loss, DamagedBytesAreNeverDelivered) {
  Wire wire;
  for (uint64_t round = 0; round < 24; ++round) {
    const uint64_t corrupted = wire.to_b.corrupted();
    wire.to_b.CorruptAfter(round * 97);
    uint64_t number = 0;
    while (wire.to_b.corrupted() == corrupted) {
      wire.a.Send(2, CHR_LANE_REPLICATION, Payload(round << 32 | number++, 500));
      std::this_thread::yield();
    }
    wire.ExpectFlow();
  }
  const auto guard = wire.b.lock();
  for (const std::string& frame : wire.b.frames[{1, CHR_LANE_REPLICATION}]) {
    ASSERT_EQ(frame.size(), 500u) << "a frame arrives whole or not at all";
    uint64_t number = 0;
    std::memcpy(&number, frame.data(), 8);
    ASSERT_TRUE(frame == Payload(number, 500)) << "a frame arrives unchanged or not at all";
  }
}

TEST(Loss, ASilentPeerIsNoticedByBothEnds) {
  Wire wire;
  const size_t events_a = wire.a.EventCount(2);
  const size_t events_b = wire.b.EventCount(1);
  wire.to_b.Blackhole(true);
  wire.to_a.Blackhole(true);
  const milliseconds limit = Options().notice_limit;
  EXPECT_EQ(wire.a.AwaitDown(2, events_a, "on_peer: a half-open peer is noticed by timeout", limit).status,
            CHR_E_TIMEOUT)
      << "on_peer: CHR_E_TIMEOUT, it fell silent";
  EXPECT_EQ(wire.b.AwaitDown(1, events_b, "on_peer: a half-open peer is noticed by timeout", limit).status,
            CHR_E_TIMEOUT)
      << "on_peer: CHR_E_TIMEOUT, it fell silent";
  wire.to_b.Blackhole(false);
  wire.to_a.Blackhole(false);
  wire.to_b.Cut(true);
  wire.to_a.Cut(true);
  wire.ExpectFlow();
}

TEST(Loss, AnIdleConnectionStays) {
  Wire wire;
  const size_t events = wire.a.EventCount(2);
  // Longer than the timeout that notices a silent peer: there is nothing to wait for, which is the point.
  std::this_thread::sleep_for(std::min(Options().notice_limit, milliseconds(2500)));
  wire.ExpectFlow();
  EXPECT_EQ(wire.a.EventCount(2), events) << "a connection without frames shows signs of life and stays up";
}

TEST(Loss, ALongDelayIsNoLoss) {
  Wire wire;
  wire.to_b.Latency(milliseconds(150));
  const size_t events = wire.a.EventCount(2);
  for (uint64_t i = 0; i < 200; ++i) wire.a.SendAll(2, CHR_LANE_REPLICATION, Payload(i, 2000));
  for (uint64_t i = 0; i < 200; ++i) {
    ASSERT_TRUE(wire.b.NextFrame(1, CHR_LANE_REPLICATION) == Payload(i, 2000)) << "a slow network loses nothing";
  }
  EXPECT_EQ(wire.a.EventCount(2), events) << "a slow network breaks no connection";
}

TEST(Loss, AReceiverThatTakesNothingIsNotSilent) {
  Wire wire;
  const size_t events = wire.a.EventCount(2);
  for (uint32_t lane = 0; lane < CHR_LANE_COUNT; ++lane) {
    wire.b.SetBusy(lane, true);
    wire.a.SendAll(2, lane, "held");
  }
  std::this_thread::sleep_for(std::min(Options().notice_limit, milliseconds(2500)));  // longer than the idle timeout
  for (uint32_t lane = 0; lane < CHR_LANE_COUNT; ++lane) {
    wire.b.SetBusy(lane, false);
    wire.b.Resume(1, lane);
    EXPECT_EQ(wire.b.NextFrame(1, lane), "held") << "on_frame: the plugin keeps what was answered with CHR_E_BUSY";
  }
  EXPECT_EQ(wire.a.EventCount(2), events) << "back-pressure breaks no connection";
}

TEST(Loss, FramesWaitForNothingWhenThePeerComesBack) {
  Node a({.id = 1});
  auto b = std::make_unique<Node>(NodeSetup{.id = 2});
  Proxy door(b->address());
  a.SetPeer(2, door.address());
  a.AwaitUp(2);
  for (int round = 0; round < 5; ++round) {
    const size_t events = a.EventCount(2);
    b = nullptr;  // the process ends
    a.AwaitDown(2, events, "on_peer: the end of the peer's process is noticed promptly", milliseconds(500));
    b = std::make_unique<Node>(NodeSetup{.id = 2});
    door.SetTarget(b->address());
    a.AwaitUp(2);
    a.SendAll(2, CHR_LANE_CONTROL, "again");
    EXPECT_EQ(b->NextFrame(1, CHR_LANE_CONTROL), "again") << "after a loss the plugin connects again";
  }
}

}  // namespace
}  // namespace chronik_conformance
