// SPDX-License-Identifier: Apache-2.0
// Goal: a shard runs what it is given in order, keeps its timers, and ends.
// Method: a real one; what happens is awaited through promises.
#include "kernel/server/shard.h"

#include <gmock/gmock.h>

#include <future>
#include <thread>

namespace chronik::server {
namespace {

using testing::ElementsAre;

TEST(Shard, RunsTheTasksOfEachThreadInTheirOrderAndOneAtATime) {
  constexpr int kThreads = 4;
  constexpr int kTasks = 5000;
  Shard shard("test");
  std::vector<std::vector<int>> seen(kThreads);  // the shard's only
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < kTasks; ++i) shard.Post([&seen, t, i] { seen[static_cast<size_t>(t)].push_back(i); });
    });
  }
  for (std::thread& thread : threads) thread.join();
  shard.Stop();  // after what is queued
  for (const auto& one : seen) {
    EXPECT_EQ(one.size(), static_cast<size_t>(kTasks));
    EXPECT_TRUE(std::ranges::is_sorted(one));
  }
}

TEST(Shard, TimersFireInOrderOfTimeAndACancelledOneDoesNot) {
  Shard shard("test");
  std::vector<int> fired;
  std::promise<void> last;
  shard.Post([&] {
    shard.Schedule(std::chrono::milliseconds(3), [&] {
      fired.push_back(2);
      last.set_value();
    });
    const Executor::TimerId cancelled = shard.Schedule(std::chrono::milliseconds(2), [&] { fired.push_back(0); });
    shard.Schedule(std::chrono::milliseconds(1), [&] { fired.push_back(1); });
    shard.Cancel(cancelled);
    shard.Cancel(12345);
  });
  last.get_future().wait();
  shard.Stop();
  EXPECT_THAT(fired, ElementsAre(1, 2));
}

TEST(Shard, KnowsItsOwnThread) {
  Shard shard("test");
  EXPECT_FALSE(shard.InThread());
  std::promise<bool> inside;
  shard.Post([&] { inside.set_value(shard.InThread()); });
  EXPECT_TRUE(inside.get_future().get());
}

TEST(Shard, EndsWithTimersPendingAndStopsTwice) {
  auto kept = std::make_shared<int>(1);
  {
    Shard shard("test");
    std::promise<void> scheduled;
    shard.Post([&] {
      shard.Schedule(std::chrono::hours(1), [kept] { FAIL(); });
      scheduled.set_value();
    });
    scheduled.get_future().wait();
    shard.Stop();
    shard.Stop();
  }
  EXPECT_EQ(kept.use_count(), 1);
}

}  // namespace
}  // namespace chronik::server
