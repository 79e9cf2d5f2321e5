// SPDX-License-Identifier: Apache-2.0
#include "kernel/groups/offsets.h"

#include "kernel/base/invariant.h"

namespace chronik::groups {

void GroupOffsets::Commit(const PartitionName& partition, CommittedOffset value, uint64_t order) {
  committed_[partition] = Entry{std::move(value), order};
}

void GroupOffsets::AddPending(ProducerId producer, const PartitionName& partition, CommittedOffset value,
                              uint64_t order) {
  const bool added = pending_[producer].insert_or_assign(partition, Entry{std::move(value), order}).second;
  if (!added) return;
  ++pending_counts_[partition];
  ++pending_size_;
}

void GroupOffsets::Uncount(const PartitionName& partition) {
  const auto count = pending_counts_.find(partition);
  CHRONIK_CHECK(count != pending_counts_.end()) << "a pending offset that was not counted";
  --pending_size_;
  if (--count->second == 0) pending_counts_.erase(count);
}

void GroupOffsets::Erase(const PartitionName& partition) {
  committed_.erase(partition);
  if (!HasPending(partition)) return;
  for (auto producer = pending_.begin(); producer != pending_.end();) {
    if (producer->second.erase(partition) != 0) Uncount(partition);
    producer = producer->second.empty() ? pending_.erase(producer) : std::next(producer);
  }
}

void GroupOffsets::EndTransaction(ProducerId producer, bool commit) {
  const auto found = pending_.find(producer);
  if (found == pending_.end()) return;
  for (auto& [partition, entry] : found->second) {
    Uncount(partition);
    if (!commit) continue;
    const auto held = committed_.find(partition);
    if (held == committed_.end() || held->second.order < entry.order) committed_[partition] = std::move(entry);
  }
  pending_.erase(found);
}

const GroupOffsets::Entry* GroupOffsets::Find(const PartitionName& partition) const {
  const auto found = committed_.find(partition);
  return found == committed_.end() ? nullptr : &found->second;
}

}  // namespace chronik::groups
