// SPDX-License-Identifier: Apache-2.0
// Goal: lanes, the flusher and the life of groups do not get into each other's way. Method: the store of StoreTest with
// several lanes at work at a time, then a restart or a power cut, and a comparison with the model.
#include "plugins/log_wal/store_fixture.h"

namespace chronik_log_wal {
namespace {

class LanesTest : public StoreTest {
 protected:
  // Not waited for.
  uint64_t Submit(uint64_t id, size_t count, size_t bytes) {
    const auto entries = Continue(model_[id], count, bytes);
    const uint64_t tag = rig_->Append(id, entries);
    if (tag != 0) model_[id].Append(entries);
    return tag;
  }
  // Group 1, which is going to move, and 2 on lane 0; 3 on lane 1.
  void BootForMove(uint32_t seed) {
    disk_ = std::make_shared<FaultyDisk>(seed);
    model_.clear();
    Boot();
    for (const uint64_t id : {1, 2, 3}) ASSERT_TRUE(rig_->Open(id, id / 3).ok());
    Append(1, 3, 500);
    Append(3, 1);
  }
  // Not waited for; more than a journal file holds.
  void FillLaneOf(uint64_t id) {
    for (int i = 0; i < 30; ++i) ASSERT_NE(Submit(id, 1, 3000), 0u);
  }
  std::thread MoveToLane1(Failure* moved) {
    rig_->Close(1);
    return std::thread([this, moved] {
      chr_log_group* handle = nullptr;
      chr_log_bounds bounds{};
      bounds.struct_size = sizeof bounds;
      *moved = rig_->store().OpenGroup(1, 1, false, &handle, &bounds);
    });
  }
  void ExpectBothAfterPowerCut() {
    PowerCut();
    for (const uint64_t id : {1, 3}) {
      ASSERT_TRUE(rig_->Open(id, 1, false).ok());
      ExpectImage(id);
    }
  }
  uint64_t syncs() {
    chr_log_stats stats{};
    stats.struct_size = sizeof stats;
    rig_->store().Stats(&stats);
    return stats.syncs;
  }
};

TEST_F(LanesTest, AGroupMovesWhileItsLanesRotateAndTheFlusherFreesTheirFiles) {
  Options options = SmallOptions();
  options.journal_file_bytes = 16 << 10;
  Restart(options);
  for (int life = 0; life < 3; ++life) {
    ASSERT_TRUE(rig_->Open(1, 0).ok());
    ASSERT_TRUE(rig_->Open(2, 0).ok());
    ASSERT_TRUE(rig_->Open(3, 1).ok());
    uint32_t lane = 0;
    for (int move = 0; move < 150; ++move) {
      for (int i = 0; i < 4; ++i) {
        ASSERT_NE(Submit(2, 1, 3000), 0u);
        ASSERT_NE(Submit(3, 1, 3000), 0u);
      }
      Append(1, 1, 50);
      rig_->Close(1);
      lane = 1 - lane;
      ASSERT_TRUE(rig_->Open(1, lane).ok());
      if (move % 10 == 0) ExpectImage(1);
    }
    ASSERT_TRUE(rig_->WaitAll());
    life == 1 ? PowerCut(options) : Restart(options);
    for (const uint64_t id : {1, 2, 3}) {
      ASSERT_TRUE(rig_->Open(id, id % 2, false).ok());
      ExpectImage(id);
      rig_->Close(id);
    }
  }
}

TEST_F(LanesTest, AGroupMayMoveWhileItsOldLaneWritesDownWhereItWas) {
  for (uint64_t cut = 0; cut <= 24; ++cut) {
    SCOPED_TRACE("cut " + std::to_string(cut));
    BootForMove(static_cast<uint32_t>(cut));
    disk_->HoldNextWrite("/free-");
    FillLaneOf(2);
    disk_->AwaitHeldWrite();  // lane 0 has read the states, group 1 among them, and not written them yet
    Failure moved;
    std::thread mover = MoveToLane1(&moved);
    while (!rig_->store().StatesOfLane(1).contains(1)) std::this_thread::yield();
    // Every other time the record of the arrival is freed before what the old lane writes of the group.
    for (int i = 0; cut % 2 == 1 && i < 60; ++i) Append(3, 1, 3000);
    if (cut > 0) disk_->CrashAfter(cut / 2 + 1);
    disk_->ReleaseWrite();
    mover.join();
    EXPECT_TRUE(cut > 0 || moved.ok()) << moved.message;
    ExpectBothAfterPowerCut();
  }
}

TEST_F(LanesTest, AnArrivalCountsThoughTheOldLaneWritesDownLaterWhereTheGroupWas) {
  for (uint64_t cut = 0; cut <= 12; ++cut) {
    SCOPED_TRACE("cut " + std::to_string(cut));
    BootForMove(static_cast<uint32_t>(cut));
    disk_->HoldNextWrite("/free-");
    Failure moved;
    std::thread mover = MoveToLane1(&moved);
    disk_->AwaitHeldWrite();  // the arrival has its place in the order
    FillLaneOf(2);
    EXPECT_EQ(rig_->Wait(rig_->Barrier(0)), CHR_OK);
    if (cut > 0) disk_->CrashAfter(cut);
    disk_->ReleaseWrite();
    mover.join();
    EXPECT_TRUE(cut > 0 || moved.ok()) << moved.message;
    ExpectBothAfterPowerCut();
  }
}

TEST_F(LanesTest, AMoveThatTheOldLaneCouldNotRecordIsNotForgottenByTheNextMove) {
  ASSERT_TRUE(rig_->Open(1, 0).ok());
  ASSERT_TRUE(rig_->Open(2, 0).ok());
  ASSERT_TRUE(rig_->Open(3, 1).ok());
  ASSERT_TRUE(rig_->Open(4, 2).ok());
  for (const uint64_t id : {1, 3, 4}) Append(id, 1);
  disk_->LimitBytes(disk_->BytesUsed() + 10'000);  // enough for segments
  const uint64_t frames = SmallOptions().journal_file_bytes / kFrameAlign - 1;
  for (uint64_t i = 1; i < frames; ++i) Append(2, 1);  // lane 0 needs a new file for whatever comes next
  ASSERT_EQ(Journal().size(), 3u);
  while (!disk_->Files("/journal/free-").empty()) std::this_thread::yield();  // none could be prepared
  rig_->Close(1);
  ASSERT_EQ(rig_->Open(1, 1).status, CHR_E_NO_SPACE);
  (void)rig_->Open(1, 2);
  disk_->LimitBytes(0);
  if (rig_->is_open(1)) rig_->Close(1);
  while (!rig_->Open(1, 2).ok()) std::this_thread::yield();  // until the flusher has tried again
  rig_->Close(1);
  ASSERT_EQ(rig_->Destroy(1), CHR_OK);
  for (int i = 0; i < 100; ++i) {  // lanes 1 and 2 free the files that tell where the group went, and its end
    Append(3, 1, 3000);
    Append(4, 1, 3000);
  }
  Restart();
  EXPECT_EQ(rig_->Groups(), (std::vector<uint64_t>{2, 3, 4}));
}

TEST_F(LanesTest, ALaneBeginsWithASmallFileAndHasTheNextOneFilledBeforeItGetsThere) {
  Options options = SmallOptions();
  options.journal_file_bytes = 6 << 20;
  disk_ = std::make_shared<FaultyDisk>(1);
  Boot(options);
  ASSERT_TRUE(rig_->Open(1).ok());
  const std::string first = Journal().front();
  const size_t first_bytes = disk_->Content(first).size();
  EXPECT_LT(first_bytes, options.journal_file_bytes);
  Append(1, 1, first_bytes / 8);
  EXPECT_TRUE(disk_->Files("/journal/free-").empty()) << "an idle lane needs none";
  Append(1, 1, first_bytes / 4);
  const auto filled = [&] {
    const auto files = disk_->Files("/journal/free-");
    return !files.empty() && disk_->Content(files.front()).size() == options.journal_file_bytes;
  };
  while (!filled()) std::this_thread::yield();
  EXPECT_EQ(disk_->Content(first).size(), first_bytes);
  Append(1, 1, first_bytes);
  EXPECT_TRUE(disk_->Files("/journal/free-").empty() || Journal().front() != first);
  EXPECT_EQ(disk_->Content(Journal().back()).size(), options.journal_file_bytes);
  Restart(options);
  ASSERT_TRUE(rig_->Open(1, 0, false).ok());
  ExpectImage(1);
}

TEST_F(LanesTest, UnderIntervalSyncABarrierMakesWhatPrecedesItDurableAndNothingElseWaits) {
  Options options = SmallOptions();
  options.sync_always = false;
  options.sync_interval_ns = 1'000'000'000ull * 86400 * 365;
  int lost = 0;
  for (uint32_t seed = 1; seed <= 20; ++seed) {
    disk_ = std::make_shared<FaultyDisk>(seed);
    model_.clear();
    Boot(options);
    ASSERT_TRUE(rig_->Open(1).ok());
    Append(1, 1);  // creates the group, so it is synced
    const uint64_t before = syncs();
    for (int i = 0; i < 5; ++i) Append(1, 1);
    EXPECT_EQ(syncs(), before);
    ASSERT_EQ(rig_->Wait(rig_->Barrier(0)), CHR_OK);
    EXPECT_EQ(syncs(), before + 1);
    const LogImage durable = model_[1];
    ASSERT_EQ(rig_->Wait(rig_->Barrier(0)), CHR_OK);
    EXPECT_EQ(syncs(), before + 1) << "a barrier with nothing to sync";
    for (int i = 0; i < 3; ++i) Append(1, 1);
    PowerCut(options);
    ASSERT_TRUE(rig_->Open(1, 0, false).ok());
    LogImage found;
    ASSERT_EQ(rig_->ReadImage(1, &found), CHR_OK);
    ASSERT_GE(found.entries.size(), durable.entries.size());
    if (found.entries.size() < model_[1].entries.size()) ++lost;
    model_[1].entries.resize(found.entries.size());
    ExpectImage(1);
  }
  EXPECT_GT(lost, 0) << "the disk kept everything every time: the barrier was not needed";
}

TEST_F(LanesTest, DestroyingAGroupWhoseEntriesAreStillInMemoryLeavesNothing) {
  Options options = SmallOptions();
  options.tail_bytes_max = 64 << 20;  // only a full journal file makes the flusher work
  Restart(options);
  ASSERT_TRUE(rig_->Open(2).ok());
  for (int round = 0; round < 30; ++round) {
    ASSERT_TRUE(rig_->Open(1).ok());
    // 0: all in memory. Later on some rounds fill files, so that the flusher is in the middle of this very group.
    for (int i = 0; i < 3 + 5 * (round % 8); ++i) ASSERT_NE(Submit(1, 1, 3000), 0u);
    ASSERT_TRUE(rig_->WaitAll());
    rig_->Close(1);
    ASSERT_EQ(rig_->Destroy(1), CHR_OK);
    model_[1] = {};
    if (round % 8 == 0) {
      round % 16 == 0 ? Restart(options) : PowerCut(options);
      EXPECT_EQ(rig_->Groups(), round == 0 ? std::vector<uint64_t>{} : std::vector<uint64_t>{2});
      ASSERT_TRUE(rig_->Open(2).ok());
    }
    Append(2, 1, 3000);
  }
  // One more, and enough journal after it for the files that tell of any of them to be freed.
  for (int i = 0; i < 200; ++i) Append(2, 1, 3000);
  rig_->Close(2);
  ASSERT_EQ(rig_->Destroy(2), CHR_OK);
  EXPECT_EQ(rig_->store().tail_bytes(), 0);
  Restart(options);
  EXPECT_TRUE(rig_->Groups().empty());
}

TEST_F(LanesTest, WhenTwoLanesFailAtOnceTheHostIsToldOnceAndBeforeAnybodyElse) {
  ASSERT_TRUE(rig_->Open(1, 0).ok());
  ASSERT_TRUE(rig_->Open(2, 1).ok());
  Append(1, 1);
  Append(2, 1);
  std::vector<uint64_t> tags;
  std::mutex submitted;
  rig_->host().OnFatal([&] {
    disk_->AwaitFailedSyncs(2);  // the other lane has failed too
    const std::scoped_lock lock(submitted);
    for (const uint64_t tag : tags) EXPECT_FALSE(rig_->Completed(tag).has_value());
    EXPECT_FALSE(rig_->store().fatal());
  });
  disk_->FailSync("/journal/");
  {
    const std::scoped_lock lock(submitted);
    tags = {Submit(1, 1, 10), Submit(2, 1, 10)};
  }
  for (const uint64_t tag : tags) EXPECT_EQ(rig_->Wait(tag), CHR_E_FATAL);
  EXPECT_EQ(rig_->Wait(Submit(1, 1, 10)), CHR_E_FATAL);
  EXPECT_EQ(rig_->Wait(Submit(2, 1, 10)), CHR_E_FATAL);
  EXPECT_EQ(rig_->host().fatal_reports().size(), 1u);
}

}  // namespace
}  // namespace chronik_log_wal
