// SPDX-License-Identifier: Apache-2.0
// Goal: whatever legal order of operations, the store and the model agree. Method: random histories on several lanes
// and groups with random questions in between; --seed repeats a run. A durable store is reopened, on other lanes.
#include <thread>

#include <gtest/gtest.h>

#include "sdk/conformance/log_store/instance.h"
#include "sdk/conformance/log_store/options.h"

namespace chronik_conformance {
namespace {

constexpr uint64_t kGroupsPerLane = 3;
constexpr int kSteps = 400;

struct Subject {
  Group group;
  ModelLog log;
  std::vector<uint64_t> in_flight;
};

chr_log_read RandomRead(std::mt19937_64& random, const ModelLog& log) {
  chr_log_read what{};
  what.by = static_cast<uint32_t>(Draw(random, 0, 3));
  switch (what.by) {
    case CHR_LOG_BY_INDEX:
      what.key = static_cast<int64_t>(Draw(random, log.first_index() - 1, log.last_index() + 2));
      break;
    case CHR_LOG_BY_OFFSET:
      what.key =
          log.first_offset() - 2 +
          static_cast<int64_t>(Draw(random, 0, static_cast<uint64_t>(log.next_offset() - log.first_offset()) + 4));
      break;
    default: what.key = static_cast<int64_t>(Draw(random, 990, 1510)); break;
  }
  what.end_index =
      Draw(random, 0, 2) == 0 ? Draw(random, log.first_index(), log.last_index() + 1) : log.last_index() + 1;
  what.max_bytes = Draw(random, 0, 3) == 0 ? Draw(random, 0, 20'000) : 1 << 24;
  what.max_entries = Draw(random, 0, 3) == 0 ? static_cast<uint32_t>(Draw(random, 1, 10)) : 0;
  return what;
}

std::string Describe(const ReadAnswer& answer) {
  std::string text = "status " + std::to_string(answer.status) + ",";
  for (const Entry& entry : answer.entries) {
    text +=
        " " + std::to_string(entry.index) + (entry.offset_count > 0 ? "@" + std::to_string(entry.max_timestamp) : "");
    if (text.size() > 300) return text + " ...";
  }
  return text;
}

void Settle(Instance& store, Subject& subject) {
  for (const uint64_t tag : subject.in_flight) {
    EXPECT_EQ(store.Wait(tag).status, CHR_OK);
  }
  subject.in_flight.clear();
}

void Question(Instance& store, std::mt19937_64& random, Subject& subject) {
  Settle(store, subject);
  for (int i = 0; i < 8; ++i) {
    const chr_log_read what = RandomRead(random, subject.log);
    const ReadAnswer got = store.Read(subject.group, what);
    const ReadAnswer want = subject.log.Read(what);
    EXPECT_TRUE(Answers(got, want)) << "group " << subject.group.id << " by " << what.by << " key " << what.key
                                    << " end " << what.end_index << " max_bytes " << what.max_bytes << " max_entries "
                                    << what.max_entries << ": got " << Describe(got) << ", expected " << Describe(want);
  }
}

void DriveLane(Instance& store, uint64_t seed, std::vector<Subject>& subjects) {
  std::mt19937_64 random(seed);
  try {
    for (int step = 0; step < kSteps && !testing::Test::HasFailure(); ++step) {
      Subject& subject = subjects[Draw(random, 0, subjects.size() - 1)];
      const Op op = RandomOp(random, subject.log);
      subject.in_flight.push_back(store.Submit(subject.group, op));
      subject.log.Apply(op);
      if (Draw(random, 0, 9) == 0) Question(store, random, subject);
    }
    for (Subject& subject : subjects) {
      Settle(store, subject);
      ExpectEqual(store.ReadContents(subject.group), subject.log, "group " + std::to_string(subject.group.id));
    }
  } catch (const std::exception& e) {
    ADD_FAILURE() << e.what();
  }
}

using Lanes = std::vector<std::vector<Subject>>;

void Drive(Instance& store, uint64_t seed, Lanes& lanes) {
  std::vector<std::thread> threads;
  for (size_t lane = 0; lane < lanes.size(); ++lane) {
    threads.emplace_back([&, lane] { DriveLane(store, seed * 1000 + lane, lanes[lane]); });
  }
  for (std::thread& thread : threads) thread.join();
}

// Opens every group again, each on the next lane, and compares.
void Reopen(Instance& store, Lanes& lanes) {
  Lanes moved(lanes.size());
  for (size_t lane = 0; lane < lanes.size(); ++lane) {
    const size_t next = (lane + 1) % lanes.size();
    for (Subject& subject : lanes[lane]) {
      chr_log_bounds bounds{};
      ASSERT_GE(store.TryOpen(subject.group.id, static_cast<uint32_t>(next), false, &subject.group, &bounds), 0)
          << store.message();
      EXPECT_EQ(bounds.last_index, subject.log.last_index());
      const std::string difference = Difference(store.ReadContents(subject.group), subject.log);
      EXPECT_TRUE(difference.empty()) << "group " << subject.group.id << " after a clean restart: " << difference;
      moved[next].push_back(std::move(subject));
    }
  }
  lanes = std::move(moved);
}

TEST(Model, RandomHistories) {
  const uint64_t seed = Options().seed;
  SCOPED_TRACE("--seed " + std::to_string(seed));
  const sdk::testing::TempDir dir;
  Lanes lanes;
  bool durable = false;
  {
    Instance store(dir.path());
    durable = store.durable();
    lanes.resize(std::min<uint32_t>(store.caps().max_lanes, 3));
    for (size_t lane = 0; lane < lanes.size(); ++lane) {
      for (uint64_t i = 0; i < kGroupsPerLane; ++i) {
        lanes[lane].push_back({store.Open(100 * i + lane + 1, static_cast<uint32_t>(lane)), {}, {}});
      }
    }
    Drive(store, seed, lanes);
  }
  for (uint64_t round = 1; durable && round <= 3 && !testing::Test::HasFailure(); ++round) {
    Instance store(dir.path());
    Reopen(store, lanes);
    Drive(store, seed + round, lanes);
  }
}

}  // namespace
}  // namespace chronik_conformance
