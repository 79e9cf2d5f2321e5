// SPDX-License-Identifier: Apache-2.0
// Goal: what the interface promises, over restarts, and what happens when the disk misbehaves. Method: a store on a
// test disk, compared with a plain model of each log.
#include <gtest/gtest.h>

#include <random>

#include "plugins/log_wal/store_fixture.h"

namespace chronik_log_wal {
namespace {

TEST_F(StoreTest, ALogIsTheSameAfterARestart) {
  ASSERT_TRUE(rig_->Open(1).ok());
  for (int i = 0; i < 40; ++i) Append(1, 3, 900);
  const chr_hard_state hard_state{5, 3, 100};
  ASSERT_EQ(rig_->Wait(rig_->Append(1, {}, &hard_state)), CHR_OK);
  model_[1].term = 5, model_[1].vote = 3, model_[1].commit = 100;
  for (int restart = 0; restart < 3; ++restart) {
    ExpectImage(1);
    Restart();
    EXPECT_EQ(rig_->Groups(), std::vector<uint64_t>{1});
    ASSERT_TRUE(rig_->Open(1, 0, false).ok());
  }
  ExpectImage(1);
}

TEST_F(StoreTest, ReadsFindEntriesByIndexOffsetAndTimestampInSegmentsAndTail) {
  ASSERT_TRUE(rig_->Open(1).ok());
  for (int i = 0; i < 60; ++i) Append(1, 2, 1000);  // far more than the tail may hold
  const LogImage& model = model_[1];
  const uint64_t end = model.last_index() + 1;
  std::vector<LogEntry> got;
  for (const LogEntry& wanted : model.entries) {
    ASSERT_EQ(rig_->Read(1, CHR_LOG_BY_INDEX, static_cast<int64_t>(wanted.index), end, 1, 0, &got), CHR_OK);
    ASSERT_EQ(got, std::vector<LogEntry>{wanted});
    if (wanted.offset_count == 0) continue;
    ASSERT_EQ(rig_->Read(1, CHR_LOG_BY_OFFSET, wanted.base_offset + wanted.offset_count - 1, end, 1, 0, &got), CHR_OK);
    ASSERT_EQ(got, std::vector<LogEntry>{wanted});
    ASSERT_EQ(rig_->Read(1, CHR_LOG_BY_TIMESTAMP, wanted.max_timestamp, end, 1, 0, &got), CHR_OK);
    ASSERT_EQ(got, std::vector<LogEntry>{wanted});
  }
  ASSERT_EQ(rig_->Read(1, CHR_LOG_BY_MAX_TIMESTAMP, 0, 20, 1, 0, &got), CHR_OK);
  ASSERT_EQ(got.size(), 1u);
  EXPECT_EQ(got[0].index, 19u);
  ASSERT_EQ(rig_->Read(1, CHR_LOG_BY_OFFSET, model.next_offset(), end, 1, 0, &got), CHR_OK);
  EXPECT_TRUE(got.empty());
  EXPECT_EQ(rig_->Read(1, CHR_LOG_BY_INDEX, 0, end, 1, 0, &got), CHR_E_RANGE);
  EXPECT_EQ(rig_->Read(1, CHR_LOG_BY_INDEX, static_cast<int64_t>(end) + 1, end, 1, 0, &got), CHR_E_RANGE);
}

TEST_F(StoreTest, TheVoteSurvivesAResetThatWasSubmittedBehindIt) {
  ASSERT_TRUE(rig_->Open(1).ok());
  Append(1, 3);
  const chr_hard_state vote{9, 2, 3};
  (void)rig_->Append(1, {}, &vote);  // not waited for: the reset is submitted while it is queued
  const uint64_t reset = rig_->Reset(1, 50, 8, 77);
  ASSERT_EQ(rig_->Wait(reset), CHR_OK);
  model_[1].term = 9, model_[1].vote = 2, model_[1].commit = 3;
  model_[1].Reset(50, 8, 77);
  ExpectImage(1);
  Restart();
  ASSERT_TRUE(rig_->Open(1, 0, false).ok());
  ExpectImage(1);
}

TEST_F(StoreTest, ATruncationInOneRoundWithItsAppendHasTheRightStart) {
  ASSERT_TRUE(rig_->Open(1).ok());
  Append(1, 10);
  for (int i = 0; i < 30; ++i) {  // some of these share a round
    const auto entries = Continue(model_[1], 10, 50);
    (void)rig_->Append(1, entries);
    model_[1].Append(entries);
    model_[1].TruncatePrefix(entries[5].index);
    (void)rig_->TruncatePrefix(1, entries[5].index);
  }
  rig_->WaitAll();
  ExpectImage(1);
  Restart();
  ASSERT_TRUE(rig_->Open(1, 0, false).ok());
  ExpectImage(1);
}

TEST_F(StoreTest, TruncationInsideSegmentsSurvivesAndFreesTheirFiles) {
  ASSERT_TRUE(rig_->Open(1).ok());
  for (int i = 0; i < 100; ++i) Append(1, 2, 1000);
  const uint64_t index = model_[1].last_index() - 20;
  ASSERT_EQ(rig_->Wait(rig_->TruncatePrefix(1, index)), CHR_OK);
  model_[1].TruncatePrefix(index);
  ExpectImage(1);
  for (int i = 0; i < 100; ++i) Append(1, 2, 1000);
  Restart();
  ASSERT_TRUE(rig_->Open(1, 0, false).ok());
  ExpectImage(1);
  ASSERT_EQ(rig_->Wait(rig_->TruncatePrefix(1, model_[1].last_index() + 1)), CHR_OK);
  model_[1].TruncatePrefix(model_[1].last_index() + 1);
  Restart();
  ASSERT_TRUE(rig_->Open(1, 0, false).ok());
  ExpectImage(1);
}

TEST_F(StoreTest, AGroupMovesBetweenLanesAndEveryLaneMayDropItsFiles) {
  ASSERT_TRUE(rig_->Open(1, 0).ok());
  for (uint32_t move = 1; move < 8; ++move) {
    Append(1, 3, 500);
    rig_->Close(1);
    ASSERT_TRUE(rig_->Open(1, move % 3).ok());
    ASSERT_TRUE(rig_->Open(2, move % 3).ok());
    for (int i = 0; i < 80; ++i) Append(2, 1, 2000);  // so that this lane's files are dropped, but not the last lane's
    rig_->Close(2);
    ExpectImage(1);
    if (move % 2 == 0) {
      rig_->Close(1);
      Restart();
      ASSERT_TRUE(rig_->Open(1, move % 3, false).ok());
      ExpectImage(1);
    }
  }
}

TEST_F(StoreTest, ADestroyedGroupStaysAwayAndANewOneOfItsNameKeepsItsData) {
  ASSERT_TRUE(rig_->Open(2, 1).ok());
  ASSERT_TRUE(rig_->Open(1, 0).ok());
  for (int i = 0; i < 100; ++i) Append(1, 1, 1000);
  rig_->Close(1);
  ASSERT_EQ(rig_->Destroy(1), CHR_OK);
  EXPECT_EQ(rig_->Open(1, 0, false).status, CHR_E_NOT_FOUND);
  model_[1] = {};
  ASSERT_TRUE(rig_->Open(1, 1).ok());
  for (int i = 0; i < 100; ++i) Append(1, 1, 1000);
  for (int i = 0; i < 100; ++i) Append(2, 1, 2000);  // lane 1 drops the file with the new group's beginning
  Restart();
  ASSERT_TRUE(rig_->Open(1, 1, false).ok());
  ExpectImage(1);
  rig_->Close(1);
  ASSERT_EQ(rig_->Destroy(1), CHR_OK);
  Restart();
  EXPECT_EQ(rig_->Groups(), std::vector<uint64_t>{2});
}

TEST_F(StoreTest, JournalFilesAreRecycledAndTheirOldFramesAreNotBelieved) {
  ASSERT_TRUE(rig_->Open(1).ok());
  std::string newest;
  for (int i = 0; i < 400; ++i) Append(1, 1, 3000);
  EXPECT_LE(Journal().size(), kJournalFilesPendingMax + 2);
  for (int restart = 0; restart < 4; ++restart) {
    Restart();
    ASSERT_TRUE(rig_->Open(1, 0, false).ok());
    ExpectImage(1);
    Append(1, 1, 3000);  // little: the rest of the recycled file is old frames
  }
  EXPECT_LT(disk_->BytesUsed(), 3 * 400 * 3000u);
}

TEST_F(StoreTest, OldFramesBehindTheLastOneOfARecycledFileAreNotTakenForLaterOnes) {
  ASSERT_TRUE(rig_->Open(1).ok());
  for (int i = 0; i < 100; ++i) Append(1, 1, 3000);
  while (Frames(Journal().back()).size() <= 10) Append(1, 1, 3000);
  const std::string used = disk_->Content(Journal().back());
  rig_.reset();
  disk_->Put("/data/journal/free-1", used);
  for (const std::string& path : disk_->Files("/journal/free-")) disk_->Put(path, used);
  Boot();
  ASSERT_TRUE(rig_->Open(1, 0, false).ok());
  Append(1, 1);
  const LogImage before = model_[1];
  Append(1, 1);
  rig_.reset();
  const std::string path = Journal().back();
  const std::string content = disk_->Content(path);
  const auto id_at = [&](uint64_t at) { return content.substr(at, 8); };
  const std::vector<uint64_t> frames = Frames(path);
  const auto own = std::count_if(frames.begin(), frames.end(), [&](uint64_t at) { return id_at(at + 8) == id_at(8); });
  ASSERT_EQ(own, 3);  // the states, and two
  ASSERT_GT(frames.size(), 5u) << "the file was not recycled";
  disk_->FlipBit(path, frames[2] + 20);  // torn, so that the old frames come right behind
  Boot();
  ASSERT_TRUE(rig_->Open(1, 0, false).ok());
  model_[1] = before;
  ExpectImage(1);
}

TEST_F(StoreTest, RotationKeepsEveryOneOfManyGroups) {
  constexpr uint64_t kMany = 300;
  for (uint64_t id = 1; id <= kMany; ++id) {
    ASSERT_TRUE(rig_->Open(id).ok());
    Append(id, 1, 10);
  }
  for (int i = 0; i < 200; ++i) Append(1 + static_cast<uint64_t>(i) % 7, 1, 3000);
  Restart();
  EXPECT_EQ(rig_->Groups().size(), kMany);
  for (uint64_t id = 1; id <= kMany; ++id) {
    ASSERT_TRUE(rig_->Open(id, 0, false).ok());
    ExpectImage(id);
  }
}

TEST_F(StoreTest, OperationsThatBreakTheContractAreRefusedAndLeaveNothing) {
  ASSERT_TRUE(rig_->Open(1).ok());
  Append(1, 5);
  auto gap = Continue(model_[1], 2, 10);
  gap.erase(gap.begin());
  EXPECT_EQ(rig_->Wait(rig_->Append(1, gap)), CHR_E_INVALID);
  EXPECT_EQ(rig_->Wait(rig_->TruncatePrefix(1, 7)), CHR_E_INVALID);
  EXPECT_EQ(rig_->Wait(rig_->Append(1, {})), CHR_E_INVALID);
  EXPECT_EQ(rig_->Open(1).status, CHR_E_EXISTS);
  Append(1, 1);
  ExpectImage(1);
}

TEST_F(StoreTest, TheSizeOfTheTailIsAccountedForOverDropsOfAllKinds) {
  // If it leaked, the flusher would spin, and write every entry on its own.
  ASSERT_TRUE(rig_->Open(1).ok());
  for (int i = 0; i < 60; ++i) {
    Append(1, 4, 1000);
    LogImage& model = model_[1];
    model.entries.pop_back();
    model.entries.pop_back();
    Append(1, 1, 1000, model.last_term() + 1);  // drops a suffix
    ASSERT_EQ(rig_->Wait(rig_->TruncatePrefix(1, model.last_index())), CHR_OK);
    model.TruncatePrefix(model.last_index());
    if (i % 7 != 0) continue;
    ASSERT_EQ(rig_->Wait(rig_->Reset(1, model.last_index() + 1, model.last_term(), 9)), CHR_OK);
    model.Reset(model.last_index() + 1, model.last_term(), 9);
  }
  ExpectImage(1);
  rig_->Close(1);
  ASSERT_EQ(rig_->Destroy(1), CHR_OK);
  EXPECT_EQ(rig_->store().tail_bytes(), 0);
}

// --- a failing disk ---------------------------------------------------------------------------------------------

TEST_F(StoreTest, AFailedSyncIsFatalForGood) {
  ASSERT_TRUE(rig_->Open(1).ok());
  Append(1, 1);
  disk_->FailSync("/journal/");
  const uint64_t first = rig_->Append(1, Continue(model_[1], 1, 10));
  EXPECT_EQ(rig_->Wait(first), CHR_E_FATAL);
  EXPECT_EQ(rig_->Wait(rig_->Append(1, Continue(model_[1], 1, 10))), CHR_E_FATAL);
  std::vector<LogEntry> got;
  EXPECT_EQ(rig_->Read(1, CHR_LOG_BY_INDEX, 1, 2, 1, 0, &got), CHR_E_FATAL);
  EXPECT_EQ(rig_->Open(2).status, CHR_E_FATAL);
  EXPECT_EQ(rig_->host().fatal_reports().size(), 1u);
}

TEST_F(StoreTest, WhatAFailedSyncLeftInThePageCacheIsDurableOnceAStartHasBelievedIt) {
  ASSERT_TRUE(rig_->Open(1).ok());
  Append(1, 1);
  disk_->FailSync("/journal/");
  const auto lost = Continue(model_[1], 2, 3000);
  EXPECT_EQ(rig_->Wait(rig_->Append(1, lost)), CHR_E_FATAL);
  disk_->FailSync("");
  Restart();  // the process only: the page cache stays
  ASSERT_TRUE(rig_->Open(1, 0, false).ok());
  model_[1].Append(lost);
  ExpectImage(1);
  Append(1, 1);
  PowerCut();
  ASSERT_TRUE(rig_->Open(1, 0, false).ok());
  ExpectImage(1);
}

TEST_F(StoreTest, WhatAFailedSyncLeftInSegmentsIsWrittenAgainBeforeTheJournalGoes) {
  ASSERT_TRUE(rig_->Open(1).ok());
  disk_->FailSync("/groups/");
  while (rig_->Wait(rig_->Append(1, Continue(model_[1], 1, 3000))) == CHR_OK)
    model_[1].Append(Continue(model_[1], 1, 3000));
  disk_->FailSync("");
  Restart();
  ASSERT_TRUE(rig_->Open(1, 0, false).ok());
  LogImage found;
  ASSERT_EQ(rig_->ReadImage(1, &found), CHR_OK);
  // The last one failed, but may have got to the journal.
  if (found.last_index() > model_[1].last_index()) model_[1].Append(Continue(model_[1], 1, 3000));
  ExpectImage(1);
  FreeJournal();
  PowerCut();
  ASSERT_TRUE(rig_->Open(1, 0, false).ok());
  ExpectImage(1);
}

TEST_F(StoreTest, AFailedSegmentSyncIsFatalAndWakesWaitingLanes) {
  ASSERT_TRUE(rig_->Open(1).ok());
  disk_->FailSync("/groups/");
  chr_status status = CHR_OK;
  for (int i = 0; i < 1000 && status == CHR_OK; ++i) {
    const auto entries = Continue(model_[1], 1, 3000);
    status = rig_->Wait(rig_->Append(1, entries));
    if (status == CHR_OK) model_[1].Append(entries);
  }
  EXPECT_EQ(status, CHR_E_FATAL);
}

TEST_F(StoreTest, AReadThatFailsIsNoCorruption) {
  ASSERT_TRUE(rig_->Open(1).ok());
  ASSERT_EQ(rig_->Wait(rig_->Checkpoint(1, "state")), CHR_OK);
  model_[1].checkpoint = "state";
  for (int i = 0; i < 60; ++i) Append(1, 2, 1000);
  FreeJournal();
  Restart();
  while (Journal().size() > 1) std::this_thread::yield();  // the flusher reads too, and has no more to do after this
  ASSERT_TRUE(rig_->Open(1, 0, false).ok());
  ASSERT_FALSE(disk_->Files("/checkpoint").empty());
  LogImage found;
  for (const std::string part : {".log", ".rix", "/checkpoint"}) {
    disk_->FailReads(part);
    EXPECT_EQ(rig_->ReadImage(1, &found), CHR_E_IO) << part;
  }
  disk_->FailReads(".rix");
  EXPECT_EQ(rig_->Wait(rig_->TruncatePrefix(1, 3)), CHR_E_IO);
  disk_->FailReads("");
  rig_.reset();
  for (const std::string part : {".rix", "/journal/j-"}) {
    disk_->FailReads(part);
    EXPECT_EQ(RefusedStart(), CHR_E_IO) << part;
    EXPECT_NE(message_.find("/data/"), std::string::npos) << message_;
    EXPECT_NE(message_.find("Input/output error"), std::string::npos) << message_;
  }
  disk_->FailReads("");
  Boot();
  ASSERT_TRUE(rig_->Open(1, 0, false).ok());
  ExpectImage(1);
}

TEST_F(StoreTest, AFullDiskRefusesWritesServesReadsAndRecovers) {
  ASSERT_TRUE(rig_->Open(1).ok());
  for (int i = 0; i < 30; ++i) Append(1, 1, 3000);
  disk_->LimitBytes(disk_->BytesUsed() + 100'000);
  chr_status status = CHR_OK;
  for (int i = 0; i < 1000 && status == CHR_OK; ++i) {
    const auto entries = Continue(model_[1], 1, 3000);
    status = rig_->Wait(rig_->Append(1, entries));
    if (status == CHR_OK) model_[1].Append(entries);
  }
  ASSERT_EQ(status, CHR_E_NO_SPACE);
  ExpectImage(1);
  disk_->LimitBytes(0);
  // The flusher tries again every millisecond; until it gets through the answer may still be "full".
  for (status = CHR_E_NO_SPACE; status == CHR_E_NO_SPACE;)
    status = rig_->Wait(rig_->Append(1, Continue(model_[1], 1, 10)));
  ASSERT_EQ(status, CHR_OK);
  model_[1].Append(Continue(model_[1], 1, 10));
  EXPECT_TRUE(rig_->host().fatal_reports().empty());
  Restart();
  ASSERT_TRUE(rig_->Open(1, 0, false).ok());
  ExpectImage(1);
}

TEST_F(StoreTest, ADestroyedGroupMakesRoomOnAFullDisk) {
  ASSERT_TRUE(rig_->Open(1).ok());
  Append(1, 30, 1000);
  EagerFlusher();
  rig_->Close(1);
  disk_->LimitBytes(disk_->BytesUsed());
  ASSERT_EQ(rig_->Destroy(1), CHR_OK);
  while (!disk_->Files("/groups/").empty()) std::this_thread::yield();
  EXPECT_TRUE(rig_->host().fatal_reports().empty());
}

TEST_F(StoreTest, AStopWithAFullDiskAnswersEveryOperationAndKeepsWhatItConfirmed) {
  ASSERT_TRUE(rig_->Open(1).ok());
  Append(1, 1);
  disk_->LimitBytes(disk_->BytesUsed() + 200'000);
  std::vector<std::pair<uint64_t, LogImage>> submitted;
  LogImage image = model_[1];
  for (int i = 0; i < 300; ++i) {
    const auto entries = Continue(image, 1, 3000);
    const uint64_t tag = rig_->Append(1, entries);
    if (tag == 0) break;  // an earlier one has failed already
    if (i == 0) {
      ASSERT_EQ(rig_->Wait(tag), CHR_OK);  // or all may share one frame, for which there is no room
    }
    image.Append(entries);
    submitted.emplace_back(tag, image);
  }
  rig_->Stop();
  size_t kept = 0;
  for (size_t i = 0; i < submitted.size(); ++i) {
    const auto status = rig_->Completed(submitted[i].first);
    ASSERT_TRUE(status.has_value()) << i;
    if (*status == CHR_OK) {
      ASSERT_EQ(kept, i) << "an operation behind a failed one succeeded";
      model_[1] = submitted[i].second;
      ++kept;
    } else {
      EXPECT_EQ(*status, kept == i ? CHR_E_NO_SPACE : CHR_E_CANCELLED);
    }
  }
  EXPECT_GT(kept, 0u);
  EXPECT_LT(kept, submitted.size());
  EXPECT_TRUE(rig_->host().fatal_reports().empty());
  disk_->LimitBytes(0);
  Restart();
  ASSERT_TRUE(rig_->Open(1, 0, false).ok());
  ExpectImage(1);
}

TEST_F(StoreTest, OperationsBehindAFailedOneOfTheirGroupAreCancelled) {
  ASSERT_TRUE(rig_->Open(1).ok());
  for (int i = 0; i < 200; ++i) Append(1, 1, 2000);
  disk_->FlipBit(disk_->Files(".rix").front(), 2 * kRowBytes + 8);
  std::vector<uint64_t> tags = {rig_->TruncatePrefix(1, 3)};
  LogImage image = model_[1];
  for (int i = 0; i < 5; ++i) {
    const auto entries = Continue(image, 1, 10);
    image.Append(entries);
    tags.push_back(rig_->Append(1, entries));
  }
  EXPECT_EQ(rig_->Wait(tags[0]), CHR_E_CORRUPT);
  bool cancelled = true;  // from the first cancelled one on none may succeed, or there would be a hole
  for (size_t i = 1; i < tags.size(); ++i) {
    const chr_status status = rig_->Wait(tags[i]);
    if (i == 1) cancelled = status == CHR_E_CANCELLED;
    EXPECT_TRUE(!cancelled || status != CHR_OK);
  }
}

}  // namespace
}  // namespace chronik_log_wal
