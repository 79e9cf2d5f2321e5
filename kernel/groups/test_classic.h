// SPDX-License-Identifier: Apache-2.0
// Members of classic groups, for tests.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "kernel/groups/test_coordinator.h"

namespace chronik::groups {

struct Joined {
  std::string id;
  int32_t generation = 0;
};

inline SyncGroup SyncOf(const Joined& who, std::vector<SyncGroup::Assignment> assignments = {}) {
  SyncGroup sync;
  sync.group = "g";
  sync.member = who.id;
  sync.generation = who.generation;
  sync.assignments = std::move(assignments);
  return sync;
}

inline GroupError Beat(TestCoordinator& c, const Joined& who, std::optional<std::string> instance = std::nullopt) {
  return c.Ask<HeartbeatReply>(Heartbeat{"g", who.id, std::move(instance), who.generation}).error;
}

inline LeaveGroupReply Leave(TestCoordinator& c, const std::string& id,
                             std::optional<std::string> instance = std::nullopt) {
  return c.Ask<LeaveGroupReply>(LeaveGroup{"g", {{id, std::move(instance)}}});
}

inline std::string StateOf(TestCoordinator& c) {
  return c.Ask<DescribeGroupsReply>(DescribeGroups{{"g"}}).groups[0].state;
}

// All of these join an empty group and are assigned; the leader is the first.
inline std::vector<Joined> MakeStable(TestCoordinator& c, const std::vector<JoinGroup>& joins) {
  std::vector<uint64_t> tokens;
  for (const JoinGroup& join : joins) tokens.push_back(c.Send(join));
  c.Advance(12s);  // the first rebalance waits as long as new members come
  std::vector<Joined> members;
  std::vector<SyncGroup::Assignment> assignments;
  for (const uint64_t token : tokens) {
    const auto joined = c.TakeAs<JoinGroupReply>(token);
    EXPECT_TRUE(joined);
    EXPECT_EQ(joined->error, GroupError::kNone);
    members.push_back({joined->member, joined->generation});
    assignments.push_back({joined->member, "for " + joined->member});
  }
  EXPECT_EQ(c.Ask<SyncGroupReply>(SyncOf(members[0], assignments)).error, GroupError::kNone);
  for (size_t i = 1; i < members.size(); ++i) {
    const auto sync = c.Ask<SyncGroupReply>(SyncOf(members[i]));
    EXPECT_EQ(sync.assignment, "for " + members[i].id);
  }
  EXPECT_EQ(StateOf(c), "Stable");
  return members;
}

}  // namespace chronik::groups
