// SPDX-License-Identifier: Apache-2.0
// Goal: every accepted task runs once, a cancelled timer does not run, and an idle pool costs nothing.
// Method: latches instead of sleeps; the interesting interleavings are forced, and the file runs under tsan.
#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <future>
#include <latch>

#include "kernel/host/tasks.h"

namespace chronik::host {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;

ptrdiff_t ThreadsOfThisProcess() {
  const std::filesystem::directory_iterator begin("/proc/self/task");
  return std::distance(begin, std::filesystem::directory_iterator());
}

TEST(TaskPool, StartsNoThreadWithoutWork) {
  const ptrdiff_t before = ThreadsOfThisProcess();
  TaskPool pool;
  EXPECT_EQ(ThreadsOfThisProcess(), before);
  std::promise<void> ran;
  ASSERT_TRUE(pool.Post([&] { ran.set_value(); }));
  ran.get_future().wait();
  EXPECT_EQ(ThreadsOfThisProcess(), before + 1);
}

TEST(TaskPool, ShortTasksRunInOrder) {
  std::vector<int> order;  // written by the one short thread; read after it ended
  {
    TaskPool pool;
    for (int i = 0; i < 1000; ++i) ASSERT_TRUE(pool.Post([&order, i] { order.push_back(i); }));
  }
  ASSERT_EQ(order.size(), 1000u);
  EXPECT_TRUE(std::is_sorted(order.begin(), order.end()));
}

TEST(TaskPool, BlockingTasksRunSideBySideAndDoNotHoldUpShortOnes) {
  TaskPool pool(3);
  std::latch all_blocking(3);
  std::latch go_on(1);
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(pool.PostBlocking([&] {
      all_blocking.count_down();
      go_on.wait();
    }));
  }
  all_blocking.wait();  // hangs unless all three run at once
  std::promise<void> ran;
  ASSERT_TRUE(pool.Post([&] { ran.set_value(); }));
  ran.get_future().wait();
  go_on.count_down();
}

TEST(TaskPool, RunsWhatItAcceptedBeforeItEndsAndRefusesTheRest) {
  std::atomic<int> ran = 0;
  int accepted = 0;
  {
    TaskPool pool(2);
    std::latch first_runs(1);
    ASSERT_TRUE(pool.Post([&] {
      first_runs.count_down();
      // Goes on posting until the pool refuses, which it does at the latest when it ends.
      while (pool.PostBlocking([&ran] { ++ran; })) ++accepted;
    }));
    first_runs.wait();
    ASSERT_TRUE(pool.Post([&ran] { ran += 1'000'000; }));
  }
  EXPECT_EQ(ran, accepted + 1'000'000);
}

TEST(TaskPool, RefusesBeyondItsBound) {
  TaskPool pool;
  std::latch running(1);
  std::latch go_on(1);
  ASSERT_TRUE(pool.Post([&] {
    running.count_down();
    go_on.wait();
  }));
  running.wait();
  for (size_t i = 0; i < TaskPool::kQueuedMax; ++i) ASSERT_TRUE(pool.Post([] {}));
  EXPECT_FALSE(pool.Post([] {}));
  EXPECT_TRUE(pool.PostBlocking([] {}));
  go_on.count_down();
}

TEST(TaskPool, ATimerFiresAfterItsDelayAndOnce) {
  TaskPool pool;
  std::promise<void> fired;
  const auto start = std::chrono::steady_clock::now();
  ASSERT_NE(pool.Schedule(milliseconds(20), Duration::zero(), [&] { fired.set_value(); }), 0u);  // twice would throw
  fired.get_future().wait();
  EXPECT_GE(std::chrono::steady_clock::now() - start, milliseconds(20));
}

TEST(TaskPool, TimersFireInOrderOfTheirTimes) {
  TaskPool pool;
  std::vector<int> order;
  std::promise<void> last;
  pool.Schedule(milliseconds(30), Duration::zero(), [&] {
    order.push_back(2);
    last.set_value();
  });
  pool.Schedule(milliseconds(10), Duration::zero(),
                [&] { order.push_back(1); });  // wakes the thread that waits for the other
  last.get_future().wait();
  EXPECT_EQ(order, (std::vector<int>{1, 2}));
}

TEST(TaskPool, APeriodicTimerFiresUntilItIsCancelled) {
  TaskPool pool;
  std::latch thrice(3);
  std::atomic<int> count = 0;
  const uint64_t id = pool.Schedule(Duration::zero(), milliseconds(1), [&] {
    if (++count <= 3) thrice.count_down();
  });
  thrice.wait();
  pool.Cancel(id);
  const int at_cancel = count;
  // Two later timers have come and gone by the time this one is done: the thread had every chance.
  std::promise<void> later;
  pool.Schedule(milliseconds(5), Duration::zero(), [&] { later.set_value(); });
  later.get_future().wait();
  EXPECT_EQ(count, at_cancel);
}

TEST(TaskPool, CancelBeforeTheTimeDropsTheFunction) {
  TaskPool pool;
  auto owned = std::make_shared<int>(1);
  const std::weak_ptr<int> watched = owned;
  const uint64_t id = pool.Schedule(hours(1), Duration::zero(), [owned = std::move(owned)] { FAIL(); });
  EXPECT_FALSE(watched.expired());
  pool.Cancel(id);
  EXPECT_TRUE(watched.expired());
  pool.Cancel(id);
  pool.Cancel(12345);
}

TEST(TaskPool, CancelWaitsForTheFunctionThatRuns) {
  TaskPool pool;
  for (const Duration period : {Duration::zero(), Duration(milliseconds(1))}) {
    std::latch running(1);
    std::latch go_on(1);
    bool ended = false;  // plain: Cancel's return orders it after the write
    std::atomic<bool> first = true;
    const uint64_t id = pool.Schedule(Duration::zero(), period, [&] {
      if (!first.exchange(false)) return;
      running.count_down();
      go_on.wait();
      ended = true;
    });
    running.wait();
    std::thread releaser([&] { go_on.count_down(); });
    std::thread other([&] { pool.Cancel(id); });
    pool.Cancel(id);
    EXPECT_TRUE(ended);
    releaser.join();
    other.join();
  }
}

TEST(TaskPool, ATimerMayCancelItselfAndOthers) {
  TaskPool pool;
  std::atomic<uint64_t> own = 0;
  std::atomic<int> count = 0;
  const uint64_t other = pool.Schedule(hours(1), Duration::zero(), [] { FAIL(); });
  std::latch known(1);
  std::promise<void> done;
  own = pool.Schedule(Duration::zero(), milliseconds(1), [&] {
    known.wait();
    if (++count > 1) return;
    pool.Cancel(other);
    pool.Cancel(own);
    done.set_value();
  });
  known.count_down();
  done.get_future().wait();
  std::promise<void> later;
  pool.Schedule(milliseconds(5), Duration::zero(), [&] { later.set_value(); });
  later.get_future().wait();
  EXPECT_EQ(count, 1);
}

TEST(TaskPool, EndsWithTimersPending) {
  auto owned = std::make_shared<int>(1);
  const std::weak_ptr<int> watched = owned;
  {
    TaskPool pool;
    pool.Schedule(hours(1), hours(1), [owned = std::move(owned)] { FAIL(); });
    pool.Schedule(Duration::max(), Duration::zero(), [] { FAIL(); });  // as far away as time goes
  }
  EXPECT_TRUE(watched.expired());
}

TEST(TaskPool, CancelRacesWithFiring) {
  TaskPool pool;
  for (int i = 0; i < 2000; ++i) {
    int runs = 0;  // plain: nobody touches it once Cancel returned
    const uint64_t id =
        pool.Schedule(Duration(i * 10), i % 2 == 0 ? Duration::zero() : Duration(1000), [&runs] { ++runs; });
    pool.Cancel(id);
    const int at_cancel = runs;
    ASSERT_EQ(runs, at_cancel);
  }
}

TEST(TaskPoolCancel, OfNoTimerReturnsAtOnceAlsoAfterOthersRan) {
  TaskPool pool;
  pool.Cancel(0);
  std::promise<void> ran;
  ASSERT_NE(pool.Schedule(Duration(0), Duration(0), [&ran] { ran.set_value(); }), 0u);
  ran.get_future().wait();
  pool.Cancel(0);
}

}  // namespace
}  // namespace chronik::host
