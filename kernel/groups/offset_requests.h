// SPDX-License-Identifier: Apache-2.0
// OffsetCommit, TxnOffsetCommit, OffsetFetch and OffsetDelete, the end of transactions, and the expiry of offsets, for
// groups of both kinds.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "kernel/groups/classic_protocol.h"
#include "kernel/groups/core.h"

namespace chronik::groups {

class OffsetRequests {
 public:
  OffsetRequests(Core& core, ClassicProtocol& classic) : core_(core), classic_(classic) {}

  void Commit(uint64_t token, const OffsetCommit& request);
  void CommitInTransaction(uint64_t token, const TxnOffsetCommit& request);
  void End(uint64_t token, const EndTransaction& request);
  void Fetch(uint64_t token, const OffsetFetch& request);
  void Delete(uint64_t token, const OffsetDelete& request);

  // Tombstones for what has been committed too long ago, and for the group if nothing is left of it.
  void Expire(Group& group);
  // Tombstones for all offsets of these topics, which are no more.
  void Forget(const TopicsDeleted& deleted);
  // The same for all of one group, pending ones too.
  void EraseAll(Group& group);

 private:
  GroupError Check(const OffsetCommit& request, bool transactional, Group* group);
  GroupError CheckClassic(const OffsetCommit& request, bool transactional, Group& group);
  void Put(uint64_t token, const OffsetCommit& request, const TxnOffsetCommit* transaction);
  GroupError PutOne(const OffsetCommit& request, const OffsetCommit::Topic& topic,
                    const OffsetCommit::Partition& partition, Group& group, const TxnOffsetCommit* transaction);
  bool Expired(const Group& group, const PartitionName& partition, const CommittedOffset& offset) const;

  Core& core_;
  ClassicProtocol& classic_;
};

}  // namespace chronik::groups
