// SPDX-License-Identifier: Apache-2.0
// What the simulated disk keeps and what it loses, fault by fault.
#include "tests/simulation/disk.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <chrono>
#include <memory>
#include <string>

#include "tests/simulation/process.h"

namespace chronik::sim {
namespace {

using chronik_log_wal::FilePtr;
using chronik_log_wal::FileSystem;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr size_t kBytes = 8 * 512;

class SimDiskTest : public testing::Test {
 protected:
  // On a thread of the process.
  template <class Body>
  void Run(Body body) {
    scheduler_.RunBlocking(process_, "test", body);
  }
  FilePtr Create(FileSystem& fs, const std::string& path) {
    FilePtr file;
    EXPECT_EQ(fs.Open(path, true, &file), 0);
    return file;
  }
  // A synced file of that content, under a synced name.
  FilePtr Put(FileSystem& fs, const std::string& path, char content) {
    FilePtr file = Create(fs, path);
    const std::string bytes(kBytes, content);
    EXPECT_EQ(file->WriteAt(0, bytes.data(), bytes.size()), 0);
    EXPECT_EQ(file->SyncData(), 0);
    EXPECT_EQ(fs.SyncDirectory("/data"), 0);
    return file;
  }
  std::string Get(FileSystem& fs, const std::string& path) {
    FilePtr file;
    uint64_t size = 0;
    if (fs.Open(path, false, &file) != 0) return "absent";
    EXPECT_EQ(file->Size(&size), 0);
    std::string bytes(size, '\0');
    EXPECT_EQ(file->ReadAt(0, bytes.data(), size), 0);
    return bytes;
  }

  Scheduler scheduler_{17};
  Process process_{scheduler_, "node"};
  SimDisk disk_{scheduler_, 1};
};

TEST_F(SimDiskTest, ACrashKeepsWhatWasSyncedAndPiecesOfTheRest) {
  int lost = 0;
  int kept = 0;
  disk_.settings().torn_percent = 50;
  for (int i = 0; i < 30; ++i) {
    Run([&] {
      const auto fs = disk_.Mount();
      Put(*fs, "/data/synced", 's');
      const FilePtr file = Put(*fs, "/data/half", 'a');
      const std::string bytes(kBytes, 'b');
      EXPECT_EQ(file->WriteAt(0, bytes.data(), bytes.size()), 0);
      disk_.Crash();
      EXPECT_EQ(file->SyncData(), EIO);
      FilePtr none;
      EXPECT_EQ(fs->Open("/data/synced", false, &none), EIO);
    });
    Run([&] {
      const auto fs = disk_.Mount();
      EXPECT_EQ(Get(*fs, "/data/synced"), std::string(kBytes, 's'));
      const std::string half = Get(*fs, "/data/half");
      EXPECT_EQ(half.size(), kBytes);
      const auto fresh = std::count(half.begin(), half.end(), 'b');
      EXPECT_EQ(std::count(half.begin(), half.end(), 'a') + fresh, static_cast<long>(kBytes));
      lost += fresh < static_cast<long>(kBytes) ? 1 : 0;
      kept += fresh > 0 ? 1 : 0;
    });
  }
  EXPECT_GT(lost, 5);
  EXPECT_GT(kept, 5);
  EXPECT_EQ(disk_.counts().crashes, 30u);
}

TEST_F(SimDiskTest, AProcessThatDiesLeavesItsPageCache) {
  Run([&] {
    const auto fs = disk_.Mount();
    const FilePtr file = Create(*fs, "/data/file");
    EXPECT_EQ(file->WriteAt(0, "unsynced", 8), 0);
    disk_.Disconnect();
    EXPECT_EQ(file->WriteAt(0, "late", 4), EIO);
    const auto next = disk_.Mount();
    EXPECT_EQ(Get(*next, "/data/file"), "unsynced");
  });
}

TEST_F(SimDiskTest, ACrashEndsWhatIsUnderWay) {
  disk_.Stall(seconds(100));
  scheduler_.After(seconds(1), [&] { disk_.Crash(); });
  const Instant start = scheduler_.Now();
  Run([&] {
    const auto fs = disk_.Mount();
    disk_.Stall(seconds(100));
    FilePtr file;
    EXPECT_EQ(fs->Open("/data/file", true, &file), EIO);
  });
  EXPECT_LT(scheduler_.Now() - start, Duration(seconds(2)));
}

TEST_F(SimDiskTest, OperationsTakeTheirTime) {
  disk_.settings().sync = milliseconds(10);
  Run([&] {
    const auto fs = disk_.Mount();
    const FilePtr file = Create(*fs, "/data/file");
    const Instant start = scheduler_.Now();
    for (int i = 0; i < 100; ++i) EXPECT_EQ(file->SyncData(), 0);
    EXPECT_GT(scheduler_.Now() - start, Duration(milliseconds(500)));
    EXPECT_LT(scheduler_.Now() - start, Duration(seconds(4)));
    disk_.Stall(seconds(50));
    EXPECT_EQ(file->SyncData(), 0);
    EXPECT_GT(scheduler_.Now() - start, Duration(seconds(50)));
  });
}

TEST_F(SimDiskTest, AFailedSyncMayHaveLostWhatItWasFor) {
  Run([&] {
    const auto fs = disk_.Mount();
    const FilePtr file = Put(*fs, "/data/file", 'a');
    EXPECT_EQ(file->WriteAt(0, "new", 3), 0);
    disk_.FailNextSync();
    EXPECT_EQ(file->SyncData(), EIO);
    EXPECT_EQ(file->SyncData(), 0) << "only once, and the pages count as clean now";
    EXPECT_EQ(Get(*fs, "/data/file").substr(0, 3), "new");
    disk_.Crash();
    const auto next = disk_.Mount();
    EXPECT_EQ(Get(*next, "/data/file").substr(0, 3), "aaa");
  });
  EXPECT_EQ(disk_.counts().sync_errors, 1u);
}

TEST_F(SimDiskTest, WritesAndReadsFailAndTheDiskRunsFull) {
  Run([&] {
    const auto fs = disk_.Mount();
    const FilePtr file = Put(*fs, "/data/file", 'a');
    disk_.settings().write_error_one_in = 1;
    EXPECT_EQ(file->WriteAt(0, "b", 1), EIO);
    disk_.settings().write_error_one_in = 0;
    disk_.settings().read_error_one_in = 1;
    char byte = 0;
    EXPECT_EQ(file->ReadAt(0, &byte, 1), EIO);
    disk_.settings().read_error_one_in = 0;
    disk_.settings().limit_bytes = kBytes + 100;
    EXPECT_EQ(file->WriteAt(kBytes, std::string(200, 'c').data(), 200), ENOSPC);
    EXPECT_EQ(file->WriteAt(0, "b", 1), 0) << "overwriting needs no room";
    disk_.settings().limit_bytes = 0;
    EXPECT_EQ(file->WriteAt(kBytes, std::string(200, 'c').data(), 200), 0);
  });
  EXPECT_EQ(disk_.counts().full, 1u);
}

TEST_F(SimDiskTest, BitsFlipAndWritesGoAstray) {
  Run([&] {
    auto fs = disk_.Mount();
    Put(*fs, "/data/one", 'a');
    EXPECT_EQ(disk_.FlipRandomBit(), "/data/one");
    const std::string flipped = Get(*fs, "/data/one");
    EXPECT_EQ(std::count(flipped.begin(), flipped.end(), 'a'), static_cast<long>(kBytes) - 1);

    // Files of one letter each; afterwards a sector of the one file is in the other, or elsewhere in itself.
    Put(*fs, "/data/one", 'a');
    const FilePtr file = Put(*fs, "/data/two", 'b');
    EXPECT_EQ(file->WriteAt(0, std::string(kBytes, 'c').data(), kBytes), 0);
    disk_.MisdirectNextSync();
    EXPECT_EQ(file->SyncData(), 0);
    EXPECT_EQ(Get(*fs, "/data/two"), std::string(kBytes, 'c')) << "the page cache does not know";
    disk_.Crash();
    fs = disk_.Mount();
    const std::string after = Get(*fs, "/data/two");
    EXPECT_EQ(std::count(after.begin(), after.end(), 'b'), 512) << "what was not overwritten";
  });
  EXPECT_EQ(disk_.counts().flipped_bits, 1u);
  EXPECT_EQ(disk_.counts().misdirected, 1u);
}

TEST_F(SimDiskTest, AWipedDiskIsEmpty) {
  Run([&] {
    const auto fs = disk_.Mount();
    const FilePtr file = Put(*fs, "/data/file", 'a');
    disk_.Wipe();
    EXPECT_EQ(file->SyncData(), EIO);
    const auto next = disk_.Mount();
    EXPECT_EQ(Get(*next, "/data/file"), "absent");
    Put(*next, "/data/file", 'b');
  });
}

}  // namespace
}  // namespace chronik::sim
