// SPDX-License-Identifier: Apache-2.0
// Goal: on a network with faults the promises about frames hold, queues stay bounded, a silent peer is noticed, and
// frames flow again when the fault is over. Method: frames flow both ways in every lane through a path that delays,
// throttles, cuts, swallows and refuses: the suite's own proxy, or Toxiproxy (--toxiproxy).
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>

#include "sdk/conformance/transport/flow.h"
#include "sdk/conformance/transport/options.h"
#include "sdk/conformance/transport/proxy.h"

namespace chronik_conformance {
namespace {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;
using Way = FaultyPath::Way;

// Two nodes that reach each other through a path each.
struct Network {
  std::unique_ptr<Node> a = std::make_unique<Node>(NodeSetup{.id = 1});
  Node b{{.id = 2}};
  std::unique_ptr<FaultyPath> to_b = MakePath(b.address());
  std::unique_ptr<FaultyPath> to_a = MakePath(a->address());

  Network() {
    a->SetPeer(2, to_b->address());
    b.SetPeer(1, to_a->address());
    a->AwaitUp(2);
    b.AwaitUp(1);
  }
  void OnBoth(const std::function<void(FaultyPath&)>& fault) {
    fault(*to_b);
    fault(*to_a);
  }
  size_t events() { return a->EventCount(2) + b.EventCount(1); }
};

// Frames in both directions for as long as it lives.
struct Flows {
  explicit Flows(Network& network) : there(*network.a, network.b), back(network.b, *network.a) {}
  Flow there;
  Flow back;
  // Until so many more have been sent each way.
  void Await(Network& network, uint64_t frames) {
    const uint64_t there_before = there.sent();
    const uint64_t back_before = back.sent();
    network.a->Await("TR-4: frames flow",
                     [&] { return there.sent() >= there_before + frames && back.sent() >= back_before + frames; });
  }
  void Finish() {
    there.Stop();
    back.Stop();
    there.Finish();
    back.Finish();
  }
};

TEST(Faults, ALatencyOfHalfASecondLosesNothing) {
  Network network;
  const size_t events = network.events();
  network.OnBoth([](FaultyPath& path) { path.Latency(milliseconds(500)); });
  const auto start = Clock::now();
  network.a->SendAll(2, CHR_LANE_CONTROL, "late");
  EXPECT_EQ(network.b.NextFrame(1, CHR_LANE_CONTROL), "late");
  ASSERT_GT(Clock::now() - start, milliseconds(450)) << "the path delays nothing, this test would prove nothing";
  Flows flows(network);
  flows.Await(network, 130);
  flows.Finish();  // with the latency
  EXPECT_EQ(network.events(), events) << "TR-15: a slow network breaks no connection";
}

TEST(Faults, ANarrowNetworkFillsBoundedQueuesAndLeavesControlAlone) {
  Network network;
  Node& a = *network.a;
  constexpr uint64_t kBytesPerSecond = 1 << 20;
  constexpr size_t kSize = 64 << 10;
  const size_t events = network.events();
  network.OnBoth([](FaultyPath& path) { path.Bandwidth(kBytesPerSecond); });
  const uint64_t taken = FillUp(a, 2, CHR_LANE_REPLICATION, kSize);
  const uint64_t held =
      a.caps().max_queued_bytes + (32 << 20);  // besides the queue: sockets, and what is being written
  EXPECT_LE(taken * kSize, held + kBytesPerSecond) << "TR-11: queues are bounded";
  std::vector<double> seconds;
  for (int i = 0; i < 40; ++i) {
    const auto start = Clock::now();
    a.SendAll(2, CHR_LANE_CONTROL, "vote");
    EXPECT_EQ(network.b.NextFrame(1, CHR_LANE_CONTROL), "vote");
    seconds.push_back(std::chrono::duration<double>(Clock::now() - start).count());
    std::this_thread::sleep_for(milliseconds(25));  // as heartbeats come
  }
  std::sort(seconds.begin(), seconds.end());
  const double full = static_cast<double>(a.caps().max_queued_bytes) / kBytesPerSecond;
  std::printf(
      "control frame beside a full lane on 1 MiB/s: median %.0f ms, p95 %.0f ms; the full queue is %.1f s long\n",
      seconds[20] * 1e3, seconds[38] * 1e3, full);
  EXPECT_LT(seconds[20], std::min(0.5, full / 4)) << "TR-2: votes never wait behind bulk data";
  network.OnBoth([](FaultyPath& path) { path.Heal(); });
  for (uint64_t i = 0; i < taken; ++i) {
    ASSERT_TRUE(network.b.NextFrame(1, CHR_LANE_REPLICATION) == Payload(i, kSize)) << "TR-1: whole and in order " << i;
  }
  a.Await("TR-10: on_writable follows CHR_E_BUSY", [&] { return a.writable[{2, CHR_LANE_REPLICATION}] > 0; });
  EXPECT_EQ(network.events(), events) << "TR-15: a narrow network breaks no connection";
}

TEST(Faults, ASlowCloseLetsNoOldSessionOvertakeANewOne) {
  Network network;
  network.OnBoth([](FaultyPath& path) { path.SlowClose(milliseconds(2000)); });
  for (uint64_t i = 0; i < 200; ++i) network.a->SendAll(2, CHR_LANE_REPLICATION, Payload(i, 50'000));
  network.a = std::make_unique<Node>(NodeSetup{.id = 1});  // the process starts anew; its old connections linger
  const auto restarted = Clock::now();
  network.a->SetPeer(2, network.to_b->address());
  network.a->AwaitUp(2);
  const auto seconds = std::chrono::duration<double>(Clock::now() - restarted).count();
  for (uint64_t i = 1000; i < 1200; ++i) network.a->SendAll(2, CHR_LANE_REPLICATION, Payload(i, 500));
  int64_t last = -1;
  uint64_t of_new = 0;
  while (last < 1199) {
    const std::string frame = network.b.NextFrame(1, CHR_LANE_REPLICATION);
    uint64_t number = 0;
    std::memcpy(&number, frame.data(), 8);
    ASSERT_TRUE(frame == Payload(number, number < 1000 ? 50'000 : 500)) << "TR-1: unchanged or not at all";
    ASSERT_GT(static_cast<int64_t>(number), last) << "TR-2: nothing of the old session comes after the new one's";
    last = static_cast<int64_t>(number);
    of_new += number >= 1000;
  }
  EXPECT_EQ(of_new, 200u) << "TR-1: the new session loses nothing";
  EXPECT_LT(seconds, 1.5) << "TR-4: a new session does not wait for the end of the old one";
}

TEST(Faults, ConnectionsThatBreakWithinAFrameLoseNothingInSilence) {
  Network network;
  Flows flows(network);
  for (uint64_t round = 0; round < 8; ++round) {
    flows.Await(network, 100);
    const size_t events_a = network.a->EventCount(2);
    const size_t events_b = network.b.EventCount(1);
    network.OnBoth([&](FaultyPath& path) { path.CutAfter(150'000 + 17'011 * round); });
    network.a->AwaitDown(2, events_a, "TR-15: on_peer: a connection that breaks is noticed");
    network.b.AwaitDown(1, events_b, "TR-15: on_peer: a connection that breaks is noticed by the other end");
    network.OnBoth([](FaultyPath& path) { path.Heal(); });
  }
  flows.Finish();
}

TEST(Faults, ResetsAreNoticedAndMended) {
  Network network;
  Flows flows(network);
  for (int round = 0; round < 8; ++round) {
    flows.Await(network, 100);
    const size_t events = network.a->EventCount(2);
    network.OnBoth([&](FaultyPath& path) { path.ResetAfter(milliseconds(20 + 13 * round)); });
    network.a->AwaitDown(2, events, "TR-15: on_peer: a reset is noticed");
    network.OnBoth([](FaultyPath& path) { path.Heal(); });
  }
  flows.Finish();
}

TEST(Faults, CutsAreNoticedAndMended) {
  Network network;
  Flows flows(network);
  for (int round = 0; round < 10; ++round) {
    flows.Await(network, 100);
    const size_t events_a = network.a->EventCount(2);
    const size_t events_b = network.b.EventCount(1);
    network.OnBoth([](FaultyPath& path) { path.Cut(); });
    network.a->AwaitDown(2, events_a, "TR-15: on_peer: a cut is noticed");
    network.b.AwaitDown(1, events_b, "TR-15: on_peer: a cut is noticed by the other end");
  }
  flows.Finish();
}

class OneWaySilence : public testing::TestWithParam<Way> {};

TEST_P(OneWaySilence, IsNoticedByTheDeadline) {
  Network network;
  Flows flows(network);
  flows.Await(network, 100);
  const size_t events_a = network.a->EventCount(2);
  const size_t events_b = network.b.EventCount(1);
  network.to_b->Silence(GetParam());
  // Whoever dialled misses answers, whoever listens misses signs of life: each end says so, for its own reason.
  network.a->AwaitDown(2, events_a, "TR-15: on_peer: silence in one way is noticed by the dialler",
                       Options().notice_limit);
  network.b.AwaitDown(1, events_b, "TR-15: on_peer: silence in one way is noticed by the listener",
                      Options().notice_limit);
  network.to_b->Heal();
  flows.Finish();
}
INSTANTIATE_TEST_SUITE_P(Faults, OneWaySilence, testing::Values(Way::kToPeer, Way::kFromPeer),
                         [](const auto& tested) { return tested.param == Way::kToPeer ? "ToThePeer" : "FromThePeer"; });

TEST(Faults, WhereEveryTenthConnectionIsRefusedNodesFindEachOther) {
  Network network;
  network.OnBoth([](FaultyPath& path) { path.RefuseShare(0.1); });
  Flows flows(network);
  for (int round = 0; round < 10; ++round) {
    flows.Await(network, 50);
    const size_t events = network.a->EventCount(2);
    network.OnBoth([](FaultyPath& path) { path.Cut(); });
    network.a->AwaitDown(2, events, "TR-15: on_peer: a cut is noticed");
  }
  flows.Finish();
}

TEST(Faults, FlippedBitsReachNobody) {
  Network network;
  Proxy bad_b(network.b.address());  // Toxiproxy flips none
  Proxy bad_a(network.a->address());
  network.a->SetPeer(2, bad_b.address());
  network.b.SetPeer(1, bad_a.address());
  Flows flows(network);
  for (uint64_t round = 0; round < 20; ++round) {
    flows.Await(network, 30);
    for (Proxy* path : {&bad_a, &bad_b}) {
      const uint64_t before = path->corrupted();
      path->CorruptAfter(round * 1009);
      network.a->Await("frames flow", [&] { return path->corrupted() > before; });
    }
  }
  flows.Finish();
}

TEST(Faults, PausesBetweenAttemptsGrowAndDiffer) {
  Node a({.id = 1});
  Proxy door("127.0.0.1:1");
  door.Refuse(true);
  a.SetPeer(2, door.address());
  a.Await("TR-4: a peer is dialled again without being asked", [&] { return door.accepted() >= 13; });
  const auto arrivals = door.arrivals();
  std::vector<int64_t> pauses;
  for (size_t i = 1; i < 13; ++i) pauses.push_back((arrivals[i] - arrivals[i - 1]) / std::chrono::microseconds(1));
  EXPECT_GT(pauses[6] + pauses[7] + pauses[8], 2 * (pauses[0] + pauses[1] + pauses[2])) << "TR-4: pauses grow";
  // Six, as three may well come out alike.
  const auto [shortest, longest] = std::minmax({pauses[6], pauses[7], pauses[8], pauses[9], pauses[10], pauses[11]});
  EXPECT_GT(longest - shortest, longest / 100) << "TR-4: pauses are jittered";
}

struct StopCase {
  const char* name;
  void (*fault)(FaultyPath& path);
};
void PrintTo(const StopCase& tested, std::ostream* out) { *out << tested.name; }
class StopUnder : public testing::TestWithParam<StopCase> {};

TEST_P(StopUnder, EndsByItsDeadline) {
  Network network;
  Flows flows(network);
  flows.Await(network, 100);
  network.OnBoth(GetParam().fault);
  for (uint64_t i = 0; i < 100; ++i) network.a->Send(2, CHR_LANE_REPLICATION, Payload(i, 100'000));
  const auto stream = network.a->OpenStream(2, "s", nullptr);
  const auto start = Clock::now();
  network.a->Stop(milliseconds(500));
  EXPECT_LT(Clock::now() - start, milliseconds(2500)) << "PLG-8: what is not finished by the timeout is cancelled";
}
INSTANTIATE_TEST_SUITE_P(
    Faults, StopUnder,
    testing::Values(StopCase{"Latency", [](FaultyPath& path) { path.Latency(milliseconds(500)); }},
                    StopCase{"Bandwidth", [](FaultyPath& path) { path.Bandwidth(64 << 10); }},
                    StopCase{"Silence", [](FaultyPath& path) { path.Silence(Way::kToPeer); }},
                    StopCase{"SilenceOfAnswers", [](FaultyPath& path) { path.Silence(Way::kFromPeer); }},
                    StopCase{"SlowClose", [](FaultyPath& path) { path.SlowClose(milliseconds(10'000)); }}),
    [](const auto& tested) { return tested.param.name; });

}  // namespace
}  // namespace chronik_conformance
