// SPDX-License-Identifier: Apache-2.0
// What one group has committed: offsets that hold, and those of open transactions, which hold once these commit. All of
// it is a function of the records, in their order.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>

#include "kernel/base/ids.h"
#include "kernel/groups/record.h"

namespace chronik::groups {

using PartitionName = std::pair<std::string, int32_t>;  // topic, partition

class GroupOffsets {
 public:
  // `order` grows from record to record: of a transaction's offset and one committed beside it, the one whose record
  // came later stays, whenever the transaction ends.
  struct Entry {
    CommittedOffset value;
    uint64_t order = 0;
    friend bool operator==(const Entry& a, const Entry& b) { return a.value == b.value; }
  };
  using Entries = std::map<PartitionName, Entry>;

  void Commit(const PartitionName& partition, CommittedOffset value, uint64_t order);
  void AddPending(ProducerId producer, const PartitionName& partition, CommittedOffset value, uint64_t order);
  // A tombstone: the committed offset goes, and what open transactions hold for the partition.
  void Erase(const PartitionName& partition);
  void EndTransaction(ProducerId producer, bool commit);

  const Entry* Find(const PartitionName& partition) const;
  bool HasPending(const PartitionName& partition) const { return pending_counts_.contains(partition); }
  bool HasOpenTransactions() const { return !pending_.empty(); }
  bool empty() const { return committed_.empty() && pending_.empty(); }
  size_t size() const { return committed_.size() + pending_size_; }  // with each transaction's
  const Entries& committed() const { return committed_; }
  const std::map<ProducerId, Entries>& pending() const { return pending_; }

  friend bool operator==(const GroupOffsets& a, const GroupOffsets& b) {
    return a.committed_ == b.committed_ && a.pending_ == b.pending_;
  }

 private:
  void Uncount(const PartitionName& partition);

  Entries committed_;
  std::map<ProducerId, Entries> pending_;
  std::map<PartitionName, uint32_t> pending_counts_;  // how many transactions have one for it
  size_t pending_size_ = 0;
};

}  // namespace chronik::groups
