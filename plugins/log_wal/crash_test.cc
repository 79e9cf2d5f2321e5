// SPDX-License-Identifier: Apache-2.0
// Goal: no crash loses or invents anything. Method: a random workload over several groups and lanes on a disk whose
// power goes at the n-th write, sync or rename; after the reboot every group must equal the state after some prefix of
// its operations that includes all completed ones, and the store must go on from there, through further crashes.
// CHRONIK_CRASH_SCALE multiplies the cuts, CHRONIK_CRASH_SEED is added to every seed, and
// CHRONIK_CRASH_KEEP=<directory> gets the files as a failed start found them.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <random>

#include "plugins/log_wal/store_rig.h"

namespace chronik_log_wal {
namespace {

constexpr uint64_t kGroups = 5;
constexpr uint32_t kLanes = 3;

class Workload {
 public:
  Workload(std::shared_ptr<FaultyDisk> disk, uint32_t seed, Options options)
      : disk_(std::move(disk)), random_(seed), options_(std::move(options)) {}

  // Starts the store, checks it against what earlier rounds did, and does `steps` more operations or as many as the
  // disk lets. A sync fails after `sync_fails_after` of them.
  void Round(int steps, int sync_fails_after = -1) {
    found_ = disk_->Snapshot();
    StartAndVerify();
    if (testing::Test::HasFailure()) return Keep();
    for (int i = 0; i < steps && !disk_->crashed(); ++i) {
      if (i == sync_fails_after) disk_->FailNextSync();
      Step();
    }
  }
  // The power goes, or went; what is known of the completed operations is noted.
  void PowerOff() {
    disk_->Crash();
    Orderly();
    disk_->Reboot();
  }
  void Orderly() {
    if (rig_) NoteCompleted(options_.sync_always);
    rig_->Stop();  // a lane may complete more here: that only makes the check weaker
    rig_.reset();
  }

 private:
  struct History {
    std::vector<LogImage> states{LogImage{}};  // states[i]: after i operations
    std::vector<uint64_t> tags;
    size_t completed = 0;
  };

  uint64_t Random(uint64_t below) { return random_() % below; }

  void StartAndVerify() {
    rig_ = std::make_unique<StoreRig>(disk_, options_);
    const Failure started = rig_->Start();
    if (disk_->crashed()) return;
    ASSERT_TRUE(started.ok()) << started.message;
    ASSERT_NO_FATAL_FAILURE(Verify());
  }

  void Keep() {
    const char* directory = std::getenv("CHRONIK_CRASH_KEEP");
    if (directory == nullptr) return;
    for (const auto& [name, content] : found_) {
      const std::filesystem::path path = directory + name;
      std::filesystem::create_directories(path.parent_path());
      std::ofstream(path, std::ios::binary) << content;
    }
  }

  // `durable`: what has completed until now has to survive.
  void NoteCompleted(bool durable) {
    for (auto& [id, history] : histories_) {
      for (size_t i = history.completed; i < history.tags.size(); ++i) {
        const auto status = rig_->Completed(history.tags[i]);
        if (!status) break;
        if (*status == CHR_OK && durable) history.completed = i + 1;
      }
    }
  }

  void Verify() {
    const std::vector<uint64_t> listed = rig_->Groups();
    for (uint64_t id = 1; id <= kGroups; ++id) {
      History& history = histories_[id];
      LogImage found;
      const auto lane = static_cast<uint32_t>(Random(kLanes));
      const Failure opened = rig_->Open(id, lane);
      if (disk_->crashed()) return;
      ASSERT_TRUE(opened.ok()) << opened.message;
      const chr_status read = rig_->ReadImage(id, &found);
      if (disk_->crashed()) return;
      ASSERT_EQ(read, CHR_OK) << "group " << id << ": " << rig_->trouble();
      const bool is_listed = std::find(listed.begin(), listed.end(), id) != listed.end();
      EXPECT_EQ(is_listed, found.exists) << "group " << id;
      bool matches = false;
      for (size_t i = history.completed; i < history.states.size() && !matches; ++i)
        matches = history.states[i] == found;
      ASSERT_TRUE(matches) << Mismatch(id, lane, found);
      history = {{found}, {}, 0};
    }
  }

  std::string Mismatch(uint64_t id, uint32_t lane, const LogImage& found) {
    const History& history = histories_[id];
    std::string out = "group " + std::to_string(id) + ", opened on lane " + std::to_string(lane) + ", is\n  " +
                      Describe(found) + "\nof its states, those from " + std::to_string(history.completed) +
                      " on would do:";
    for (size_t i = 0; i < history.states.size(); ++i) {
      const std::string difference = Difference(found, history.states[i]);
      out += "\n" + std::to_string(i) + (i == 0 ? "" : " tag " + std::to_string(history.tags[i - 1])) + " (" +
             (difference.empty() ? "equal" : difference) + ") " + Describe(history.states[i]);
    }
    out += "\nfiles:";
    for (const auto& [name, content] : found_) out += "\n  " + name + " " + std::to_string(content.size());
    return out;
  }

  void Push(uint64_t id, uint64_t tag, LogImage state) {
    if (tag == 0) return;
    state.exists = true;
    histories_[id].states.push_back(std::move(state));
    histories_[id].tags.push_back(tag);
  }

  void Step() {
    const uint64_t id = 1 + Random(kGroups);
    if (!rig_->is_open(id) && !rig_->Open(id, static_cast<uint32_t>(Random(kLanes))).ok()) return;
    LogImage state = histories_[id].states.back();
    const uint64_t dice = Random(100);
    if (dice < 62) return Append(id, state, false);
    if (dice < 72) return Append(id, state, true);
    if (dice < 80) {
      const uint64_t index = state.first_index + Random(state.entries.size() + 2);
      if (index > state.last_index() + 1) return;
      state.TruncatePrefix(index);
      return Push(id, rig_->TruncatePrefix(id, index), state);
    }
    if (dice < 83) {
      const uint64_t index = state.last_index() + 1 + Random(20);
      const uint64_t term = state.last_term() + 1;
      state.Reset(index, term, static_cast<int64_t>(1000 + index));
      return Push(id, rig_->Reset(id, index, term, state.first_offset), state);
    }
    if (dice < 87) {
      state.checkpoint = PayloadOf(Random(1000), Random(3000));
      return Push(id, rig_->Checkpoint(id, *state.checkpoint), state);
    }
    if (dice < 92) return Settle();
    Reopen(id, dice < 95);
  }

  void Append(uint64_t id, LogImage state, bool replace) {
    LogImage base = state;
    if (replace && !base.entries.empty())
      base.entries.resize(base.entries.size() - 1 - Random(std::min<size_t>(base.entries.size(), 9)));
    std::vector<LogEntry> added = Continue(base, 1 + Random(4), Random(2) != 0 ? Random(200) : Random(4000),
                                           state.last_term() + (replace ? 1 : Random(30) / 29));
    chr_hard_state hard_state{state.term + Random(2), Random(4), state.last_index()};
    const bool with_state = Random(3) == 0;
    if (with_state) {
      state.term = hard_state.term;
      state.vote = hard_state.vote;
      state.commit = hard_state.commit;
      if (Random(4) == 0) added.clear();
    }
    state.Append(added);
    Push(id, rig_->Append(id, added, with_state ? &hard_state : nullptr), state);
  }

  // A barrier makes everything before it durable, under every sync policy.
  void Settle() {
    const bool held = rig_->WaitAll();
    NoteCompleted(options_.sync_always || held);
  }

  void Reopen(uint64_t id, bool destroy) {
    Settle();
    rig_->Close(id);
    if (destroy) {
      const chr_status status = rig_->Destroy(id);
      History& history = histories_[id];
      history.states.push_back({});
      history.tags.push_back(0);
      if (status >= 0) history = {{LogImage{}}, {}, 0};
    }
    (void)rig_->Open(id, static_cast<uint32_t>(Random(kLanes)));
  }

  const std::shared_ptr<FaultyDisk> disk_;
  std::mt19937 random_;
  const Options options_;
  std::unique_ptr<StoreRig> rig_;
  std::map<uint64_t, History> histories_;
  std::map<std::string, std::string> found_;  // the files before the last start
};

uint64_t FromEnvironment(const char* name, uint64_t fallback) {
  const char* text = std::getenv(name);
  return text == nullptr ? fallback : std::strtoull(text, nullptr, 10);
}
uint64_t Scale() { return FromEnvironment("CHRONIK_CRASH_SCALE", 1); }
uint32_t Seed(uint64_t n) { return static_cast<uint32_t>(FromEnvironment("CHRONIK_CRASH_SEED", 0) + n); }

// From files that hold two frames, so that the journal is rotated, freed and recycled all the time, to those that
// hold a dozen.
Options OptionsOf(uint32_t seed) {
  Options options = SmallOptions();
  options.journal_file_bytes = (16 << 10) << seed % 3;
  return options;
}

TEST(CrashTest, EveryOperationOfTheDiskMayBeItsLast) {
  // One workload, cut at operation 1, 2, 3, ... of its second life.
  constexpr int kSteps = 60;
  for (uint64_t cut = 1; cut <= 400 * Scale(); ++cut) {
    SCOPED_TRACE("cut at operation " + std::to_string(cut));
    auto disk = std::make_shared<FaultyDisk>(Seed(cut));
    Workload workload(disk, Seed(7), SmallOptions());
    ASSERT_NO_FATAL_FAILURE(workload.Round(kSteps));
    workload.Orderly();
    disk->CrashAfter(cut);
    ASSERT_NO_FATAL_FAILURE(workload.Round(kSteps));
    workload.PowerOff();
    ASSERT_NO_FATAL_FAILURE(workload.Round(3));
    workload.Orderly();
  }
}

TEST(CrashTest, ManyCrashesInARowLeaveTheLogIntact) {
  for (uint32_t seed = Seed(1); seed <= Seed(40 * Scale()); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937 random(seed);
    auto disk = std::make_shared<FaultyDisk>(seed);
    Workload workload(disk, seed, OptionsOf(seed));
    for (int life = 0; life < 8; ++life) {
      disk->CrashAfter(1 + random() % 600);
      ASSERT_NO_FATAL_FAILURE(workload.Round(150)) << "life " << life;
      workload.PowerOff();
    }
  }
}

TEST(CrashTest, WithIntervalSyncAPrefixOfEachGroupSurvives) {
  for (uint32_t seed = Seed(1); seed <= Seed(30 * Scale()); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937 random(seed);
    Options options = OptionsOf(seed);
    options.sync_always = false;
    options.sync_interval_ns = 300'000;
    auto disk = std::make_shared<FaultyDisk>(seed);
    Workload workload(disk, seed, options);
    for (int life = 0; life < 6; ++life) {
      disk->CrashAfter(1 + random() % 400);
      ASSERT_NO_FATAL_FAILURE(workload.Round(150)) << "life " << life;
      workload.PowerOff();
    }
  }
}

// The process restarts after the failure, the machine does not: what the sync did not write is still to be read.
TEST(CrashTest, AFailedSyncARestartAndAPowerCutLeaveTheLogIntact) {
  for (const bool always : {true, false}) {
    for (uint32_t seed = Seed(1); seed <= Seed(40 * Scale()); ++seed) {
      SCOPED_TRACE((always ? "always, seed " : "interval, seed ") + std::to_string(seed));
      std::mt19937 random(seed);
      Options options = OptionsOf(seed);
      options.sync_always = always;
      options.sync_interval_ns = 300'000;
      auto disk = std::make_shared<FaultyDisk>(seed);
      Workload workload(disk, seed, options);
      for (int life = 0; life < 4; ++life) {
        ASSERT_NO_FATAL_FAILURE(workload.Round(60, static_cast<int>(random() % 50))) << "life " << life;
        workload.Orderly();
        disk->FailNextSync(false);
        ASSERT_NO_FATAL_FAILURE(workload.Round(static_cast<int>(random() % 30))) << "life " << life;
        workload.PowerOff();
      }
    }
  }
}

}  // namespace
}  // namespace chronik_log_wal
