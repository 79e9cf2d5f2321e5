// SPDX-License-Identifier: Apache-2.0
// Goal: SortedMap is a sorted map, and its copies do not see each other's changes. Method: random operations against
// std::map, with copies kept and compared at the end.
#include <gtest/gtest.h>

#include "kernel/metadata/sorted_map.h"

namespace chronik::metadata {
namespace {

std::map<int, int> Content(const SortedMap<int, int>& map) {
  std::map<int, int> out;
  int previous = -1;
  map.ForEach([&](int key, int value) {
    EXPECT_LT(previous, key);
    previous = key;
    out[key] = value;
  });
  return out;
}

TEST(SortedMap, AgreesWithStdMapAndKeepsItsCopies) {
  std::mt19937 random(3);
  auto current = std::make_unique<SortedMap<int, int>>();
  std::map<int, int> expected;
  std::vector<std::pair<std::unique_ptr<const SortedMap<int, int>>, std::map<int, int>>> kept;
  for (int step = 0; step < 20000; ++step) {
    const int key = static_cast<int>(random() % 1000);
    // Grows in the first half, shrinks in the second.
    if (random() % 10 < (step < 10000 ? 7u : 3u)) {
      current->Put(key, step);
      expected[key] = step;
    } else {
      EXPECT_EQ(current->Erase(key), expected.erase(key) == 1);
    }
    ASSERT_EQ(current->size(), expected.size());
    const int probe = static_cast<int>(random() % 1000);
    const int* found = current->Find(probe);
    ASSERT_EQ(found != nullptr, expected.contains(probe));
    if (found != nullptr) {
      EXPECT_EQ(*found, expected[probe]);
    }
    auto above = expected.upper_bound(probe);
    const auto* floor = current->FindFloor(probe);
    ASSERT_EQ(floor != nullptr, above != expected.begin());
    if (floor != nullptr) {
      EXPECT_EQ(floor->first, std::prev(above)->first);
    }
    if (step % 1000 == 0) {
      auto copy = std::make_unique<SortedMap<int, int>>(*current);
      kept.emplace_back(std::move(current), expected);  // from here on constant
      current = std::move(copy);
    }
  }
  EXPECT_EQ(Content(*current), expected);
  for (const auto& [map, content] : kept) EXPECT_EQ(Content(*map), content);
}

TEST(SortedMap, EmptyAgainAfterTheLastErase) {
  SortedMap<int, int> map;
  EXPECT_EQ(map.Find(1), nullptr);
  EXPECT_FALSE(map.Erase(1));
  map.Put(1, 1);
  EXPECT_TRUE(map.Erase(1));
  EXPECT_TRUE(map.empty());
  EXPECT_EQ(map.FindFloor(5), nullptr);
  map.Put(2, 2);
  EXPECT_EQ(*map.Find(2), 2);
}

}  // namespace
}  // namespace chronik::metadata
