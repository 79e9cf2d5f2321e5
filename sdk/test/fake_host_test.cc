// SPDX-License-Identifier: Apache-2.0
// Goal: the fake host behaves as the headers say a host does. Method: through the C++ view, so Host is tested as well.
#include <chronik/sdk/testing/fake_host.h>

#include <gtest/gtest.h>

#include <future>

#include <chronik/sdk/host.h>

namespace chronik::sdk {
namespace {

using testing::FakeHost;

constexpr chr_option kTable[] = {{"size", "bytes", "64MiB", "1MiB..1GiB", "", 0},
                                 {"wait", "duration", "10ms", nullptr, "", 0},
                                 {"mode", "enum:fast,safe", "safe", nullptr, "", 0},
                                 {"ratio", "float", "0.5", nullptr, "", 0},
                                 {"name", "string", nullptr, nullptr, "", 0}};

TEST(FakeHost, ParsesOptionsAsTheKernelDoes) {
  FakeHost fake({.option_table = kTable, .options = {{"size", "2MiB"}, {"name", "n"}}});
  const Host host(fake.raw());
  EXPECT_EQ(host.GetInt("size"), 2 << 20);
  EXPECT_EQ(host.GetInt("wait"), 10'000'000);
  EXPECT_EQ(host.GetString("mode"), "safe");
  EXPECT_EQ(host.GetFloat("ratio"), 0.5);
  EXPECT_THROW(host.GetInt("nothing"), Error);
  EXPECT_TRUE(std::filesystem::is_directory(host.DataDir()));
}

TEST(FakeHost, RefusesBadOptions) {
  const auto refused = [](std::map<std::string, std::string> options) {
    try {
      FakeHost fake({.option_table = kTable, .options = std::move(options)});
      return false;
    } catch (const Error& e) {
      return e.status() == CHR_E_CONFIG;
    }
  };
  EXPECT_TRUE(refused({})) << "name is required";
  EXPECT_TRUE(refused({{"name", "n"}, {"siez", "2MiB"}}));
  EXPECT_TRUE(refused({{"name", "n"}, {"size", "2KiB"}})) << "out of range";
  EXPECT_TRUE(refused({{"name", "n"}, {"size", "2 MiB"}}));
  EXPECT_TRUE(refused({{"name", "n"}, {"mode", "as"}})) << "part of a choice is no choice";
}

TEST(FakeHost, RunsTasksOnItsOwnThreads) {
  FakeHost fake;
  const Host host(fake.raw());
  std::promise<std::thread::id> ran;
  host.Post([&] { ran.set_value(std::this_thread::get_id()); });
  EXPECT_NE(ran.get_future().get(), std::this_thread::get_id());
  host.Post([] { throw Error(CHR_E_IO, "disk"); });
  fake.CloseTasks();
  EXPECT_EQ(fake.fatal(), CHR_E_IO) << "what a task throws is fatal";
  EXPECT_THROW(host.Post([] {}), Error);
}

TEST(FakeHost, SimulatedTimersFireInOrderAndOnlyOnAdvance) {
  FakeHost fake({.simulated_time = true});
  const Host host(fake.raw());
  struct Seen {
    const Host* host;
    std::vector<uint64_t> at;
  } seen{&host, {}};
  const auto note = [](void* arg) noexcept {
    auto* s = static_cast<Seen*>(arg);
    s->at.push_back(s->host->MonoNs());
  };
  const uint64_t start = host.MonoNs();
  host.StartTimer(30, 0, note, &seen);
  const uint64_t periodic = host.StartTimer(20, 20, note, &seen);
  EXPECT_TRUE(seen.at.empty());
  fake.Advance(50);
  EXPECT_EQ(seen.at, (std::vector<uint64_t>{start + 20, start + 30, start + 40}));
  host.CancelTimer(periodic);
  fake.Advance(100);
  EXPECT_EQ(seen.at.size(), 3u);
}

TEST(FakeHost, RealTimersFire) {
  FakeHost fake;
  const Host host(fake.raw());
  std::promise<void> fired;
  host.StartTimer(1'000'000, 0, [](void* arg) noexcept { static_cast<std::promise<void>*>(arg)->set_value(); }, &fired);
  EXPECT_EQ(fired.get_future().wait_for(std::chrono::seconds(20)), std::future_status::ready);
}

TEST(FakeHost, CountsMemoryAndFailsOnDemand) {
  FakeHost fake({.budget_bytes = 100});
  const Host host(fake.raw());
  const Buffer kept = host.Allocate(60).Freeze();
  EXPECT_THROW(host.Allocate(60), Error);
  fake.FailAllocationsAfter(1);
  EXPECT_NO_THROW(host.Allocate(1));
  EXPECT_THROW(host.Allocate(1), Error);
  fake.FailAllocationsAfter(-1);
  EXPECT_NO_THROW(host.Allocate(1, 4096));
  EXPECT_EQ(fake.live_bytes(), 60u);
}

TEST(FakeHost, CapturesLogsAndMetrics) {
  FakeHost fake;
  const Host host(fake.raw());
  host.Warn("careful");
  ASSERT_EQ(fake.logs().size(), 1u);
  EXPECT_EQ(fake.logs()[0].level, CHR_LOG_WARN);
  const Counter counter = host.DefineCounter("chronik_x_total", "", "help", "lane=1");
  counter.Add(2);
  host.DefineCounter("chronik_x_total", "", "help", "lane=1").Add();
  EXPECT_EQ(fake.Metric("chronik_x_total", "lane=1"), 3);
  EXPECT_FALSE(fake.HasMetric("chronik_x_total"));
}

}  // namespace
}  // namespace chronik::sdk
