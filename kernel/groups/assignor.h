// SPDX-License-Identifier: Apache-2.0
// The server-side assignors of KIP-848: who gets which partitions. Pure functions; neither looks at racks.
//   uniform  everybody gets as many as any other, give or take one; as few as possible move
//   range    of each topic, neighbouring partitions go to the members in order of their ids, so that partitions of one
//            number in several topics go together
#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>

#include "kernel/groups/consumer_group.h"

namespace chronik::groups {

struct AssignorInput {
  std::map<TopicId, int32_t> partitions;                   // of each topic that anybody is subscribed to
  std::map<std::string, std::set<TopicId>> subscriptions;  // of each member
  std::map<std::string, PartitionSet> before;              // what each member was to have
};
using AssignorOutput = std::map<std::string, PartitionSet>;  // has every member

inline constexpr std::string_view kUniformAssignor = "uniform";
inline constexpr std::string_view kRangeAssignor = "range";
inline bool IsAssignor(std::string_view name) { return name == kUniformAssignor || name == kRangeAssignor; }

AssignorOutput AssignUniform(const AssignorInput& input);
AssignorOutput AssignRange(const AssignorInput& input);
inline AssignorOutput Assign(std::string_view assignor, const AssignorInput& input) {
  return assignor == kRangeAssignor ? AssignRange(input) : AssignUniform(input);
}

}  // namespace chronik::groups
