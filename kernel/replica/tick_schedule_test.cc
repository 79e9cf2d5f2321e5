// SPDX-License-Identifier: Apache-2.0
// Goal: whoever asked for a tick gets it, nobody gets one too early, and nobody is woken for nothing.
#include "kernel/replica/tick_schedule.h"

#include <gtest/gtest.h>

#include <functional>
#include <optional>
#include <utility>

namespace chronik::replica {
namespace {

struct Counter : Ticked {
  explicit Counter(std::function<void()> then = {}) : on_due(std::move(then)) {}
  void OnDue() override {
    ++due;
    if (on_due) on_due();
  }
  std::function<void()> on_due;
  int due = 0;
};

void Advance(TickSchedule& schedule, int ticks) {
  for (int i = 0; i < ticks; ++i) schedule.Advance();
}

TEST(TickSchedule, IsDueAfterSoManyTicksAndThenAtEveryTickUntilItSaysMore) {
  TickSchedule schedule{{}};
  Counter counter;
  const auto slot = schedule.Add(counter);
  schedule.Set(slot, 5, 1);
  Advance(schedule, 4);
  EXPECT_EQ(counter.due, 0);
  Advance(schedule, 3);
  EXPECT_EQ(counter.due, 3);
  schedule.SetNever(slot);
  Advance(schedule, 100);
  EXPECT_EQ(counter.due, 3);
}

TEST(TickSchedule, WhatIsAlignedIsDueTogetherWheneverItBegan) {
  TickSchedule schedule{{}};
  Counter early;
  Counter late;
  const auto first = schedule.Add(early);
  const auto second = schedule.Add(late);
  schedule.Set(first, 4, 4);
  Advance(schedule, 1);
  schedule.Set(second, 4, 4);  // at 5, hence at 8
  Advance(schedule, 3);
  EXPECT_EQ(early.due, 1);
  EXPECT_EQ(late.due, 0);
  schedule.Set(first, 4, 4);
  Advance(schedule, 4);
  EXPECT_EQ(early.due, 2);
  EXPECT_EQ(late.due, 1);
}

TEST(TickSchedule, SaysWhenNobodyNeedsTicksAndAsksForThemWhenSomebodyDoes) {
  int asked = 0;
  TickSchedule schedule{[&] { ++asked; }};
  Counter counter;
  const auto slot = schedule.Add(counter);
  EXPECT_FALSE(schedule.Advance());
  EXPECT_EQ(asked, 0);
  schedule.Set(slot, 2, 1);
  schedule.Set(slot, 3, 1);
  EXPECT_EQ(asked, 1);
  EXPECT_TRUE(schedule.Advance());
  EXPECT_EQ(asked, 1) << "the answer said so";
  schedule.SetNever(slot);
  EXPECT_FALSE(schedule.Advance());
  schedule.Set(slot, 1, 1);
  EXPECT_EQ(asked, 2);
}

TEST(TickSchedule, OnesMayComeAndGoWhileATickIsGiven) {
  TickSchedule schedule{{}};
  Counter born;
  std::optional<TickSchedule::Slot> slot;
  Counter dying([&] {
    schedule.Remove(*slot);
    slot.reset();
    for (int i = 0; i < 10; ++i) schedule.Set(schedule.Add(born), 1, 1);
  });
  slot = schedule.Add(dying);
  schedule.Set(*slot, 1, 1);
  EXPECT_TRUE(schedule.Advance());
  EXPECT_EQ(dying.due, 1);
  EXPECT_EQ(born.due, 0) << "due at the next tick only";
  schedule.Advance();
  EXPECT_EQ(dying.due, 1);
  EXPECT_EQ(born.due, 10);
}

}  // namespace
}  // namespace chronik::replica
