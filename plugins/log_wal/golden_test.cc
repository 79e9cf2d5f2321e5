// SPDX-License-Identifier: Apache-2.0
// Goal: what version 1 wrote stays readable. Method: testdata/v1 was written by the build that fixed the format (and is
// never written again: a new version adds a directory); a store starts on a copy of it and must show the logs below.
// CHRONIK_WRITE_GOLDEN=<dir> writes such a directory.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "plugins/log_wal/store_rig.h"

namespace chronik_log_wal {
namespace {

Options GoldenOptions() {
  Options options = SmallOptions();
  options.journal_file_bytes = 32 << 10;
  options.segment_bytes = 4 << 10;
  options.file_id_seed = 12345;
  return options;
}

// Every record type, segments and a checkpoint file; leaves the expected logs.
void WriteLogs(StoreRig& rig, std::map<uint64_t, LogImage>* logs) {
  const auto append = [&](uint64_t id, size_t count, size_t bytes, uint64_t term) {
    const auto entries = Continue((*logs)[id], count, bytes, term);
    ASSERT_EQ(rig.Wait(rig.Append(id, entries)), CHR_OK);
    (*logs)[id].Append(entries);
  };
  for (const uint64_t id : {1, 2, 3}) ASSERT_TRUE(rig.Open(id, id == 2 ? 1 : 0).ok());
  ASSERT_EQ(rig.Wait(rig.Checkpoint(1, "state at the start")), CHR_OK);
  (*logs)[1].checkpoint = "state at the start";
  for (int i = 0; i < 12; ++i) append(1, 2, 1500, 1);  // over several journal files and segments
  (*logs)[1].entries.resize(20);
  append(1, 3, 100, 2);  // replaces a suffix
  ASSERT_EQ(rig.Wait(rig.TruncatePrefix(1, 4)), CHR_OK);
  (*logs)[1].TruncatePrefix(4);
  append(2, 5, 40, 3);
  const chr_hard_state vote{4, 2, 5};
  ASSERT_EQ(rig.Wait(rig.Append(2, {}, &vote)), CHR_OK);
  (*logs)[2].term = 4, (*logs)[2].vote = 2, (*logs)[2].commit = 5;
  ASSERT_EQ(rig.Wait(rig.Reset(2, 100, 4, 1000)), CHR_OK);
  (*logs)[2].Reset(100, 4, 1000);
  append(2, 2, 70, 5);
  append(3, 1, 10, 1);
  rig.Close(2);
  ASSERT_TRUE(rig.Open(2, 0).ok());  // moves
  rig.Close(3);
  ASSERT_EQ(rig.Destroy(3), CHR_OK);
  logs->erase(3);
}

TEST(GoldenTest, VersionOneIsRead) {
  std::map<uint64_t, LogImage> logs;
  auto fresh = std::make_shared<FaultyDisk>(1);
  {
    StoreRig rig(fresh, GoldenOptions());
    ASSERT_TRUE(rig.Start().ok());
    WriteLogs(rig, &logs);
  }
  if (const char* directory = std::getenv("CHRONIK_WRITE_GOLDEN")) {
    for (const std::string& file : fresh->Files("/data/")) {
      if (file.find("/free-") != std::string::npos) continue;
      const std::filesystem::path path = directory + file.substr(5);
      std::filesystem::create_directories(path.parent_path());
      std::ofstream(path, std::ios::binary) << fresh->Content(file);
    }
    return;
  }
  const std::filesystem::path golden =
      std::filesystem::path(std::getenv("CHRONIK_SOURCE")) / "plugins/log_wal/testdata/v1";
  auto disk = std::make_shared<FaultyDisk>(1);
  size_t files = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(golden)) {
    if (!entry.is_regular_file()) continue;
    std::ifstream in(entry.path(), std::ios::binary);
    std::ostringstream content;
    content << in.rdbuf();
    disk->Put("/data/" + std::filesystem::relative(entry.path(), golden).string(), content.str());
    ++files;
  }
  ASSERT_GT(files, 3u);
  StoreRig rig(disk, GoldenOptions());
  const Failure started = rig.Start();
  ASSERT_TRUE(started.ok()) << started.message;
  EXPECT_EQ(rig.Groups().size(), logs.size());
  for (const auto& [id, wanted] : logs) {
    LogImage found;
    ASSERT_TRUE(rig.Open(id, 0, false).ok());
    ASSERT_EQ(rig.ReadImage(id, &found), CHR_OK);
    EXPECT_EQ(found, wanted) << Describe(found) << "\n" << Describe(wanted);
  }
}

}  // namespace
}  // namespace chronik_log_wal
