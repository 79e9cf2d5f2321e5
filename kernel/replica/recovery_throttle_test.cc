// SPDX-License-Identifier: Apache-2.0
// Goal: all that ask together get no more than the rate, each in its turn, and none of it is lost.
#include "kernel/replica/recovery_throttle.h"

#include <gtest/gtest.h>

#include <vector>

#include "kernel/base/test_executor.h"

namespace chronik::replica {
namespace {

constexpr uint64_t kRate = 1'000'000;

class RecoveryThrottleTest : public testing::Test {
 protected:
  void Ask(RecoveryThrottle& throttle, int who, uint64_t bytes) {
    throttle.Ask(&who_[static_cast<size_t>(who)], [this, &throttle, who, bytes] {
      order_.push_back(who);
      throttle.Took(bytes);
    });
  }
  TestThreads threads_;
  TestThreads::Thread& shard_ = threads_.Add();
  int who_[4] = {};
  std::vector<int> order_;
};

TEST_F(RecoveryThrottleTest, NoMoreThanTheRateAndInOrder) {
  RecoveryThrottle throttle(shard_, kRate);
  for (int round = 0; round < 5; ++round) {
    for (int who = 0; who < 4; ++who) Ask(throttle, who, 500'000);
  }
  threads_.Advance(std::chrono::milliseconds(4900));
  EXPECT_GE(order_.size(), 9u);
  EXPECT_LE(order_.size(), 11u) << "ten times half a second's worth";
  threads_.Advance(std::chrono::seconds(10));
  ASSERT_EQ(order_.size(), 20u);
  for (size_t i = 0; i < order_.size(); ++i) EXPECT_EQ(order_[i], static_cast<int>(i % 4));
}

TEST_F(RecoveryThrottleTest, IdleTimeIsNotSavedUp) {
  RecoveryThrottle throttle(shard_, kRate);
  threads_.Advance(std::chrono::hours(1));
  for (int i = 0; i < 100; ++i) Ask(throttle, 0, 50'000);
  EXPECT_LE(order_.size(), 4u);
}

TEST_F(RecoveryThrottleTest, WhoGoesAwayTakesNothing) {
  RecoveryThrottle throttle(shard_, kRate);
  for (int who = 0; who < 4; ++who) Ask(throttle, who, 500'000);
  throttle.Forget(&who_[2]);
  threads_.Advance(std::chrono::seconds(10));
  EXPECT_EQ(order_, (std::vector<int>{0, 1, 3}));
}

TEST_F(RecoveryThrottleTest, WithoutALimitNobodyWaits) {
  RecoveryThrottle throttle(shard_, 0);
  for (int i = 0; i < 100; ++i) Ask(throttle, 0, 1'000'000);
  EXPECT_EQ(order_.size(), 100u);
}

}  // namespace
}  // namespace chronik::replica
