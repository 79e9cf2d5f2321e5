// SPDX-License-Identifier: Apache-2.0
// Goal: a flipped bit is reported - by start, open_group, read, or a fault range - and never becomes wrong bytes or a
// silently shorter log. Method: a store is filled and stopped; each round flips one bit in a copy of its directory.
#include <filesystem>
#include <fstream>
#include <iterator>

#include <gtest/gtest.h>

#include "sdk/conformance/log_store/instance.h"
#include "sdk/conformance/log_store/options.h"

namespace chronik_conformance {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kGroups = 3;
constexpr int kFlips = 40;

std::vector<char> ReadFile(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::vector<ModelLog> Fill(const std::string& dir) {
  Instance store(dir);
  std::vector<ModelLog> logs(kGroups + 1);
  std::vector<Group> groups{{}};
  for (uint64_t id = 1; id <= kGroups; ++id) groups.push_back(store.Open(id));
  for (int round = 0; round < 60; ++round) {
    for (uint64_t id = 1; id <= kGroups; ++id) {
      Op op = AppendOp(logs[id], 5, 4000);
      op.hard_state = HardState{3, id, static_cast<uint64_t>(round)};
      EXPECT_EQ(store.Run(groups[id], op).status, CHR_OK);
      logs[id].Apply(op);
    }
  }
  for (uint64_t id = 1; id <= kGroups; ++id) {
    Op checkpoint;
    checkpoint.opcode = CHR_LOG_CHECKPOINT;
    checkpoint.blob = Payload(id, 2000);
    EXPECT_EQ(store.Run(groups[id], checkpoint).status, CHR_OK);
    logs[id].Apply(checkpoint);
  }
  return logs;
}

// A bit in the middle 80 % of what was written to a file (space that is zero at its end is not written yet).
struct Flip {
  fs::path file;  // relative
  size_t byte;
  int bit;
};

Flip RandomFlip(std::mt19937_64& random, const fs::path& dir) {
  std::vector<std::pair<fs::path, size_t>> files;
  size_t total = 0;
  for (const auto& entry : fs::recursive_directory_iterator(dir)) {
    if (!entry.is_regular_file()) continue;
    const std::vector<char> bytes = ReadFile(entry.path());
    size_t used = bytes.size();
    while (used > 0 && bytes[used - 1] == 0) --used;
    if (used < 64) continue;
    files.emplace_back(fs::relative(entry.path(), dir), used);
    total += used;
  }
  // Half of the flips go to a file by size, half to any file, so that small ones are hit as well.
  size_t at = Draw(random, 0, files.size() - 1);
  if (Draw(random, 0, 1) == 0) {
    size_t byte = Draw(random, 0, total - 1);
    for (at = 0; byte >= files[at].second; ++at) byte -= files[at].second;
  }
  const size_t used = files[at].second;
  return {files[at].first, Draw(random, used / 10, used - used / 10 - 1), static_cast<int>(Draw(random, 0, 7))};
}

// What is readable must be right. Returns how many complaints there were.
int CheckGroup(Instance& store, uint64_t id, const ModelLog& want) {
  Group group;
  chr_log_bounds bounds{};
  if (store.TryOpen(id, 0, false, &group, &bounds) < 0) {
    EXPECT_FALSE(store.message().empty());
    return 1;
  }
  int complaints = bounds.fault_lo != 0;
  if (complaints == 0) {
    EXPECT_EQ(bounds.first_index, want.first_index()) << "group " << id << " was cut silently";
    EXPECT_EQ(bounds.last_index, want.last_index()) << "group " << id << " was cut silently";
    EXPECT_EQ(bounds.hard_state.term, want.hard_state().term) << "group " << id;
    EXPECT_EQ(bounds.hard_state.vote, want.hard_state().vote) << "group " << id;
  } else if (bounds.last_index < want.last_index()) {
    EXPECT_GT(bounds.fault_hi, want.last_index()) << "group " << id << ": the fault range misses what is gone";
  }
  for (uint64_t index = bounds.first_index; index <= std::min(bounds.last_index, want.last_index()); ++index) {
    const ReadAnswer answer = store.Read(group, ByIndex(index, index + 1));
    if (answer.status < 0) {
      EXPECT_EQ(answer.status, CHR_E_CORRUPT) << "group " << id << " index " << index;
      ++complaints;
    } else if (answer.entries.size() != 1 || answer.entries[0] != want.entries()[index - want.first_index()]) {
      ADD_FAILURE() << "group " << id << " index " << index << " silently reads as something else";
    }
  }
  std::string blob;
  const chr_status checkpoint = store.Checkpoint(group, &blob);
  if (checkpoint < 0) {
    EXPECT_EQ(checkpoint, CHR_E_CORRUPT) << "group " << id;
    ++complaints;
  } else {
    EXPECT_TRUE(blob == *want.checkpoint()) << "group " << id << ": wrong checkpoint";
  }
  return complaints;
}

TEST(Damage, AFlippedBitIsNeverSilent) {
  const uint64_t seed = Options().seed;
  SCOPED_TRACE("--seed " + std::to_string(seed));
  if (!Instance().durable()) GTEST_SKIP() << "the store is volatile";
  const sdk::testing::TempDir original;
  const std::vector<ModelLog> logs = Fill(original.path());
  std::mt19937_64 random(seed);
  int noticed = 0;
  for (int round = 0; round < kFlips; ++round) {
    const Flip flip = RandomFlip(random, original.path());
    SCOPED_TRACE("bit " + std::to_string(flip.bit) + " of byte " + std::to_string(flip.byte) + " of " +
                 flip.file.string());
    const sdk::testing::TempDir copy;
    fs::copy(original.path(), copy.path(), fs::copy_options::recursive | fs::copy_options::overwrite_existing);
    std::fstream file(copy.path() / flip.file, std::ios::binary | std::ios::in | std::ios::out);
    file.seekg(static_cast<std::streamoff>(flip.byte));
    const char flipped = static_cast<char>(file.get() ^ (1 << flip.bit));
    file.seekp(static_cast<std::streamoff>(flip.byte));
    file.put(flipped);
    file.close();
    ASSERT_TRUE(file) << "the bit could not be flipped";

    Instance store(copy.path(), Instance::MayFail());
    int complaints = store.start_status() < 0;
    if (complaints == 0) {
      for (uint64_t id = 1; id <= kGroups; ++id) complaints += CheckGroup(store, id, logs[id]);
    } else {
      EXPECT_FALSE(store.message().empty()) << "a refused start says why";
    }
    noticed += complaints > 0;
    if (testing::Test::HasFailure()) break;
  }
  RecordProperty("flips_noticed", noticed);
  EXPECT_GT(noticed, kFlips / 10) << "of " << kFlips << ": does the store check what it reads?";
}

}  // namespace
}  // namespace chronik_conformance
