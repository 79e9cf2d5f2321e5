// SPDX-License-Identifier: Apache-2.0
// Goal: a snapshot that is put together of chunks is one sender's, whole, and each byte written once.
#include "kernel/raft/snapshot_pull.h"

#include <gtest/gtest.h>

namespace chronik::raft {
namespace {

using Action = SnapshotPull::Action;

Message Offered(uint64_t from, uint64_t term, uint64_t index) {
  return {ReplicaId(from), ReplicaId(1), Term(term), InstallSnapshot{{LogIndex(index), Term(1)}, Offset(7), {}}};
}

SnapshotChunk Chunk(uint64_t index, uint64_t position, uint32_t bytes, uint64_t total = 250) {
  return {{LogIndex(index), Term(1)}, position, bytes, total};
}

TEST(SnapshotPull, AsksForOneChunkAfterTheOther) {
  SnapshotPull pull(100, 5);
  EXPECT_FALSE(pull.Next().has_value());
  EXPECT_EQ(pull.Offer(Offered(2, 3, 9)), Action::kStartOver);
  EXPECT_EQ(pull.Next(), (FetchSnapshot{ReplicaId(2), {LogIndex(9), Term(1)}, 0, 100}));
  EXPECT_FALSE(pull.Next().has_value());  // one at a time
  EXPECT_EQ(pull.Offer(Offered(2, 3, 9)), Action::kNothing);
  EXPECT_EQ(pull.OnChunk(ReplicaId(2), Chunk(9, 0, 100)), Action::kWrite);
  EXPECT_EQ(pull.Next()->position, 100u);
  EXPECT_EQ(pull.OnChunk(ReplicaId(2), Chunk(9, 100, 60)), Action::kWrite);  // less than asked for is fine
  EXPECT_EQ(pull.Next()->position, 160u);
  EXPECT_EQ(pull.OnChunk(ReplicaId(2), Chunk(9, 160, 90)), Action::kComplete);
  EXPECT_FALSE(pull.active());
  EXPECT_EQ(pull.offer().next_offset, Offset(7));
  EXPECT_FALSE(pull.Next().has_value());
}

TEST(SnapshotPull, AsksAgainWhenNoAnswerComes) {
  SnapshotPull pull(100, 5);
  pull.Offer(Offered(2, 3, 9));
  ASSERT_TRUE(pull.Next().has_value());
  pull.Tick(4);
  EXPECT_FALSE(pull.Next().has_value());
  pull.Tick(1);
  EXPECT_EQ(pull.Next()->position, 0u);
  // Both answers come: the second is not written again.
  EXPECT_EQ(pull.OnChunk(ReplicaId(2), Chunk(9, 0, 100)), Action::kWrite);
  EXPECT_EQ(pull.OnChunk(ReplicaId(2), Chunk(9, 0, 100)), Action::kNothing);
  EXPECT_EQ(pull.Next()->position, 100u);
}

TEST(SnapshotPull, ANewerSnapshotOrAnotherLeaderStartsOver) {
  SnapshotPull pull(100, 5);
  pull.Offer(Offered(2, 3, 9));
  pull.Next();
  pull.OnChunk(ReplicaId(2), Chunk(9, 0, 100));
  EXPECT_EQ(pull.Offer(Offered(2, 3, 8)), Action::kNothing);   // older
  EXPECT_EQ(pull.Offer(Offered(3, 2, 20)), Action::kNothing);  // of a leader of the past
  EXPECT_EQ(pull.Offer(Offered(2, 3, 12)), Action::kStartOver);
  EXPECT_EQ(pull.Next()->position, 0u);
  EXPECT_EQ(pull.OnChunk(ReplicaId(2), Chunk(9, 0, 100)), Action::kNothing);  // of the one before
  EXPECT_EQ(pull.Offer(Offered(3, 4, 12)), Action::kStartOver);               // the same entry, other bytes
  EXPECT_EQ(pull.Next()->to, ReplicaId(3));
  EXPECT_EQ(pull.OnChunk(ReplicaId(2), Chunk(12, 0, 100)), Action::kNothing);
}

TEST(SnapshotPull, EndsWithWhatIsGoneOrMakesNoSense) {
  const auto ends = [](SnapshotChunk second) {
    SnapshotPull pull(100, 5);
    pull.Offer(Offered(2, 3, 9));
    pull.Next();
    EXPECT_EQ(pull.OnChunk(ReplicaId(2), Chunk(9, 0, 100)), Action::kWrite);
    pull.Next();
    EXPECT_EQ(pull.OnChunk(ReplicaId(2), second), Action::kNothing);
    return !pull.active();
  };
  SnapshotChunk gone = Chunk(9, 100, 0);
  gone.gone = true;
  EXPECT_TRUE(ends(gone));
  EXPECT_TRUE(ends(Chunk(9, 100, 0)));
  EXPECT_TRUE(ends(Chunk(9, 100, 101)));      // more than asked for
  EXPECT_TRUE(ends(Chunk(9, 100, 50, 240)));  // it was 250
  EXPECT_TRUE(ends(Chunk(9, 240, 20)));       // beyond its end
  EXPECT_TRUE(ends(Chunk(9, ~uint64_t{0}, 20)));
  EXPECT_FALSE(ends(Chunk(9, 120, 20)));  // late, or early: ignored
}

}  // namespace
}  // namespace chronik::raft
