// SPDX-License-Identifier: Apache-2.0
// What a majority of the voters decided. Everything that counts replicas is here, so that joint consensus (two
// majorities, each with votes of its own: async-raft #62 shared them) will be added in one place.
#pragma once

#include <algorithm>
#include <cstddef>

#include "kernel/raft/types.h"

namespace chronik::raft {

inline bool Contains(const std::vector<NodeId>& sorted, NodeId node) {
  return std::binary_search(sorted.begin(), sorted.end(), node);
}

inline size_t MajoritySize(const Configuration& configuration) { return configuration.voters.size() / 2 + 1; }

// Have enough voters satisfied `holds(NodeId)`? Never without voters.
template <class Holds>
bool MajorityHolds(const Configuration& configuration, Holds&& holds) {
  size_t count = 0;
  for (const NodeId voter : configuration.voters) count += holds(voter) ? 1 : 0;
  return count >= MajoritySize(configuration);
}

// The largest value that a majority has reached, `value_of(NodeId)` being what one voter has; T{} without voters.
// Quadratic but without allocation: there are 1, 3, 5 or 7 voters.
template <class T, class ValueOf>
T MajorityReached(const Configuration& configuration, ValueOf&& value_of) {
  T best{};
  for (const NodeId candidate : configuration.voters) {
    const T value = value_of(candidate);
    if (value <= best) continue;
    if (MajorityHolds(configuration, [&](NodeId voter) { return value_of(voter) >= value; })) best = value;
  }
  return best;
}

}  // namespace chronik::raft
