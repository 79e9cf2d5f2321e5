// SPDX-License-Identifier: Apache-2.0
// Goal: a retry never becomes a second record and a gap never gets in, across commits, truncations, eviction and
// snapshots. Method: cases of each rule; a random history compared with a plain model that keeps the whole log.
#include <gtest/gtest.h>

#include "kernel/records/producer_state.h"

namespace chronik::records {
namespace {

constexpr ProducerId kPid{7};
constexpr int32_t kMax = std::numeric_limits<int32_t>::max();

WallTime At(int64_t ms) { return WallTime(std::chrono::milliseconds(ms)); }

ProducerBatch Batch(ProducerId pid, int16_t epoch, int32_t first, int32_t last, int64_t offset, int64_t ms = 0) {
  return {pid, epoch, first, last, Offset(offset), At(ms)};
}

SequenceVerdict VerdictOf(const Result<SequenceCheck>& check) {
  EXPECT_TRUE(check.ok()) << check.error();
  return check->verdict;
}

TEST(ProducerStateTable, AnUnknownProducerMayStartAnywhere) {
  const ProducerStateTable table;
  EXPECT_EQ(VerdictOf(table.Check(kPid, 0, 0, 4)), SequenceVerdict::kAccept);
  EXPECT_EQ(VerdictOf(table.Check(kPid, 3, 1000, 1004)), SequenceVerdict::kAccept);
}

TEST(ProducerStateTable, ARetryIsPendingUntilItsFirstCopyCommits) {
  ProducerStateTable table;
  table.AppendPending(Batch(kPid, 0, 0, 4, 100));
  Result<SequenceCheck> check = table.Check(kPid, 0, 0, 4);
  EXPECT_EQ(VerdictOf(check), SequenceVerdict::kDuplicatePending);
  EXPECT_EQ(check->base_offset, Offset(100));
  table.Commit(Offset(105));
  check = table.Check(kPid, 0, 0, 4);
  EXPECT_EQ(VerdictOf(check), SequenceVerdict::kDuplicateCommitted);
  EXPECT_EQ(check->base_offset, Offset(100));
  EXPECT_EQ(table.pending_batches(), 0u);
}

TEST(ProducerStateTable, FiveBatchesAreRememberedAcrossBothLayers) {
  ProducerStateTable table;
  for (int i = 0; i < 6; ++i) table.AppendPending(Batch(kPid, 0, i, i, i));
  table.Commit(Offset(3));
  EXPECT_EQ(table.Check(kPid, 0, 0, 0).error().code, ErrorCode::kOutOfOrderSequence);
  EXPECT_EQ(VerdictOf(table.Check(kPid, 0, 1, 1)), SequenceVerdict::kDuplicateCommitted);
  EXPECT_EQ(VerdictOf(table.Check(kPid, 0, 2, 2)), SequenceVerdict::kDuplicateCommitted);
  EXPECT_EQ(VerdictOf(table.Check(kPid, 0, 3, 3)), SequenceVerdict::kDuplicatePending);
  EXPECT_EQ(VerdictOf(table.Check(kPid, 0, 5, 5)), SequenceVerdict::kDuplicatePending);
  EXPECT_EQ(VerdictOf(table.Check(kPid, 0, 6, 6)), SequenceVerdict::kAccept);
}

TEST(ProducerStateTable, GapsAndPartialOverlapsAreOutOfOrder) {
  ProducerStateTable table;
  table.AppendPending(Batch(kPid, 0, 0, 4, 0));
  table.Commit(Offset(5));
  EXPECT_EQ(table.Check(kPid, 0, 6, 6).error().code, ErrorCode::kOutOfOrderSequence);
  EXPECT_EQ(table.Check(kPid, 0, 0, 5).error().code, ErrorCode::kOutOfOrderSequence);
  EXPECT_EQ(table.Check(kPid, 0, 3, 4).error().code, ErrorCode::kOutOfOrderSequence);
  EXPECT_EQ(VerdictOf(table.Check(kPid, 0, 5, 5)), SequenceVerdict::kAccept);
}

TEST(ProducerStateTable, Epochs) {
  ProducerStateTable table;
  table.AppendPending(Batch(kPid, 3, 10, 14, 0));
  EXPECT_EQ(table.Check(kPid, 2, 15, 15).error().code, ErrorCode::kInvalidProducerEpoch);
  EXPECT_EQ(table.Check(kPid, 2, 10, 14).error().code, ErrorCode::kInvalidProducerEpoch);
  EXPECT_EQ(table.Check(kPid, 4, 15, 15).error().code, ErrorCode::kOutOfOrderSequence);
  EXPECT_EQ(VerdictOf(table.Check(kPid, 4, 0, 4)), SequenceVerdict::kAccept);
  table.AppendPending(Batch(kPid, 4, 0, 4, 5));
  EXPECT_EQ(table.Check(kPid, 4, 10, 14).error().code, ErrorCode::kOutOfOrderSequence);  // of the old epoch
  EXPECT_EQ(VerdictOf(table.Check(kPid, 4, 5, 5)), SequenceVerdict::kAccept);
}

TEST(ProducerStateTable, SequencesWrapAround) {
  EXPECT_EQ(AdvanceSequence(kMax, 1), 0);
  EXPECT_EQ(AdvanceSequence(kMax - 1, 3), 1);
  EXPECT_EQ(AdvanceSequence(0, kMax), kMax);
  ProducerStateTable table;
  table.AppendPending(Batch(kPid, 0, kMax - 1, 1, 0));  // kMax-1, kMax, 0, 1
  EXPECT_EQ(VerdictOf(table.Check(kPid, 0, kMax - 1, 1)), SequenceVerdict::kDuplicatePending);
  EXPECT_EQ(VerdictOf(table.Check(kPid, 0, 2, 2)), SequenceVerdict::kAccept);
  table.AppendPending(Batch(kPid, 0, 2, kMax, 4));
  EXPECT_EQ(VerdictOf(table.Check(kPid, 0, 0, 0)), SequenceVerdict::kAccept);
  EXPECT_EQ(table.Check(kPid, 0, 1, 1).error().code, ErrorCode::kOutOfOrderSequence);
}

TEST(ProducerStateTable, TruncationForgetsTheTailOnly) {
  ProducerStateTable table;
  table.AppendPending(Batch(kPid, 0, 0, 4, 0));
  table.Commit(Offset(5));
  table.AppendPending(Batch(kPid, 0, 5, 9, 5));
  table.AppendPending(Batch(ProducerId(8), 0, 0, 0, 10));
  table.AppendPending(Batch(kPid, 1, 0, 4, 11));
  table.Truncate(Offset(10));
  EXPECT_EQ(table.pending_batches(), 1u);
  EXPECT_EQ(VerdictOf(table.Check(kPid, 0, 5, 9)), SequenceVerdict::kDuplicatePending);
  EXPECT_EQ(VerdictOf(table.Check(kPid, 0, 10, 10)), SequenceVerdict::kAccept);
  EXPECT_EQ(VerdictOf(table.Check(ProducerId(8), 0, 0, 0)), SequenceVerdict::kAccept);
  table.DropPending();
  EXPECT_EQ(VerdictOf(table.Check(kPid, 0, 5, 9)), SequenceVerdict::kAccept);
  EXPECT_EQ(VerdictOf(table.Check(kPid, 0, 0, 4)), SequenceVerdict::kDuplicateCommitted);
}

TEST(ProducerStateTableDeathTest, CommittedStateIsNeverTruncated) {
  ProducerStateTable table;
  table.Commit(Offset(5));
  EXPECT_DEATH(table.Truncate(Offset(4)), "below the commit");
  EXPECT_DEATH(table.AppendPending(Batch(kPid, 0, 0, 0, 4)), "does not lie behind");
}

TEST(ProducerStateTable, TheOneWithTheOldestBatchIsEvicted) {
  ProducerStateTable table(2);
  table.AppendPending(Batch(ProducerId(1), 0, 0, 0, 0));
  table.AppendPending(Batch(ProducerId(2), 0, 0, 0, 1));
  table.AppendPending(Batch(ProducerId(1), 0, 1, 1, 2));
  table.AppendPending(Batch(ProducerId(3), 0, 0, 0, 3));
  EXPECT_EQ(VerdictOf(table.Check(ProducerId(2), 0, 0, 0)), SequenceVerdict::kDuplicatePending);
  table.Commit(Offset(4));
  EXPECT_EQ(table.committed_producers(), 2u);
  EXPECT_EQ(VerdictOf(table.Check(ProducerId(1), 0, 1, 1)), SequenceVerdict::kDuplicateCommitted);
  EXPECT_EQ(VerdictOf(table.Check(ProducerId(2), 0, 0, 0)), SequenceVerdict::kAccept);  // unknown again
}

TEST(ProducerStateTable, ExpiryLeavesTheActiveAndThePending) {
  ProducerStateTable table;
  table.AppendPending(Batch(ProducerId(1), 0, 0, 0, 0, 1000));
  table.AppendPending(Batch(ProducerId(2), 0, 0, 0, 1, 1000));
  table.AppendPending(Batch(ProducerId(3), 0, 0, 0, 2, 2000));
  table.Commit(Offset(3));
  table.AppendPending(Batch(ProducerId(2), 0, 1, 1, 3, 1000));
  EXPECT_EQ(table.Expire(At(2000), std::chrono::milliseconds(1000)), 0u);
  EXPECT_EQ(table.Expire(At(2001), std::chrono::milliseconds(1000)), 1u);
  EXPECT_EQ(VerdictOf(table.Check(ProducerId(1), 0, 5, 5)), SequenceVerdict::kAccept);
  EXPECT_EQ(VerdictOf(table.Check(ProducerId(2), 0, 0, 0)), SequenceVerdict::kDuplicateCommitted);
  const auto all = table.Describe();
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[0].producer_id, ProducerId(2));
  EXPECT_EQ(all[0].last_sequence, 1);
  EXPECT_EQ(all[1].last_timestamp, At(2000));
}

ProducerStateTable Sample() {
  ProducerStateTable table;
  int64_t offset = 0;
  for (int pid = 1; pid <= 20; ++pid) {
    for (int b = 0; b < pid % 7 + 1; ++b) table.AppendPending(Batch(ProducerId(pid), 2, b, b, offset++, pid * 10));
  }
  table.Commit(Offset(offset));
  return table;
}

TEST(ProducerStateSnapshot, RoundTripsTheCommittedLayer) {
  ProducerStateTable table = Sample();
  const Bytes bytes = table.Encode();
  Result<ProducerStateTable> again = ProducerStateTable::Decode(bytes);
  ASSERT_TRUE(again.ok()) << again.error();
  EXPECT_EQ(again->committed_end(), table.committed_end());
  EXPECT_EQ(again->Encode().text(), bytes.text());
  EXPECT_EQ(VerdictOf(again->Check(ProducerId(6), 2, 2, 2)), SequenceVerdict::kDuplicateCommitted);
  EXPECT_EQ(again->Check(ProducerId(6), 2, 0, 0).error().code, ErrorCode::kOutOfOrderSequence);
  table.AppendPending(Batch(ProducerId(99), 0, 0, 0, 1000));
  EXPECT_EQ(table.Encode().text(), bytes.text());  // the overlay is no part of it
  EXPECT_EQ(ProducerStateTable::Decode(bytes, 3)->committed_producers(), 3u);
}

TEST(ProducerStateSnapshot, DamageAndNewerFormatsAreRefused) {
  const Bytes bytes = Sample().Encode();
  for (size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_EQ(ProducerStateTable::Decode(bytes.view().first(size)).error().code, ErrorCode::kCorrupt) << size;
  }
  for (size_t at = 0; at < bytes.size(); ++at) {
    std::vector<uint8_t> bad(bytes.view().begin(), bytes.view().end());
    bad[at] ^= 1;
    EXPECT_EQ(ProducerStateTable::Decode(bad).error().code, ErrorCode::kCorrupt) << at;
  }
}

// The whole log, and rules in their simplest form.
struct Model {
  std::vector<ProducerBatch> log;
  Offset committed;

  // nullopt: refused.
  std::optional<SequenceVerdict> Check(ProducerId pid, int16_t epoch, int32_t first, int32_t last) const {
    std::vector<ProducerBatch> mine;
    for (const ProducerBatch& batch : log) {
      if (batch.producer_id != pid) continue;
      if (!mine.empty() && mine.back().epoch != batch.epoch) mine.clear();
      mine.push_back(batch);
    }
    if (mine.empty()) return SequenceVerdict::kAccept;
    if (epoch < mine.back().epoch) return std::nullopt;
    if (epoch > mine.back().epoch) return first == 0 ? std::optional(SequenceVerdict::kAccept) : std::nullopt;
    const size_t remembered = std::min(mine.size(), kRememberedBatches);
    for (size_t i = mine.size() - remembered; i < mine.size(); ++i) {
      if (mine[i].first_sequence != first || mine[i].last_sequence != last) continue;
      return mine[i].base_offset < committed ? SequenceVerdict::kDuplicateCommitted
                                             : SequenceVerdict::kDuplicatePending;
    }
    if (first == mine.back().last_sequence + 1) return SequenceVerdict::kAccept;
    return std::nullopt;
  }
};

TEST(ProducerStateTable, AgreesWithAModelThatKeepsTheWholeLog) {
  std::mt19937 random(20261124);
  for (int round = 0; round < 50; ++round) {
    ProducerStateTable table;
    Model model;
    int64_t end = 0;
    int accepted = 0;
    for (int step = 0; step < 400; ++step) {
      const uint32_t dice = random() % 20;
      if (dice == 0) {
        model.committed =
            std::max(model.committed, Offset(static_cast<int64_t>(random() % (static_cast<uint64_t>(end) + 1))));
        table.Commit(model.committed);
      } else if (dice == 1) {
        end = std::max(model.committed.value, end - static_cast<int64_t>(random() % 6));
        std::erase_if(model.log, [&](const ProducerBatch& b) { return b.base_offset >= Offset(end); });
        table.Truncate(Offset(end));
      } else if (dice == 2) {
        Result<ProducerStateTable> restored = ProducerStateTable::Decode(table.Encode());
        ASSERT_TRUE(restored.ok());
        for (const ProducerBatch& b : model.log) {
          if (b.base_offset >= restored->committed_end()) restored->AppendPending(b);
        }
        table = *std::move(restored);
      } else {
        const ProducerId pid(1 + random() % 3);
        const auto epoch = static_cast<int16_t>(random() % 30 == 0 ? step / 100 + 1 : step / 100);
        const auto first = static_cast<int32_t>(random() % 12);
        const int32_t last = first + static_cast<int32_t>(random() % 2);
        const std::optional<SequenceVerdict> expected = model.Check(pid, epoch, first, last);
        const Result<SequenceCheck> check = table.Check(pid, epoch, first, last);
        ASSERT_EQ(check.ok(), expected.has_value()) << "round " << round << " step " << step;
        if (!expected) continue;
        ASSERT_EQ(check->verdict, *expected) << "round " << round << " step " << step;
        if (*expected != SequenceVerdict::kAccept) continue;
        const ProducerBatch batch{pid, epoch, first, last, Offset(end), At(0)};
        end += last - first + 1;
        table.AppendPending(batch);
        model.log.push_back(batch);
        ++accepted;
      }
    }
    EXPECT_GT(accepted, 5) << round;
  }
}

}  // namespace
}  // namespace chronik::records
