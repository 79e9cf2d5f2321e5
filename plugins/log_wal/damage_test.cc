// SPDX-License-Identifier: Apache-2.0
// Goal: bytes that are not what was written are reported and never read as data, and what a power cut leaves is not
// taken for damage. Method: a store on a test disk; files are changed while it is down, or under it.
#include <gtest/gtest.h>

#include "plugins/log_wal/store_fixture.h"

namespace chronik_log_wal {
namespace {

using DamageTest = StoreTest;

TEST_F(DamageTest, ATornLastFrameIsDroppedAndTheRestStays) {
  ASSERT_TRUE(rig_->Open(1).ok());
  Append(1, 3);
  const LogImage before = model_[1];
  Append(1, 1);
  rig_.reset();
  disk_->FlipBit(Journal().back(), Frames(Journal().back()).back() + kFrameHeaderBytes + 20);
  Boot();
  ASSERT_TRUE(rig_->Open(1, 0, false).ok());
  model_[1] = before;
  ExpectImage(1);
}

TEST_F(DamageTest, AFlippedBitInTheMiddleIsCorruptionAndNothingIsTouched) {
  ASSERT_TRUE(rig_->Open(1).ok());
  for (int i = 0; i < 6; ++i) Append(1, 1);
  rig_.reset();
  const std::string path = Journal().back();
  for (const uint64_t in_frame : {uint64_t{1}, uint64_t{20}, kFrameHeaderBytes + uint64_t{30}}) {
    const uint64_t at = Frames(path)[2] + in_frame;
    disk_->FlipBit(path, at);
    EXPECT_EQ(RefusedStart(), CHR_E_CORRUPT);
    EXPECT_NE(message_.find(path), std::string::npos) << message_;
    disk_->FlipBit(path, at);
  }
  disk_->FlipBit(path, 40);  // the file's header
  EXPECT_EQ(RefusedStart(), CHR_E_CORRUPT);
  disk_->FlipBit(path, 40);
  Boot();
}

TEST_F(DamageTest, TheOnlyFrameOfAFileThatIsNotTheLastMayNotBeMissing) {
  ASSERT_TRUE(rig_->Open(1).ok());
  const std::string first = Journal().front();
  std::string content;
  for (const auto full = [&] { return Journal().back() != first; }; !full();) {
    content = disk_->Content(first);
    Append(1, 1, 3000);
  }
  rig_.reset();
  disk_->Put(first, content);  // the flusher may have dropped it by now
  for (const uint64_t at : Frames(first)) disk_->FlipBit(first, at + 10);
  EXPECT_EQ(RefusedStart(), CHR_E_CORRUPT);
  EXPECT_NE(message_.find(first), std::string::npos) << message_;
}

TEST_F(DamageTest, AFlippedBitInASegmentIsReportedByReadsOrTheStart) {
  ASSERT_TRUE(rig_->Open(1).ok());
  for (int i = 0; i < 200; ++i) Append(1, 1, 2000);
  const std::string log = disk_->Files(".log").front();
  disk_->FlipBit(log, 2500);
  std::vector<LogEntry> got;
  EXPECT_EQ(rig_->Read(1, CHR_LOG_BY_INDEX, 2, 3, 1, 0, &got), CHR_E_CORRUPT);
  EXPECT_TRUE(got.empty());
  EXPECT_EQ(rig_->Read(1, CHR_LOG_BY_INDEX, 1, 2, 1, 0, &got), CHR_OK);
  Append(1, 1);  // the group goes on
  rig_.reset();
  disk_->FlipBit(disk_->Files(".rix").front(), 100);
  EXPECT_EQ(RefusedStart(), CHR_E_CORRUPT);
}

TEST_F(DamageTest, ADamagedRowFailsOnlyItsGroupsTruncation) {
  ASSERT_TRUE(rig_->Open(1).ok());
  ASSERT_TRUE(rig_->Open(2).ok());
  for (int i = 0; i < 200; ++i) Append(1, 1, 2000);
  disk_->FlipBit(disk_->Files(".rix").front(), 2 * kRowBytes + 8);
  const uint64_t truncation = rig_->TruncatePrefix(1, 3);
  const auto entries = Continue(model_[2], 1, 10);
  const uint64_t append = rig_->Append(2, entries);
  EXPECT_EQ(rig_->Wait(truncation), CHR_E_CORRUPT);
  EXPECT_EQ(rig_->Wait(append), CHR_OK);
  Append(1, 1);
}

TEST_F(DamageTest, RowsOfADroppedSuffixNeverStandInForDamagedOnes) {
  ASSERT_TRUE(rig_->Open(1).ok());
  Append(1, 30, 1000);  // in one operation, so in one segment, though that is more than a segment should hold
  EagerFlusher();
  const std::string first = disk_->Files(".rix").front();
  ASSERT_EQ(disk_->Content(first).size() / kRowBytes, 30u);
  model_[1].entries.resize(27);
  Append(1, 3, 1000, 2);  // in the next segment, as the first one is long enough
  AwaitFlusher();
  FreeJournal();
  rig_.reset();
  ASSERT_EQ(disk_->Content(first).size() / kRowBytes, 30u) << "the dropped rows should be there still";
  const std::string second = disk_->Files(".rix").at(1);
  ASSERT_EQ(disk_->Content(second).size() / kRowBytes, 3u);
  disk_->FlipBit(second, 8);
  EXPECT_EQ(RefusedStart(), CHR_E_CORRUPT);
}

TEST_F(DamageTest, AHalfWrittenSegmentIsNoneAfterItsEntriesWereReplaced) {
  ASSERT_TRUE(rig_->Open(1).ok());
  Append(1, 6, 3000);
  EagerFlusher();
  disk_->LimitFiles(".rix", kRowBytes);
  Append(1, 3, 3000);  // entry 7 begins a segment; the disk is full after its row
  while (disk_->Files(".rix").size() < 2 || disk_->Content(disk_->Files(".rix")[1]).size() < kRowBytes)
    std::this_thread::yield();
  model_[1].entries.resize(2);
  Append(1, 10, 3000, 2);
  disk_->LimitFiles("", 0);
  AwaitFlusher();  // all in the first segment, which is short again
  FreeJournal();
  Restart();
  ASSERT_TRUE(rig_->Open(1, 0, false).ok());
  ExpectImage(1);
}

// --- damage to a journal's last frame, which must not pass for a torn write once other files follow from it ----------

TEST_F(DamageTest, RowsOfALaterHistoryThanTheJournalsAreCorruption) {
  ASSERT_TRUE(rig_->Open(1).ok());
  Append(1, 30, 1000);
  EagerFlusher();
  FreeJournal();
  Append(1, 1);
  model_[1].entries.resize(27);
  Append(1, 6, 1000, 2);
  AwaitFlusher();
  rig_.reset();
  const std::string path = Journal().back();
  disk_->FlipBit(path, LastFrame(path) + 20);
  EXPECT_EQ(RefusedStart(), CHR_E_CORRUPT);
  EXPECT_NE(message_.find(path), std::string::npos) << message_;
}

TEST_F(DamageTest, ACheckpointOfALaterHistoryThanTheJournalsIsCorruption) {
  ASSERT_TRUE(rig_->Open(1).ok());
  const std::string first = Journal().front();
  disk_->HoldNextWrite(".log");
  while (Journal().size() == 1) Append(1, 1, 3000);
  disk_->AwaitHeldWrite();  // so that the checkpoint is there when the first file's entries go to segments
  ASSERT_EQ(rig_->Wait(rig_->Checkpoint(1, "later")), CHR_OK);
  disk_->ReleaseWrite();
  while (Journal().front() == first) std::this_thread::yield();
  ASSERT_FALSE(disk_->Files("/checkpoint").empty());
  rig_.reset();
  const std::string path = Journal().back();
  disk_->FlipBit(path, LastFrame(path) + 20);
  EXPECT_EQ(RefusedStart(), CHR_E_CORRUPT);
  EXPECT_NE(message_.find(path), std::string::npos) << message_;
}

TEST_F(DamageTest, TheStatesThatAFileBeginsWithAreNotTornOnceOlderFilesAreGone) {
  ASSERT_TRUE(rig_->Open(1).ok());
  const chr_hard_state vote{9, 2, 0};
  ASSERT_EQ(rig_->Wait(rig_->Append(1, {}, &vote)), CHR_OK);
  Restart();
  while (Journal().size() > 1) std::this_thread::yield();
  rig_.reset();
  const std::string path = Journal().back();
  disk_->FlipBit(path, kFileHeaderBytes + 20);
  EXPECT_EQ(RefusedStart(), CHR_E_CORRUPT);
}

TEST_F(DamageTest, WhatAStartFoundIsNotTornLater) {
  ASSERT_TRUE(rig_->Open(1).ok());
  Append(1, 2);
  Append(1, 1);
  const std::string path = Journal().back();
  const std::string content = disk_->Content(path);
  Restart();
  rig_.reset();
  disk_->Put(path, content);  // the flusher may have dropped it by now
  disk_->FlipBit(path, LastFrame(path) + 20);
  EXPECT_EQ(RefusedStart(), CHR_E_CORRUPT);
  EXPECT_NE(message_.find(path), std::string::npos) << message_;
}

TEST_F(DamageTest, ADamagedMarkIsCorruptionAndAMissingOneIsNone) {
  ASSERT_TRUE(rig_->Open(1).ok());
  Append(1, 1);
  Restart();
  rig_.reset();
  const std::string mark = "/data/journal/flushed";
  const std::string whole = disk_->Content(mark);
  for (size_t at = 4; at < whole.size(); ++at) {
    disk_->FlipBit(mark, at);
    EXPECT_EQ(RefusedStart(), CHR_E_CORRUPT) << at;
    disk_->FlipBit(mark, at);
  }
  disk_->Put(mark, whole.substr(0, whole.size() - 1));
  EXPECT_EQ(RefusedStart(), CHR_E_CORRUPT);
  disk_->Put(mark, std::string("\2", 1) + whole.substr(1));
  EXPECT_EQ(RefusedStart(), CHR_E_UNSUPPORTED);
  ASSERT_EQ(disk_->Mount()->Remove(mark), 0);
  Boot();  // as an older build left it
  ASSERT_TRUE(rig_->Open(1, 0, false).ok());
  ExpectImage(1);
}

TEST_F(DamageTest, ANewerFormatIsRefused) {
  rig_.reset();
  std::string content = disk_->Content(Journal().back());
  content[4] = 2;
  disk_->Put(Journal().back(), content);
  EXPECT_EQ(RefusedStart(), CHR_E_UNSUPPORTED);
}

}  // namespace
}  // namespace chronik_log_wal
