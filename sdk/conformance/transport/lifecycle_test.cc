// SPDX-License-Identifier: Apache-2.0
// Goal: an instance starts, stops and goes away without a trace, whatever is under way; several share a process.
// Method: counting threads and files of this process before and after; stopping in the middle of everything.
#include <gtest/gtest.h>

#include <thread>

#include "sdk/conformance/transport/node.h"
#include "sdk/conformance/transport/proxy.h"

namespace chronik_conformance {
namespace {

TEST(Lifecycle, FiftyStartsAndStopsLeakNoThreadAndNoFile) {
  const auto once = [] {
    Node a({.id = 1});
    Node b({.id = 2});
    Connect(a, b);
    a.SendAll(2, CHR_LANE_CONTROL, "x");
    b.NextFrame(1, CHR_LANE_CONTROL);
    a.OpenStream(2, "s");
  };
  once();  // whatever is made once in a process
  const size_t files = OpenFiles();
  const size_t threads = Threads();
  for (int i = 0; i < 50; ++i) once();
  EXPECT_EQ(OpenFiles(), files) << "stop and destroy leave no file descriptor behind";
  EXPECT_EQ(Threads(), threads) << "stop ends the instance's threads";
}

TEST(Lifecycle, StopsWithEverythingUnderWay) {
  for (int round = 0; round < 10; ++round) {
    Node b({.id = 2});
    Proxy proxy(b.address());
    auto a = std::make_unique<Node>(NodeSetup{.id = 1});
    a->SetPeer(2, proxy.address());
    a->SetPeer(3, "127.0.0.1:1");             // never answers
    a->SetPeer(4, "no-such-host.invalid:1");  // is being looked up
    b.SetPeer(1, a->address());
    a->AwaitUp(2);
    b.AwaitUp(1);
    b.SetBusy(CHR_LANE_REPLICATION, true);
    for (uint64_t i = 0; i < 50; ++i) a->Send(2, CHR_LANE_REPLICATION, Payload(i, 200'000));
    for (int i = 0; i < 5; ++i) {
      const auto stream = a->OpenStream(2, "s");
      stream->Write("x");
    }
    a->Stop(std::chrono::nanoseconds(round % 2 == 0 ? 0 : 1'000'000'000));
    EXPECT_EQ(a->Send(2, CHR_LANE_CONTROL, "x") < 0, true) << "send: nothing is taken after stop";
    a = nullptr;
    b.AwaitDown(1, 0, "on_peer: a transport that stops is gone at once", std::chrono::milliseconds(500));
  }
}

TEST(Lifecycle, StopsWhileManyThreadsSend) {
  for (int round = 0; round < 5; ++round) {
    Node b({.id = 2});
    auto a = std::make_unique<Node>(NodeSetup{.id = 1});
    Connect(*a, b);
    std::atomic<bool> stop{false};
    std::vector<std::thread> senders;
    for (int t = 0; t < 4; ++t) {
      senders.emplace_back([&, t] {
        for (uint64_t i = 0; !stop; ++i) {
          const chr_status status = a->Send(2, static_cast<uint32_t>(t) % CHR_LANE_COUNT, Payload(i, 1000));
          if (status < 0 && status != CHR_E_BUSY && status != CHR_E_CLOSED && status != CHR_E_NOT_FOUND) {
            Breach("TR-10: send: while stopping, CHR_E_CLOSED, not " + std::to_string(status));
          }
        }
      });
    }
    b.Await("send: frames flow", [&] { return b.frame_bytes[{1, 0}] > 100'000; });
    a->Stop();
    stop = true;
    for (std::thread& sender : senders) sender.join();
  }
}

TEST(Lifecycle, AListenerThatIsTakenIsRefusedWithItsAddress) {
  Node a({.id = 1});
  Node b({.id = 2, .options = {{"listen", a.address()}}, .lenient_start = true});
  EXPECT_LT(b.start_status(), 0) << "start: an address that is taken is an error";
}

TEST(Lifecycle, AnInstanceThatWasNeverStartedGoesAway) {
  sdk::testing::FakeHost host({.option_table = {ThePlugin().options, ThePlugin().option_count}});
  void* self = nullptr;
  ASSERT_EQ(ThePlugin().create(host.raw(), CHR_TRANSPORT_1, &self, nullptr), CHR_OK);
  ThePlugin().destroy(self);
}

}  // namespace
}  // namespace chronik_conformance
