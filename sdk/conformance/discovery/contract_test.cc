// SPDX-License-Identifier: Apache-2.0
// Goal: the rules of chronik/discovery.h that hold for every source, whether it answers or not. Method: starts,
// refreshes and stops in every order and number, by way of the checking sink.
#include <gtest/gtest.h>

#include <thread>

#include "sdk/conformance/discovery/watcher.h"

namespace chronik_conformance {
namespace {

using std::chrono::seconds;
using std::chrono::steady_clock;

const std::string kNodes = "2@b.example:9,1@127.0.0.1:65535,10@[::1]:1";

TEST(Descriptor, IsComplete) {
  const chr_plugin& plugin = ThePlugin();
  EXPECT_EQ(plugin.abi_epoch, CHR_ABI_EPOCH);
  for (const char* text : {plugin.id, plugin.version, plugin.vendor, plugin.license, plugin.url, plugin.built_with}) {
    ASSERT_NE(text, nullptr) << "every text of the descriptor is there";
  }
  bool has_nodes = false;
  for (const chr_option& option : std::span(plugin.options, plugin.option_count)) {
    has_nodes |= std::string_view(option.key) == "nodes" && std::string_view(option.type) == "string";
  }
  EXPECT_TRUE(has_nodes) << "every discovery declares the string option \"nodes\"";
  const auto& table = *static_cast<const chr_discovery*>(TheTable(CHR_DISCOVERY_1));
  EXPECT_GE(table.struct_size, CHR_DISCOVERY_1_0_SIZE) << "the table is that of version 1.0 at least";
  EXPECT_NE(table.refresh, nullptr);
}

TEST(Report, ComesWithinTenSecondsOfStart) {
  Watcher watcher(kNodes);
  ASSERT_GE(watcher.start_status(), 0) << watcher.start_message();
  const Report report = watcher.Await(0, seconds(10));
  EXPECT_GE(report.status, 0) << "with nodes to fall back to there is always a set, not: " << report.message;
}

TEST(Report, OfTheFallbackIsTheConfiguredNodes) {
  Watcher watcher(kNodes);
  ASSERT_GE(watcher.start_status(), 0) << watcher.start_message();
  const Report report = watcher.Await(0, seconds(10));
  if (report.origin != CHR_DISCOVERY_FALLBACK) GTEST_SKIP() << "the source answers";
  const std::vector<std::string> want{"1@127.0.0.1:65535", "2@b.example:9", "10@[::1]:1"};
  EXPECT_EQ(report.endpoints, want) << "the fallback is what \"nodes\" says";
}

TEST(Report, IsAFailureWhereThereIsNothing) {
  Watcher watcher("");
  if (watcher.start_status() < 0) GTEST_SKIP() << "it does not start without nodes: " << watcher.start_message();
  const Report report = watcher.Await(0, seconds(10));  // the sink refuses an empty set
  if (report.status >= 0) GTEST_SKIP() << "the source answers";
  const size_t before = watcher.count();
  EXPECT_GE(watcher.Refresh(), 0);
  EXPECT_LT(watcher.Await(before).status, 0) << "a refresh is answered by on_failure, if there is nothing to report";
}

TEST(Nodes, AreRefusedWhenMalformed) {
  for (const char* bad : {"1", "1@", "a@b:1", "0@b:1", "1@b:0", "1@b:99999", "1@b:1,1@c:1", "1@b:1,"}) {
    Watcher watcher(bad);
    EXPECT_EQ(watcher.start_status(), CHR_E_CONFIG) << "nodes = \"" << bad << "\" is refused with CHR_E_CONFIG";
    EXPECT_NE(watcher.start_message().find("nodes"), std::string::npos)
        << "the refusal names the option: " << watcher.start_message();
  }
}

TEST(Refresh, IsAnsweredEveryTime) {
  Watcher watcher(kNodes);
  ASSERT_GE(watcher.start_status(), 0) << watcher.start_message();
  std::vector<std::string> first = watcher.Await(0).endpoints;
  for (int i = 0; i < 3; ++i) {
    const size_t before = watcher.count();
    ASSERT_GE(watcher.Refresh(), 0);
    EXPECT_FALSE(watcher.Await(before).endpoints.empty()) << "a refresh is answered through the sink";
  }
}

TEST(Refresh, MayBeCalledByManyAtOnce) {
  Watcher watcher(kNodes);
  ASSERT_GE(watcher.start_status(), 0) << watcher.start_message();
  const size_t before = watcher.count();
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int call = 0; call < 200; ++call) {
        if (watcher.Refresh() < 0) Breach("refresh failed");
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  watcher.Await(before);
  const size_t now = watcher.count();
  ASSERT_GE(watcher.Refresh(), 0);
  watcher.Await(now);
  EXPECT_LE(watcher.count(), before + 1000) << "no more reports than calls";
}

TEST(Stop, IsPromptAtAnyTime) {
  for (int round = 0; round < 12; ++round) {
    Watcher watcher(kNodes);
    ASSERT_GE(watcher.start_status(), 0) << watcher.start_message();
    if (round % 3 == 1) watcher.Refresh();
    if (round % 3 == 2) watcher.Await(0);
    const auto began = steady_clock::now();
    watcher.Stop(round % 2 == 0 ? seconds(0) : seconds(10));
    EXPECT_LT(steady_clock::now() - began, seconds(5)) << "stop need not wait for the source";
    EXPECT_LT(watcher.Refresh(), 0) << "refresh after stop is refused";
  }
}

TEST(Instances, AreIndependent) {
  Watcher one("1@a:1");
  Watcher two("2@b:2");
  ASSERT_GE(one.start_status(), 0);
  ASSERT_GE(two.start_status(), 0);
  const Report of_one = one.Await(0);
  const Report of_two = two.Await(0);
  if (of_one.origin == CHR_DISCOVERY_FALLBACK) {
    EXPECT_EQ(of_one.endpoints, std::vector<std::string>{"1@a:1"}) << "all state hangs on the instance";
    EXPECT_EQ(of_two.endpoints, std::vector<std::string>{"2@b:2"}) << "all state hangs on the instance";
  }
  one.Stop(seconds(1));
  const size_t before = two.count();
  ASSERT_GE(two.Refresh(), 0) << "an instance outlives another";
  two.Await(before);
}

TEST(Announce, IsAnsweredWhereThereIsOne) {
  Watcher watcher(kNodes);
  ASSERT_GE(watcher.start_status(), 0) << watcher.start_message();
  if (watcher.table().announce == nullptr) GTEST_SKIP() << "it never tells its source anything";
  const chr_endpoint me{1, sdk::ToStr("127.0.0.1:65535"), {}, 0, 0, 0, 0};
  DoneWaiter done;
  const chr_status returned = Calling([&] { return watcher.table().announce(watcher.self(), &me, done.Raw()); });
  EXPECT_EQ(done.Resolve(returned), CHR_OK) << done.message();
}

}  // namespace
}  // namespace chronik_conformance
