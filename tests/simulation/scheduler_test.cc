// SPDX-License-Identifier: Apache-2.0
// The run loop and the simulated threads: order, blocking, pauses, deadlocks, and that a seed is a run.
#include "tests/simulation/scheduler.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cstdio>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

#include "tests/simulation/executor.h"
#include "tests/simulation/process.h"
#include "tests/simulation/simulated_threads.h"

namespace chronik::sim {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

TEST(SchedulerTest, EventsRunByTimeAndThenInTheOrderTheyWereAskedFor) {
  Scheduler scheduler(1);
  const Instant start = scheduler.Now();
  std::string order;
  scheduler.After(seconds(2), [&] { order += 'c'; });
  scheduler.After(seconds(1), [&] { order += 'a'; });
  scheduler.After(seconds(1), [&] { order += 'b'; });
  scheduler.RunFor(seconds(1));
  EXPECT_EQ(order, "ab");
  EXPECT_EQ(scheduler.Now(), start + seconds(1));
  scheduler.RunFor(seconds(5));
  EXPECT_EQ(order, "abc");
  EXPECT_EQ(scheduler.Now(), start + seconds(6));
  EXPECT_FALSE(scheduler.RunOne());
}

TEST(RandomTest, DrawsStayInTheirRangesAndTheLogNormalOneHasItsMedian) {
  Random random(7);
  int below = 0;
  for (int i = 0; i < 10'000; ++i) {
    EXPECT_LT(random.Below(3), 3u);
    const Duration latency = random.LogNormal(milliseconds(8));
    EXPECT_GE(latency, Duration(milliseconds(8)) / 16 / 2);
    EXPECT_LE(latency, milliseconds(8) * 16);
    below += latency < milliseconds(8) ? 1 : 0;
  }
  EXPECT_NEAR(below, 5000, 200);
}

TEST(SchedulerTest, AMutexIsHeldByOneThreadAtATime) {
  Scheduler scheduler(2);
  Process process(scheduler, "p");
  Mutex mutex;
  int inside = 0;
  int rounds = 0;
  scheduler.RunBlocking(process, "test", [&] {
    std::vector<Thread> threads;
    for (int i = 0; i < 5; ++i) {
      threads.emplace_back([&] {
        for (int round = 0; round < 20; ++round) {
          const std::scoped_lock lock(mutex);
          EXPECT_EQ(++inside, 1);
          Scheduler::Sleep(milliseconds(1));
          --inside;
          ++rounds;
        }
      });
    }
    for (Thread& thread : threads) thread.join();
  });
  EXPECT_EQ(rounds, 100);
}

TEST(SchedulerTest, AConditionWakesItsWaitersAndTimesOutOnTheVirtualClock) {
  Scheduler scheduler(3);
  Process process(scheduler, "p");
  Mutex mutex;
  Condition condition;
  bool ready = false;
  scheduler.RunBlocking(process, "test", [&] {
    const Instant start = scheduler.Now();
    std::unique_lock lock(mutex);
    EXPECT_EQ(condition.wait_for(lock, seconds(3)), std::cv_status::timeout);
    EXPECT_GE(scheduler.Now() - start, Duration(seconds(3)));
    EXPECT_FALSE(condition.wait_for(lock, seconds(3), [&] { return ready; }));
    Thread other([&] {
      Scheduler::Sleep(seconds(1));
      const std::scoped_lock other_lock(mutex);
      ready = true;
      condition.notify_all();
    });
    EXPECT_TRUE(condition.wait_for(lock, seconds(3), [&] { return ready; }));
    EXPECT_LT(scheduler.Now() - start, Duration(seconds(8)));
    lock.unlock();
    other.join();
  });
}

TEST(SchedulerTest, AnExceptionMayBeUnderWayOnSeveralThreads) {
  Scheduler scheduler(4);
  Process process(scheduler, "p");
  int caught = 0;
  scheduler.RunBlocking(process, "test", [&] {
    const auto body = [&](int number) {
      try {
        throw std::runtime_error(std::to_string(number));
      } catch (const std::runtime_error& error) {
        Scheduler::Sleep(milliseconds(10 - number));
        EXPECT_EQ(std::string(error.what()), std::to_string(number));
        try {
          throw;
        } catch (const std::runtime_error& again) {
          EXPECT_EQ(std::string(again.what()), std::to_string(number));
          ++caught;
        }
      }
    };
    Thread one([&] { body(1); });
    Thread two([&] { body(2); });
    one.join();
    two.join();
  });
  EXPECT_EQ(caught, 2);
}

TEST(SimExecutorTest, TasksRunInTheOrderOfPostingAlsoWhenOneBlocks) {
  Scheduler scheduler(5);
  Process process(scheduler, "p");
  SimExecutor executor(process, "shard");
  std::string order;
  executor.Post([&] {
    EXPECT_TRUE(executor.InThread());
    Scheduler::Sleep(seconds(1));
    order += 'a';
  });
  executor.Post([&] { order += 'b'; });
  scheduler.RunFor(milliseconds(500));
  EXPECT_TRUE(executor.busy());
  EXPECT_EQ(order, "");
  EXPECT_FALSE(executor.InThread());
  scheduler.RunFor(seconds(1));
  EXPECT_EQ(order, "ab");
}

TEST(SimExecutorTest, TimersFireUnlessCancelled) {
  Scheduler scheduler(6);
  Process process(scheduler, "p");
  SimExecutor executor(process, "shard");
  std::string fired;
  executor.Schedule(milliseconds(20), [&] { fired += 'b'; });
  const auto cancelled = executor.Schedule(milliseconds(15), [&] { fired += 'x'; });
  executor.Schedule(milliseconds(10), [&] {
    fired += 'a';
    executor.Cancel(cancelled);
  });
  scheduler.RunFor(seconds(1));
  EXPECT_EQ(fired, "ab");
}

TEST(ProcessTest, APausedProcessDoesNothingUntilItGoesOn) {
  Scheduler scheduler(7);
  Process process(scheduler, "p");
  Process other(scheduler, "q");
  SimExecutor paused(process, "shard");
  SimExecutor running(other, "shard");
  std::string order;
  process.Pause(seconds(10));
  paused.Post([&] { order += '1'; });
  paused.Post([&] { order += '2'; });
  running.Post([&] { order += 'q'; });
  scheduler.RunFor(seconds(9));
  EXPECT_EQ(order, "q");
  scheduler.RunFor(seconds(2));
  EXPECT_EQ(order, "q12");
}

TEST(ProcessTest, AKilledProcessDropsItsTasks) {
  Scheduler scheduler(8);
  Process process(scheduler, "p");
  SimExecutor executor(process, "shard");
  int ran = 0;
  const auto owned = std::make_shared<int>(0);
  executor.Post([&, owned] { ++ran; });
  executor.Schedule(milliseconds(1), [&, owned] { ++ran; });
  EXPECT_EQ(owned.use_count(), 3);
  process.Kill();
  executor.Post([&, owned] { ++ran; });
  EXPECT_EQ(owned.use_count(), 1);
  scheduler.RunFor(seconds(1));
  EXPECT_EQ(ran, 0);
}

TEST(ProcessTest, AFastClockFiresTimersEarlyAndTheWallClockJumps) {
  Scheduler scheduler(9);
  Process process(scheduler, "p");
  SimExecutor executor(process, "shard");
  process.SetRate(100'000);  // a tenth too fast
  const Instant start = executor.Now();
  const Instant true_start = scheduler.Now();
  Instant fired{};
  executor.Schedule(seconds(11), [&] { fired = scheduler.Now(); });
  scheduler.RunFor(seconds(20));
  EXPECT_NEAR(static_cast<double>((fired - true_start).count()), 10e9, 1e7);
  EXPECT_EQ(executor.Now() - start, Duration(seconds(22)));
  const WallTime before = executor.WallNow();
  process.JumpWall(-seconds(60));
  EXPECT_EQ(executor.WallNow(), before - seconds(60));
}

// Who is about to wake up waits for nobody any more, though it has not run yet.
TEST(SchedulerTest, WhoReleasedOneMutexMayWaitForTheOneWhomItLetGo) {
  Scheduler scheduler(10);
  Process process(scheduler, "p");
  Mutex one;
  Mutex two;
  scheduler.RunBlocking(process, "first", [&] {
    Thread other([&] {
      const std::scoped_lock a(two);
      Scheduler::Sleep(milliseconds(5));
      const std::scoped_lock b(one);
    });
    {
      const std::scoped_lock a(one);
      Scheduler::Sleep(milliseconds(10));
    }
    {
      const std::scoped_lock b(two);
    }
    other.join();
  });
}

TEST(SchedulerDeathTest, ADeadlockIsReportedByName) {
  const auto cross = [] {
    Scheduler scheduler(10);
    Process process(scheduler, "p");
    Mutex one;
    Mutex two;
    scheduler.RunBlocking(process, "crosser", [&] {
      Thread other([&] {
        const std::scoped_lock a(two);
        Scheduler::Sleep(milliseconds(5));
        const std::scoped_lock b(one);
      });
      const std::scoped_lock a(one);
      Scheduler::Sleep(milliseconds(5));
      const std::scoped_lock b(two);
    });
  };
  EXPECT_DEATH(cross(), "deadlock: .* waits for a mutex of");
  const auto wait_for_ever = [] {
    Scheduler scheduler(11);
    Process process(scheduler, "p");
    Mutex mutex;
    Condition condition;
    scheduler.RunBlocking(process, "waiter", [&] {
      std::unique_lock lock(mutex);
      condition.wait(lock);
    });
  };
  EXPECT_DEATH(wait_for_ever(), "waiter waits for a condition");
}

// Threads that fight over a lock and a condition; what they draw and see goes to the trace.
uint64_t Fight(uint64_t seed) {
  Scheduler scheduler(seed);
  Process process(scheduler, "p");
  Mutex mutex;
  Condition condition;
  uint64_t turn = 0;
  scheduler.RunBlocking(process, "test", [&] {
    std::vector<Thread> threads;
    for (uint64_t id = 0; id < 4; ++id) {
      threads.emplace_back([&, id] {
        for (int i = 0; i < 50; ++i) {
          std::unique_lock lock(mutex);
          ++turn;
          scheduler.Note("turn", {id, turn});
          condition.notify_one();
          condition.wait_for(lock, milliseconds(scheduler.random().Below(3)));
        }
      });
    }
    for (Thread& thread : threads) thread.join();
  });
  return scheduler.trace().hash();
}

TEST(SchedulerTest, TheSameSeedIsTheSameRunAndAnotherSeedAnother) {
  std::set<uint64_t> hashes;
  for (uint64_t seed = 0; seed < 20; ++seed) {
    const uint64_t hash = Fight(seed);
    EXPECT_EQ(Fight(seed), hash) << seed;
    hashes.insert(hash);
  }
  EXPECT_EQ(hashes.size(), 20u);
  // The same in every build.
  EXPECT_EQ(Fight(42), 15710306211826056471u);
}

TEST(SchedulerTest, SwitchesQuickly) {
  Scheduler scheduler(12);
  Process process(scheduler, "p");
  constexpr int kSwitches = 200'000;
  const auto begin = std::chrono::steady_clock::now();
  scheduler.RunBlocking(process, "test", [] {
    for (int i = 0; i < kSwitches; ++i) Scheduler::Sleep(Duration(1000));
  });
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
  std::printf("%.0f switches per second\n", kSwitches / took.count());
  EXPECT_GE(scheduler.events(), uint64_t{kSwitches});
}

}  // namespace
}  // namespace chronik::sim
