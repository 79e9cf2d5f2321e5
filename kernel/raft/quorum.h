// SPDX-License-Identifier: Apache-2.0
// What the voters decided. Everything that counts replicas is here, so that joint consensus stands in one place: two
// majorities, each counted for itself (async-raft #62 had one counter for both).
#pragma once

#include <algorithm>
#include <cstddef>

#include "kernel/base/mutation.h"
#include "kernel/raft/configuration.h"

namespace chronik::raft {

template <class Holds>
bool MajorityHolds(const std::vector<ReplicaId>& voters, Holds&& holds) {
  size_t count = 0;
  for (const ReplicaId voter : voters) count += holds(voter) ? 1 : 0;
  return count > voters.size() / 2;
}

// Have enough voters satisfied `holds(ReplicaId)`? Never without voters.
template <class Holds>
bool QuorumHolds(const Configuration& configuration, Holds&& holds) {
  if (CHRONIK_MUTANT(joint_needs_one_majority) && configuration.joint())
    return MajorityHolds(configuration.next_voters, holds);
  return MajorityHolds(configuration.voters, holds) &&
         (!configuration.joint() || MajorityHolds(configuration.next_voters, holds));
}

// The largest value that a majority has reached, `value_of(ReplicaId)` being what one voter has; T{} without voters.
// Quadratic but without allocation: there are 1, 3, 5 or 7 voters.
template <class T, class ValueOf>
T MajorityReached(const std::vector<ReplicaId>& voters, ValueOf&& value_of) {
  T best{};
  for (const ReplicaId candidate : voters) {
    const T value = value_of(candidate);
    if (value <= best) continue;
    if (MajorityHolds(voters, [&](ReplicaId voter) { return value_of(voter) >= value; })) best = value;
  }
  return best;
}

template <class T, class ValueOf>
T QuorumReached(const Configuration& configuration, ValueOf&& value_of) {
  if (CHRONIK_MUTANT(learner_counts)) return MajorityReached<T>(Members(configuration), value_of);
  if (CHRONIK_MUTANT(joint_needs_one_majority) && configuration.joint())
    return MajorityReached<T>(configuration.next_voters, value_of);
  const T reached = MajorityReached<T>(configuration.voters, value_of);
  return configuration.joint() ? std::min(reached, MajorityReached<T>(configuration.next_voters, value_of)) : reached;
}

}  // namespace chronik::raft
