// SPDX-License-Identifier: Apache-2.0
// Goal: frames arrive whole, unchanged, at most once and in order; what cannot be sent is refused by the right name.
// Method: two nodes over loopback; payloads are functions of a number, so any mix-up shows.
#include <gtest/gtest.h>

#include <random>
#include <thread>

#include "sdk/conformance/transport/node.h"
#include "sdk/conformance/transport/options.h"

namespace chronik_conformance {
namespace {

TEST(Frames, ArriveWholeAndUnchangedFromOneByteToTheMaximum) {
  Node a({.id = 1});
  Node b({.id = 2});
  ASSERT_GE(a.caps().max_frame_bytes, 2u << 20) << "caps: max_frame_bytes is at least 2 MiB";
  ASSERT_GE(a.caps().max_header_bytes, 4096u) << "caps: max_header_bytes is at least 4096";
  Connect(a, b);
  std::vector<size_t> sizes{1, 2, 7, 23, 24, 25, 1000, 4095, 4096, 4097, 32767, 32768, 65537, 1 << 20, (2 << 20) - 1};
  sizes.push_back(a.caps().max_frame_bytes);
  for (const bool owned : {false, true}) {
    for (size_t i = 0; i < sizes.size(); ++i) {
      const std::string frame = Payload(i, sizes[i]);
      ASSERT_EQ(a.Send(2, CHR_LANE_REPLICATION, frame, owned), CHR_OK) << "one frame is always taken";
      ASSERT_TRUE(b.NextFrame(1, CHR_LANE_REPLICATION) == frame)
          << "a frame arrives whole and unchanged: " << sizes[i] << " bytes";
    }
  }
}

TEST(Frames, KeepTheOrderOfSendingInEachLaneAndComeOnce) {
  Node a({.id = 1});
  Node b({.id = 2});
  Connect(a, b);
  constexpr uint64_t kFrames = 3000;
  std::mt19937_64 random(Options().seed);
  std::vector<std::thread> senders;
  for (uint32_t lane = 0; lane < CHR_LANE_COUNT; ++lane) {
    for (Node* from : {&a, &b}) {
      senders.emplace_back([from, to = from == &a ? 2u : 1u, lane, seed = random()] {
        std::mt19937_64 sizes(seed);
        for (uint64_t i = 0; i < kFrames; ++i) from->SendAll(to, lane, Payload(i, 8 + sizes() % 5000));
      });
    }
  }
  for (std::thread& sender : senders) sender.join();
  for (uint32_t lane = 0; lane < CHR_LANE_COUNT; ++lane) {
    for (Node* to : {&a, &b}) {
      for (uint64_t i = 0; i < kFrames; ++i) {
        const std::string frame = to->NextFrame(to == &a ? 2 : 1, lane);
        ASSERT_TRUE(frame == Payload(i, frame.size()))
            << "frames of one (peer, lane) keep their order, come once and unchanged: lane " << lane << " frame " << i;
      }
    }
  }
}

TEST(Frames, OfManySendersAllArriveOnce) {
  Node a({.id = 1});
  Node b({.id = 2});
  Connect(a, b);
  constexpr uint64_t kThreads = 8;
  constexpr uint64_t kFrames = 500;
  std::vector<std::thread> senders;
  for (uint64_t thread = 0; thread < kThreads; ++thread) {
    senders.emplace_back([&, thread] {
      for (uint64_t i = 0; i < kFrames; ++i) a.SendAll(2, CHR_LANE_FORWARD, Payload(thread << 32 | i, 64 + i));
    });
  }
  for (std::thread& sender : senders) sender.join();
  std::array<uint64_t, kThreads> next{};
  for (uint64_t i = 0; i < kThreads * kFrames; ++i) {
    const std::string frame = b.NextFrame(1, CHR_LANE_FORWARD);
    uint64_t number = 0;
    std::memcpy(&number, frame.data(), 8);
    ASSERT_LT(number >> 32, kThreads) << "a frame arrives unchanged";
    ASSERT_EQ(number & UINT32_MAX, next[number >> 32]++) << "frames of one thread to one (peer, lane) keep their order";
    ASSERT_TRUE(frame == Payload(number, frame.size())) << "a frame arrives unchanged";
  }
}

TEST(Frames, ThatCannotBeSentAreRefusedByName) {
  Node a({.id = 1});
  Node b({.id = 2});
  EXPECT_EQ(a.Send(2, CHR_LANE_CONTROL, "x"), CHR_E_NOT_FOUND) << "send: CHR_E_NOT_FOUND without such a peer";
  ASSERT_EQ(a.SetPeer(2, "127.0.0.1:1"), CHR_OK);
  EXPECT_EQ(a.Send(2, CHR_LANE_CONTROL, "x"), CHR_E_CLOSED) << "send: CHR_E_CLOSED while not connected";
  Connect(a, b);
  EXPECT_EQ(a.Send(2, CHR_LANE_COUNT, "x"), CHR_E_INVALID) << "send: CHR_E_INVALID for an unknown lane";
  EXPECT_EQ(a.Send(2, CHR_LANE_CONTROL, ""), CHR_E_INVALID) << "send: CHR_E_INVALID for an empty frame";
  EXPECT_EQ(a.Send(2, CHR_LANE_CONTROL, std::string(a.caps().max_frame_bytes + 1, 'x')), CHR_E_INVALID)
      << "send: CHR_E_INVALID above max_frame_bytes";
  a.SendAll(2, CHR_LANE_CONTROL, "last");
  EXPECT_EQ(b.NextFrame(1, CHR_LANE_CONTROL), "last") << "a refused frame leaves no trace";
}

TEST(Frames, FlowBetweenThreeNodes) {
  Node nodes[] = {Node({.id = 1}), Node({.id = 2}), Node({.id = 3})};
  Connect(nodes[0], nodes[1]);
  Connect(nodes[0], nodes[2]);
  Connect(nodes[1], nodes[2]);
  for (Node& from : nodes) {
    for (Node& to : nodes) {
      if (&from != &to) from.SendAll(to.id(), CHR_LANE_CONTROL, std::to_string(from.id() * 10 + to.id()));
    }
  }
  for (Node& from : nodes) {
    for (Node& to : nodes) {
      if (&from == &to) continue;
      EXPECT_EQ(to.NextFrame(from.id(), CHR_LANE_CONTROL), std::to_string(from.id() * 10 + to.id()))
          << "on_frame names the peer that sent it";
    }
  }
}

}  // namespace
}  // namespace chronik_conformance
