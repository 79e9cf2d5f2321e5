// SPDX-License-Identifier: Apache-2.0
// Goal: the in-sync set says who could take over without loss: it drops the slow, the silent and the far behind, and
// takes back who has caught up, without flapping. Method: looks at made-up followers on a made-up clock.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kernel/replica/in_sync.h"

namespace chronik::replica {
namespace {

using std::chrono::milliseconds;
using testing::ElementsAre;
using testing::IsEmpty;

class InSyncTest : public testing::Test {
 protected:
  InSyncTest() : set_({.lag_max = milliseconds(1000), .lag_max_entries = 100}) { set_.Begin(now_); }

  // Half a lag later the leader's log ends at `last`, and follower 2 and 3 have what is said of them.
  bool Look(uint64_t last, uint64_t two, uint64_t three, bool three_answers = true) {
    now_ += milliseconds(500);
    return set_.Look(now_, LogIndex(last), {Status(2, two, true), Status(3, three, three_answers)});
  }
  static raft::PeerStatus Status(uint64_t node, uint64_t match, bool answers) {
    return {ReplicaId(node), LogIndex(match), LogIndex(match + 1), answers, false};
  }

  Instant now_{};
  InSyncReplicas set_;
};

TEST_F(InSyncTest, WhoKeepsUpStaysThoughTheLeaderIsAlwaysAhead) {
  for (uint64_t last = 100; last < 1000; last += 50) {
    Look(last, last - 40, last - 50);
    EXPECT_THAT(set_.followers(), ElementsAre(ReplicaId(2), ReplicaId(3))) << last;
  }
}

TEST_F(InSyncTest, WhoFallsBehindInTimeLeavesAndComesBackOnceItHasEverything) {
  EXPECT_TRUE(Look(10, 10, 10)) << "the first look always tells";
  EXPECT_FALSE(Look(20, 20, 10));
  EXPECT_FALSE(Look(30, 30, 10));
  EXPECT_TRUE(Look(40, 40, 11)) << "more than a second behind";
  EXPECT_THAT(set_.followers(), ElementsAre(ReplicaId(2)));
  EXPECT_FALSE(Look(50, 50, 39)) << "nearer is not enough";
  EXPECT_TRUE(Look(60, 60, 50));
  EXPECT_THAT(set_.followers(), ElementsAre(ReplicaId(2), ReplicaId(3)));
}

TEST_F(InSyncTest, WhoIsTooManyEntriesBehindLeavesAtOnceAndReturnsWithRoomToSpare) {
  Look(10, 10, 10);
  EXPECT_TRUE(Look(200, 200, 99));
  EXPECT_THAT(set_.followers(), ElementsAre(ReplicaId(2)));
  EXPECT_FALSE(Look(300, 300, 240)) << "60 behind: within the bound, not within half of it";
  EXPECT_TRUE(Look(300, 300, 300));
}

TEST_F(InSyncTest, WhoIsSilentLeavesThoughNothingIsWritten) {
  Look(10, 10, 10);
  Look(10, 10, 10, false);
  Look(10, 10, 10, false);
  EXPECT_THAT(set_.followers(), ElementsAre(ReplicaId(2), ReplicaId(3)));
  EXPECT_TRUE(Look(10, 10, 10, false));
  EXPECT_THAT(set_.followers(), ElementsAre(ReplicaId(2)));
  EXPECT_TRUE(Look(10, 10, 10));
}

TEST_F(InSyncTest, ANewLeaderBelievesInTheOthersForALagAndNoLonger) {
  Look(10, 0, 0);
  EXPECT_THAT(set_.followers(), ElementsAre(ReplicaId(2), ReplicaId(3)));
  Look(10, 0, 0);
  Look(10, 0, 0);
  EXPECT_THAT(set_.followers(), IsEmpty());
}

TEST_F(InSyncTest, LearnersAreNotInIt) {
  now_ += milliseconds(500);
  set_.Look(now_, LogIndex(10), {{ReplicaId(4), LogIndex(10), LogIndex(11), true, true}});
  EXPECT_THAT(set_.followers(), IsEmpty());
}

}  // namespace
}  // namespace chronik::replica
