// SPDX-License-Identifier: Apache-2.0
// What the tests of the store share: a store on a test disk, and a plain model of each log.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "plugins/log_wal/store_rig.h"

namespace chronik_log_wal {

class StoreTest : public testing::Test {
 protected:
  void SetUp() override { Boot(); }
  void Boot(Options options = SmallOptions()) {
    rig_ = std::make_unique<StoreRig>(disk_, std::move(options));
    const Failure started = rig_->Start();
    ASSERT_TRUE(started.ok()) << started.message;
  }
  void Restart(Options options = SmallOptions()) {
    rig_.reset();
    Boot(std::move(options));
  }
  // The power goes at once, and the store starts on what is left.
  void PowerCut(const Options& options = SmallOptions()) {
    disk_->Crash();
    rig_.reset();
    disk_->Reboot();
    Boot(options);
  }
  // A start that must fail, and must leave every file alone.
  chr_status RefusedStart() {
    const auto before = disk_->Snapshot();
    const Failure started = StoreRig(disk_).Start();
    EXPECT_TRUE(disk_->Snapshot() == before) << "a start that failed changed files";
    message_ = started.message;
    return started.status;
  }
  void Append(uint64_t id, size_t count, size_t bytes = 100, uint64_t term = 1) {
    const auto entries = Continue(model_[id], count, bytes, term);
    ASSERT_EQ(rig_->Wait(rig_->Append(id, entries)), CHR_OK);
    model_[id].Append(entries);
  }
  void ExpectImage(uint64_t id) {
    LogImage found;
    ASSERT_EQ(rig_->ReadImage(id, &found), CHR_OK);
    EXPECT_EQ(found, model_[id]) << Describe(found) << "\n" << Describe(model_[id]);
  }
  // Restarts with a flusher that leaves no entry in memory, and waits for it.
  void EagerFlusher() {
    Options options = SmallOptions();
    options.tail_bytes_max = 0;
    Restart(options);
    AwaitFlusher();
    for (const uint64_t id : rig_->Groups()) ASSERT_TRUE(rig_->Open(id, 0, false).ok());
  }
  void AwaitFlusher() {
    while (rig_->store().tail_bytes() > 0) std::this_thread::yield();
  }
  // Until no journal file that is there now is left. Uses group 1000.
  void FreeJournal() {
    const std::vector<std::string> old = Journal();
    if (!rig_->is_open(1000)) {
      ASSERT_TRUE(rig_->Open(1000).ok());
    }
    const auto is_old = [&](const std::string& path) { return std::find(old.begin(), old.end(), path) != old.end(); };
    for (auto now = old; std::any_of(now.begin(), now.end(), is_old); now = Journal()) Append(1000, 1, 3000);
  }
  // Journal files that are in use, oldest first.
  std::vector<std::string> Journal() { return disk_->Files("/journal/j-"); }
  // The journal's frames that begin at `from`, found by their magic.
  std::vector<uint64_t> Frames(const std::string& path) {
    const std::string content = disk_->Content(path);
    std::vector<uint64_t> out;
    for (uint64_t at = kFileHeaderBytes; at + 4 <= content.size(); at += kFrameAlign) {
      if (content.compare(at, 4, "CHRF") == 0) out.push_back(at);
    }
    return out;
  }

  // Where its last own one begins: those of a recycled file's earlier use may lie behind it.
  uint64_t LastFrame(const std::string& path) {
    const std::string content = disk_->Content(path);
    std::vector<uint64_t> own = Frames(path);
    std::erase_if(own, [&](uint64_t at) { return content.compare(at + 8, 8, content, 8, 8) != 0; });
    return own.back();
  }

  std::shared_ptr<FaultyDisk> disk_ = std::make_shared<FaultyDisk>(1);
  std::unique_ptr<StoreRig> rig_;
  std::map<uint64_t, LogImage> model_;
  std::string message_;
};

}  // namespace chronik_log_wal
