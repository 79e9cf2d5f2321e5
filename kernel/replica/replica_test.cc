// SPDX-License-Identifier: Apache-2.0
// Goal: a replica that is its group's only voter answers proposers by what the disk took, serves what is committed
// whatever the disk does, and starts over from what is durable. Method: a store with faults to order, a recording state
// machine, one virtual clock. Groups of several voters are the simulator's.
#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "kernel/base/test_executor.h"
#include "kernel/log/test_log_store.h"
#include "kernel/records/builder.h"
#include "kernel/replica/replica.h"

namespace chronik::replica {
namespace {

constexpr GroupId kGroup(7);

struct Recorder : StateMachine {
  Status RestoreCheckpoint(ByteView checkpoint) override {
    applied.clear();
    for (const uint8_t index : checkpoint) applied.push_back(index);
    restored = true;
    return {};
  }
  Bytes EncodeCheckpoint() const override {
    return Bytes::Copy({reinterpret_cast<const char*>(applied.data()), applied.size()});
  }
  void Apply(const log::Entry& entry) override { applied.push_back(static_cast<uint8_t>(entry.meta.index.value)); }
  void OnHighWatermark(Offset offset) override { high_watermark = offset; }
  void OnPendingLost() override { ++pending_lost; }
  void OnReadOnly() override { read_only = true; }
  void OnSoftState(const raft::SoftState&) override { read_only = false; }
  void OnReady() override {
    ++ready;
    read_only = false;
  }

  std::vector<uint8_t> applied;  // entries, by index
  Offset high_watermark{0};
  bool restored = false;
  bool read_only = false;
  int ready = 0;
  int pending_lost = 0;
};

class ReplicaTest : public testing::Test {
 protected:
  ReplicaTest() : disk_thread_(threads_.Add()), shard_(threads_.Add()), disk_(disk_thread_) { Start(); }
  ~ReplicaTest() override { Stop(); }

  void Start(std::vector<ReplicaId> voters = {ReplicaId(1)}) {
    store_ = std::make_unique<log::LogStore>(std::vector<Executor*>{&shard_});
    ASSERT_TRUE(store_->Attach(log::TestLogStore::table(), &disk_).ok());
    disk_.Start(store_->sink());
    auto opened = store_->OpenGroup(kGroup, ShardId(0), true);
    ASSERT_TRUE(opened.ok()) << opened.error();
    handle_ = opened->handle;
    machine_ = Recorder();
    Options options;
    options.group = kGroup;
    options.raft.self = ReplicaId(1);
    options.voters = std::move(voters);
    replica_ = std::make_unique<Replica>(shard_, *store_, cache_, machine_, options, *std::move(opened));
    ASSERT_TRUE(replica_->Start().ok());
    threads_.Run();
  }
  void Stop() {
    bool closed = false;
    replica_->Close([&closed] { closed = true; });
    threads_.Run();
    ASSERT_TRUE(closed);
    replica_.reset();
    store_->CloseGroup(handle_);
  }

  // A batch of one record; its verdict arrives in the result.
  std::shared_ptr<std::optional<Status>> Propose(const std::string& value) {
    records::BatchBuilder builder;
    builder.Add(shard_.WallNow(), std::nullopt, AsBytes(value));
    auto verdict = std::make_shared<std::optional<Status>>();
    Proposal proposal;
    proposal.offset_count = 1;
    proposal.body = builder.Build();
    const auto proposed = replica_->Propose(std::move(proposal), WaitFor::kCommitted,
                                            [verdict](Status status) { *verdict = std::move(status); });
    if (!proposed.ok()) *verdict = Status(proposed.error());
    return verdict;
  }
  Status Produce(const std::string& value) {
    const auto verdict = Propose(value);
    threads_.Run();
    return verdict->value_or(Error{ErrorCode::kTimedOut, "no verdict"});
  }
  // How many batches can be read from `from` on, from memory or from the store.
  uint64_t Readable(Offset from) {
    uint64_t bytes = 0;
    if (const auto cached = replica_->ReadCached(from, {1 << 20, true})) return cached->bytes();
    replica_->ReadCold(from, {1 << 20, true}, [&bytes](Result<DataRead> read) {
      ASSERT_TRUE(read.ok()) << read.error();
      bytes = read->bytes();
    });
    threads_.Run();
    return bytes;
  }

  TestThreads threads_;
  TestThreads::Thread& disk_thread_;
  TestThreads::Thread& shard_;
  log::TestLogStore disk_;
  log::TailCache cache_{1 << 20};
  std::unique_ptr<log::LogStore> store_;
  Recorder machine_;
  log::GroupHandle handle_ = nullptr;
  std::unique_ptr<Replica> replica_;
};

TEST_F(ReplicaTest, AnswersOnceTheDiskHasTheEntryAndNotBefore) {
  disk_thread_.Hold(true);
  const auto verdict = Propose("a");
  threads_.Run();
  EXPECT_FALSE(verdict->has_value());
  EXPECT_EQ(replica_->high_watermark(), Offset(0));
  disk_thread_.Hold(false);
  threads_.Run();
  ASSERT_TRUE(verdict->has_value());
  EXPECT_TRUE((*verdict)->ok());
  EXPECT_EQ(machine_.high_watermark, Offset(1));
  EXPECT_GT(Readable(Offset(0)), 0u);
}

// A producer's state counts as committed only then, and what is not is dropped by the next election.
TEST_F(ReplicaTest, AFollowerThatReadsItsLogAfterARestartTellsHowFarItIsCommitted) {
  for (const char* value : {"a", "b", "c"}) ASSERT_TRUE(Produce(value).ok());
  disk_.FailWith(CHR_E_NO_SPACE);  // no checkpoint
  Stop();
  disk_.FailWith(CHR_OK);
  Start({ReplicaId(1), ReplicaId(2), ReplicaId(3)});
  ASSERT_FALSE(machine_.restored);
  ASSERT_GT(replica_->high_watermark(), Offset(0)) << "it must have known that something is committed";
  EXPECT_EQ(machine_.high_watermark, replica_->high_watermark());
}

TEST_F(ReplicaTest, AFullDiskRefusesProduceAndTellsThatOnlyReadsGoOn) {
  ASSERT_TRUE(Produce("a").ok());
  disk_.FailWith(CHR_E_NO_SPACE);
  const Status refused = Produce("b");
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, ErrorCode::kNoSpace);
  EXPECT_TRUE(machine_.read_only);
  EXPECT_EQ(replica_->high_watermark(), Offset(1));
  EXPECT_GT(Readable(Offset(0)), 0u);
  EXPECT_EQ(Readable(Offset(1)), 0u);
}

TEST_F(ReplicaTest, WhatWasAckedStaysReadableWhileTheGroupStartsOverOnADiskThatIsStillFull) {
  ASSERT_TRUE(Produce("a").ok());
  ASSERT_TRUE(Produce("b").ok());
  disk_.FailEntriesWith(CHR_E_NO_SPACE);
  ASSERT_FALSE(Produce("c").ok());
  // There is room for the hard state, so the group starts over; its first entry does not fit.
  for (int i = 0; i < 3; ++i) {
    threads_.Advance(std::chrono::seconds(1));
    EXPECT_TRUE(machine_.read_only);
    EXPECT_EQ(replica_->high_watermark(), Offset(2));
    EXPECT_GT(Readable(Offset(0)), 0u);
    EXPECT_GT(Readable(Offset(1)), 0u) << "acked and unreadable after start " << i;
  }
}

TEST_F(ReplicaTest, TakesProduceAgainOnceThereIsRoom) {
  ASSERT_TRUE(Produce("a").ok());
  disk_.FailWith(CHR_E_NO_SPACE);
  ASSERT_FALSE(Produce("b").ok());
  disk_.FailWith(CHR_OK);
  EXPECT_FALSE(Produce("c").ok()) << "the group has not started over yet";
  threads_.Advance(std::chrono::seconds(1));
  EXPECT_TRUE(Produce("d").ok());
  EXPECT_EQ(replica_->high_watermark(), Offset(2)) << "b and c were refused and must not appear";
}

TEST_F(ReplicaTest, AnyOtherFailureOfTheDiskIsFinal) {
  ASSERT_TRUE(Produce("a").ok());
  disk_.FailWith(CHR_E_IO);
  EXPECT_EQ(Produce("b").error().code, ErrorCode::kStorage);
  disk_.FailWith(CHR_OK);
  threads_.Advance(std::chrono::minutes(1));
  EXPECT_TRUE(replica_->failed());
  EXPECT_EQ(Produce("c").error().code, ErrorCode::kStorage);
}

TEST_F(ReplicaTest, ARestartGoesOnFromTheCheckpointAndAppliesNothingTwice) {
  ASSERT_TRUE(Produce("a").ok());
  ASSERT_TRUE(Produce("b").ok());
  const std::vector<uint8_t> before = machine_.applied;
  Stop();
  Start();
  EXPECT_TRUE(machine_.restored);
  ASSERT_GE(machine_.applied.size(), before.size());
  for (size_t i = 0; i < machine_.applied.size(); ++i) EXPECT_EQ(machine_.applied[i], i + 1);
  EXPECT_EQ(replica_->high_watermark(), Offset(2));
  EXPECT_TRUE(Produce("c").ok());
}

TEST_F(ReplicaTest, CloseWaitsForTheDiskAndAnswersWhoStillWaits) {
  disk_thread_.Hold(true);
  const auto verdict = Propose("a");
  bool closed = false;
  replica_->Close([&closed] { closed = true; });
  threads_.Run();
  EXPECT_FALSE(closed);
  disk_thread_.Hold(false);
  threads_.Run();
  EXPECT_TRUE(closed);
  EXPECT_TRUE(verdict->has_value());
  replica_.reset();
  store_->CloseGroup(handle_);
  Start();
}

}  // namespace
}  // namespace chronik::replica
