// SPDX-License-Identifier: Apache-2.0
#include "kernel/groups/reconcile.h"

#include <algorithm>

namespace chronik::groups {
namespace {

bool HasAny(const PartitionSet& set, const PartitionSet& of) {
  return std::ranges::any_of(of, [&](const TopicPartition& partition) { return set.contains(partition); });
}

CurrentAssignmentValue Next(const ReconcileInput& input, const PartitionSet& assigned) {
  PartitionSet keep;
  PartitionSet give_up;
  for (const TopicPartition& partition : assigned)
    (input.target.contains(partition) ? keep : give_up).insert(partition);
  CurrentAssignmentValue next = input.current;
  const bool still_has = !input.owned || HasAny(*input.owned, give_up);
  if (!give_up.empty() && still_has) {
    next.state = MemberState::kUnrevokedPartitions;
    next.assigned = ToTopics(keep);
    next.pending_revocation = ToTopics(give_up);
    return next;  // at its old epoch until it has given up
  }
  bool waits = false;
  for (const TopicPartition& partition : input.target) {
    if (keep.contains(partition)) continue;
    if (input.free_of_others(partition)) {
      keep.insert(partition);
    } else {
      waits = true;
    }
  }
  next.state = waits ? MemberState::kUnreleasedPartitions : MemberState::kStable;
  next.assigned = ToTopics(keep);
  next.pending_revocation.clear();
  if (next.epoch != input.target_epoch) next.previous_epoch = next.epoch;
  next.epoch = input.target_epoch;
  return next;
}

}  // namespace

CurrentAssignmentValue Reconcile(const ReconcileInput& input) {
  const CurrentAssignmentValue& current = input.current;
  switch (current.state) {
    case MemberState::kStable:
      if (current.epoch == input.target_epoch) return current;
      return Next(input, ToSet(current.assigned));
    case MemberState::kUnrevokedPartitions:
      if (!input.owned || HasAny(*input.owned, ToSet(current.pending_revocation))) return current;
      return Next(input, ToSet(current.assigned));
    case MemberState::kUnreleasedPartitions:
    case MemberState::kUnknown: return Next(input, ToSet(current.assigned));
  }
  return current;
}

}  // namespace chronik::groups
