// SPDX-License-Identifier: Apache-2.0
// How a member of a consumer group comes to its target assignment (KIP-848): what it must not have any more it gives up
// first and says so; only then it takes over the target's epoch, and gets of its target what nobody else still has.
#pragma once

#include <functional>
#include <optional>

#include "kernel/groups/consumer_group.h"

namespace chronik::groups {

struct ReconcileInput {
  CurrentAssignmentValue current;
  int32_t target_epoch = 0;
  PartitionSet target;
  std::optional<PartitionSet> owned;                          // what the member says that it has; nullopt: says nothing
  std::function<bool(const TopicPartition&)> free_of_others;  // no other member has it, or has yet to give it up
};

// What it may have now. The same as before if there is nothing to do yet.
CurrentAssignmentValue Reconcile(const ReconcileInput& input);

}  // namespace chronik::groups
