// SPDX-License-Identifier: Apache-2.0
// Goal: queues are bounded, back-pressure reaches the sender and ends, a busy lane delays no lane of a lower number.
// Method: a receiver that takes nothing until it is told to; the time a control frame needs meanwhile.
#include <gtest/gtest.h>

#include <algorithm>
#include <thread>

#include "sdk/conformance/transport/node.h"

namespace chronik_conformance {
namespace {

using Clock = std::chrono::steady_clock;

TEST(Pressure, ReachesTheSenderIsBoundedAndEnds) {
  Node a({.id = 1});
  Node b({.id = 2});
  Connect(a, b);
  constexpr size_t kSize = 100'000;
  b.SetBusy(CHR_LANE_REPLICATION, true);
  const uint64_t taken = FillUp(a, 2, CHR_LANE_REPLICATION, kSize);
  // Besides the two ends' own: what the kernel's sockets hold.
  const uint64_t bound = a.caps().max_queued_bytes + b.caps().max_queued_bytes + (32 << 20);
  EXPECT_LE(taken * kSize, bound) << "queues are bounded in bytes";
  EXPECT_GE(taken * kSize, a.caps().max_queued_bytes / 2) << "max_queued_bytes may be queued";
  {
    const auto guard = b.lock();
    EXPECT_EQ(b.refused_frames, 1u) << "on_frame: after CHR_E_BUSY nothing more is read of that (peer, lane)";
  }
  b.SetBusy(CHR_LANE_REPLICATION, false);
  b.Resume(1, CHR_LANE_REPLICATION);
  for (uint64_t i = 0; i < taken; ++i) {
    ASSERT_TRUE(b.NextFrame(1, CHR_LANE_REPLICATION) == Payload(i, kSize))
        << "resume: the refused frame is delivered again, and all after it in order; frame " << i;
  }
  a.SendAll(2, CHR_LANE_REPLICATION, "after");
  EXPECT_EQ(b.NextFrame(1, CHR_LANE_REPLICATION), "after") << "send: goes on after back-pressure";
}

TEST(Pressure, MayBeAnsweredManyTimes) {
  Node a({.id = 1});
  Node b({.id = 2});
  Connect(a, b);
  for (uint64_t round = 0; round < 20; ++round) {
    b.SetBusy(CHR_LANE_FORWARD, true);
    a.SendAll(2, CHR_LANE_FORWARD, Payload(2 * round, 50));
    a.SendAll(2, CHR_LANE_FORWARD, Payload(2 * round + 1, 50));
    b.Await("on_frame: is called for a frame that arrived", [&] { return b.refused_frames == 2 * round + 1; });
    b.Resume(1, CHR_LANE_FORWARD);  // too early
    b.Await("resume: the frame is offered again", [&] { return b.refused_frames == 2 * round + 2; });
    b.SetBusy(CHR_LANE_FORWARD, false);
    b.Resume(1, CHR_LANE_FORWARD);
    EXPECT_TRUE(b.NextFrame(1, CHR_LANE_FORWARD) == Payload(2 * round, 50)) << "resume: the refused frame comes first";
    EXPECT_TRUE(b.NextFrame(1, CHR_LANE_FORWARD) == Payload(2 * round + 1, 50))
        << "resume: then what was sent after it";
  }
  b.Resume(1, CHR_LANE_FORWARD);  // nothing waits
  b.Resume(77, CHR_LANE_FORWARD);
}

TEST(Pressure, OfOneLaneLeavesTheOthersAlone) {
  Node a({.id = 1});
  Node b({.id = 2});
  Connect(a, b);
  b.SetBusy(CHR_LANE_REPLICATION, true);
  FillUp(a, 2, CHR_LANE_REPLICATION, 200'000);
  for (const uint32_t lane : {CHR_LANE_CONTROL, CHR_LANE_FORWARD}) {
    a.SendAll(2, lane, "through");
    EXPECT_EQ(b.NextFrame(1, lane), "through") << "a lane whose frames are refused holds up no other: lane " << lane;
  }
  b.SetBusy(CHR_LANE_REPLICATION, false);
  b.Resume(1, CHR_LANE_REPLICATION);
}

TEST(Pressure, ALaneInFullFlightDelaysNoControlFrame) {
  Node a({.id = 1});
  Node b({.id = 2});
  Connect(a, b);
  b.KeepFrames(false);
  std::atomic<bool> stop{false};
  std::thread bulk([&] {
    const std::string frame = Payload(1, 1 << 20);
    while (!stop) a.SendAll(2, CHR_LANE_REPLICATION, frame);
  });
  b.Await("send: the bulk flows", [&] { return b.frame_bytes[{1, CHR_LANE_REPLICATION}] > (32 << 20); });
  std::vector<double> milliseconds;
  uint64_t bytes = 0;
  const auto bulk_bytes = [&] {
    const auto guard = b.lock();
    return b.frame_bytes[{1, CHR_LANE_REPLICATION}];
  };
  const uint64_t bulk_before = bulk_bytes();
  const auto begun = Clock::now();
  for (int i = 0; i < 200; ++i) {
    const auto start = Clock::now();
    a.SendAll(2, CHR_LANE_CONTROL, "beat");
    bytes += 4;
    b.Await("send: a control frame arrives", [&] { return b.frame_bytes[{1, CHR_LANE_CONTROL}] == bytes; });
    milliseconds.push_back(std::chrono::duration<double, std::milli>(Clock::now() - start).count());
  }
  b.Await("send: the bulk still flows", [&] { return b.frame_bytes[{1, CHR_LANE_REPLICATION}] > bulk_before; });
  const double took = std::chrono::duration<double, std::milli>(Clock::now() - begun).count();
  const double bulk_rate = static_cast<double>(bulk_bytes() - bulk_before) / took;
  stop = true;
  bulk.join();
  std::sort(milliseconds.begin(), milliseconds.end());
  std::printf("control frame beside a full lane: median %.2f ms, p99 %.2f ms, %.0f MiB went by\n", milliseconds[100],
              milliseconds[198], static_cast<double>(bulk_bytes() - bulk_before) / (1 << 20));
  // On a busy machine both are slow: what counts is that no full queue is in front of it.
  const double full_queue = static_cast<double>(a.caps().max_queued_bytes) / bulk_rate;
  EXPECT_LT(milliseconds[100], std::max(20.0, full_queue / 2))
      << "what waits in one lane never delays a lane of a lower number; a full queue takes " << full_queue << " ms";
}

TEST(Pressure, ASlowReceiverCostsBoundedMemory) {
  Node a({.id = 1});
  Node b({.id = 2});
  Connect(a, b);
  b.SetBusy(CHR_LANE_CONTROL, true);
  const uint64_t before = ResidentBytes();
  const uint64_t taken = FillUp(a, 2, CHR_LANE_CONTROL, 16);  // small frames: what each costs besides its bytes counts
  const uint64_t grown = ResidentBytes() - std::min(before, ResidentBytes());
  EXPECT_LE(grown, 8 * a.caps().max_queued_bytes + (32 << 20))
      << "queues of small frames are bounded too: " << taken << " frames";
  b.SetBusy(CHR_LANE_CONTROL, false);
  b.KeepFrames(false);
  b.Resume(1, CHR_LANE_CONTROL);
  b.Await("resume: everything that was queued arrives",
          [&] { return b.frame_bytes[{1, CHR_LANE_CONTROL}] == 16 * taken; });
}

}  // namespace
}  // namespace chronik_conformance
