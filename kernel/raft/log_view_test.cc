// SPDX-License-Identifier: Apache-2.0
// Goal: the log's bounds, terms and offsets stay right through appends and cuts at both ends. Method: one small log
// with three terms, asked about every index; a Progress and a Ring taken through their edges.
#include "kernel/raft/log_view.h"

#include <gtest/gtest.h>

#include "kernel/raft/progress.h"
#include "kernel/raft/single.h"

namespace chronik::raft {
namespace {

// Terms 1 1 3 3 3 6, offsets 0 0 2 4 6 8, next 8.
LogView ThreeTerms() {
  LogView log({}, Offset(0), {}, LogIndex(0), Offset(0));
  log.Append(Entry(1, 1, 0, 0));
  log.Append(Entry(2, 1, 0, 2));
  log.Append(Entry(3, 3, 2, 2));
  log.Append(Entry(4, 3, 4, 2));
  log.Append(Entry(5, 3, 6, 2));
  log.Append(Entry(6, 6, 8, 0));
  return log;
}

TEST(LogView, KnowsTermsAndOffsetsOfEveryIndex) {
  const LogView log = ThreeTerms();
  const uint64_t terms[] = {0, 1, 1, 3, 3, 3, 6};
  const int64_t next[] = {0, 0, 2, 4, 6, 8, 8};
  for (uint64_t i = 0; i <= 6; ++i) {
    EXPECT_EQ(log.TermAt(LogIndex(i)), Term(terms[i])) << i;
    EXPECT_EQ(log.NextOffsetAfter(LogIndex(i)), Offset(next[i])) << i;
  }
  EXPECT_EQ(log.TermAt(LogIndex(7)), std::nullopt);
  EXPECT_EQ(log.terms().size(), 3u);
}

TEST(LogView, ConflictHintsSkipWholeTerms) {
  LogView log = ThreeTerms();
  EXPECT_EQ(log.LastNotAbove(LogIndex(9), Term(7)), At(6, 6));
  EXPECT_EQ(log.LastNotAbove(LogIndex(6), Term(5)), At(5, 3));
  EXPECT_EQ(log.LastNotAbove(LogIndex(5), Term(2)), At(2, 1));
  EXPECT_EQ(log.LastNotAbove(LogIndex(6), Term(0)), At(0, 0));
  // At the log's beginning the entry before it may have too new a term as well. Naming it all the same left a follower
  // without snapshot for ever (found by Safety, seed 53).
  log.TruncatePrefix(LogIndex(5), Offset(6));
  EXPECT_EQ(log.LastNotAbove(LogIndex(4), Term(3)), At(4, 3));
  EXPECT_EQ(log.LastNotAbove(LogIndex(4), Term(2)), At(3, 0));
  EXPECT_EQ(log.LastNotAbove(LogIndex(2), Term(9)), At(2, 0));
}

TEST(LogView, SuffixCutShrinksTheTermTable) {
  LogView log = ThreeTerms();
  log.TruncateSuffix(LogIndex(3), Offset(2));
  EXPECT_EQ(log.last(), At(2, 1));
  EXPECT_EQ(log.next_offset(), Offset(2));
  EXPECT_EQ(log.terms().size(), 1u);
  log.Append(Entry(3, 7, 2, 5));
  EXPECT_EQ(log.terms().back(), (TermStart{Term(7), LogIndex(3), Offset(2)}));
}

TEST(LogView, PrefixCutMovesTheFirstRowAndKeepsThePreviousTerm) {
  LogView log = ThreeTerms();
  log.TruncatePrefix(LogIndex(4), Offset(4));
  EXPECT_EQ(log.previous(), At(3, 3));
  ASSERT_EQ(log.terms().size(), 2u);
  EXPECT_EQ(log.terms()[0], (TermStart{Term(3), LogIndex(4), Offset(4)}));
  EXPECT_EQ(log.TermAt(LogIndex(2)), std::nullopt);
  log.TruncatePrefix(LogIndex(7), Offset(8));  // everything
  EXPECT_TRUE(log.terms().empty());
  EXPECT_EQ(log.last(), At(6, 6));
}

TEST(LogView, WithoutMetasOffsetsAreKnownAtTheEdgesAndBoundedBetween) {
  LogView log = ThreeTerms();
  log.ForgetThrough(LogIndex(6));
  EXPECT_EQ(log.window_size(), 0u);
  EXPECT_EQ(log.NextOffsetAfter(LogIndex(2)), Offset(2));  // the term table
  EXPECT_EQ(log.NextOffsetAfter(LogIndex(3)), std::nullopt);
  EXPECT_TRUE(log.OffsetFits(LogIndex(3), Offset(4)));
  EXPECT_FALSE(log.OffsetFits(LogIndex(3), Offset(1)));
  EXPECT_FALSE(log.OffsetFits(LogIndex(3), Offset(9)));
}

TEST(LogViewDeathTest, AnEntryThatBreaksTheChainStops) {
  LogView log = ThreeTerms();
  EXPECT_DEATH(log.Append(Entry(8, 6, 8, 1)), "entry 8 after 6");
  EXPECT_DEATH(log.Append(Entry(7, 6, 9, 1)), "offset 9, expected 8");
  EXPECT_DEATH(log.Append(Entry(7, 5, 8, 1)), "term 5 after 6");
}

TEST(Ring, GrowsWhileWrappedAndGivesItsMemoryBack) {
  Ring<int> ring;
  EXPECT_EQ(ring.capacity(), 0u);
  for (int i = 0; i < 3; ++i) ring.push_back(i);
  ring.pop_front(2);
  for (int i = 3; i < 10; ++i) ring.push_back(i);  // grows with the head in the middle
  ASSERT_EQ(ring.size(), 8u);
  for (int i = 0; i < 8; ++i) EXPECT_EQ(ring[static_cast<size_t>(i)], i + 2);
  ring.pop_back(7);
  EXPECT_EQ(ring.back(), 2);
  ring.ReleaseIfEmpty();
  EXPECT_GT(ring.capacity(), 0u);
  ring.pop_front();
  ring.ReleaseIfEmpty();
  EXPECT_EQ(ring.capacity(), 0u);
}

TEST(Progress, OldAnswersNeitherMoveNorReopenAnything) {
  Progress peer(ReplicaId(2), false, LogIndex(10));
  EXPECT_FALSE(peer.Refused(LogIndex(4), LogIndex(2)));  // not what was asked
  EXPECT_TRUE(peer.Refused(LogIndex(9), LogIndex(4)));
  EXPECT_EQ(peer.next(), LogIndex(5));
  EXPECT_TRUE(peer.Accepted(LogIndex(4)));
  peer.SentEntries(LogIndex(7), 100);
  peer.SentEntries(LogIndex(9), 50);
  EXPECT_FALSE(peer.Refused(LogIndex(3), LogIndex(1)));
  EXPECT_FALSE(peer.Accepted(LogIndex(2)));
  EXPECT_EQ(peer.inflight().bytes(), 150u);
  EXPECT_TRUE(peer.Accepted(LogIndex(7)));
  EXPECT_EQ(peer.inflight().bytes(), 50u);
  EXPECT_TRUE(peer.Refused(LogIndex(9), LogIndex(7)));  // something after 7 was lost
  EXPECT_TRUE(peer.probing());
  EXPECT_EQ(peer.next(), LogIndex(8));
}

TEST(Progress, AnsweredRepetitionsOfALogReadBreedNoMore) {
  Progress peer(ReplicaId(2), false, LogIndex(10));
  EXPECT_TRUE(peer.Refused(LogIndex(9), LogIndex(4)));
  peer.SentProbe(false);
  EXPECT_TRUE(peer.Accepted(LogIndex(4)));
  peer.BecomeProbe();
  peer.SentProbe(true);
  EXPECT_FALSE(peer.Accepted(LogIndex(4)));
  EXPECT_TRUE(peer.probing() && peer.probe_sent());
  EXPECT_FALSE(peer.ResumeProbe());
  EXPECT_FALSE(peer.ResumeProbe());
  EXPECT_TRUE(peer.ResumeProbe());  // lost after all
  peer.SentProbe(true);
  EXPECT_TRUE(peer.Accepted(LogIndex(6)));
  EXPECT_TRUE(peer.replicating());
}

}  // namespace
}  // namespace chronik::raft
