// SPDX-License-Identifier: Apache-2.0
// Goal: after SIGKILL at any moment every completed operation is there, each operation wholly or not at all, and
// nothing dead comes back. Method: a child appends random histories and reports positions; the parent kills it at a
// random time, reopens the directory and looks for a position that fits; the next child continues there.
#include <sys/wait.h>

#include <thread>

#include <gtest/gtest.h>

#include "sdk/conformance/common/kit_child.h"
#include "sdk/conformance/log_store/appender.h"
#include "sdk/conformance/log_store/history.h"
#include "sdk/conformance/log_store/options.h"
#include "sdk/conformance/log_store/process.h"

namespace chronik_conformance {

int RunAppender() {
  Instance store(Options().data_dir);
  Appender appender(store);
  appender.Run(UINT64_MAX);
  return 0;  // not reached: the parent kills it
}

namespace {

using std::chrono::steady_clock;

// Lets a child append for a while and kills it. Positions never go back.
void CrashOnce(const std::string& dir, std::mt19937_64& random, Positions& positions) {
  KitChild child(ChildFlags("append", dir, positions.completed));
  positions.submitted = positions.completed;
  auto deadline = steady_clock::now() + std::chrono::seconds(60);  // until it has started
  bool first = true;
  Report report{};
  while (child.Next(&report, deadline)) {
    positions.Note(report);
    if (first) {
      first = false;
      deadline = steady_clock::now() + std::chrono::microseconds(Draw(random, 1'000, 60'000));
    }
  }
  ASSERT_FALSE(first) << "the child did not start";
  child.Kill();
  const int status = child.Wait();
  ASSERT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)
      << "the child ended by itself, wait status " << status;
  deadline = steady_clock::now() + std::chrono::seconds(10);
  while (child.Next(&report, deadline)) positions.Note(report);  // what was left in the pipe
}

TEST(Crash, EveryCompletedOperationSurvivesAKill) {
  const uint64_t seed = Options().seed;
  SCOPED_TRACE("--seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  if (!Instance().durable()) GTEST_SKIP() << "the store is volatile";
  uint64_t appended = 0;
  for (uint64_t round = 0; round < Options().crash_rounds;) {
    const sdk::testing::TempDir dir;
    Positions positions;
    // Five crashes in a row on the same directory.
    for (int crash = 0; crash < 5 && round < Options().crash_rounds; ++crash, ++round) {
      SCOPED_TRACE("crash " + std::to_string(round));
      ASSERT_NO_FATAL_FAILURE(CrashOnce(dir.path(), random, positions));
      Instance store(dir.path());
      positions.Recover(store, seed);
      ASSERT_FALSE(testing::Test::HasFailure());
    }
    for (const uint64_t position : positions.completed) appended += position;
  }
  EXPECT_GT(appended, Options().crash_rounds) << "the children hardly wrote anything";
}

}  // namespace
}  // namespace chronik_conformance
