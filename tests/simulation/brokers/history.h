// SPDX-License-Identifier: Apache-2.0
// What clients were told, and whether one log for each partition can explain it:
//   - every record is at one offset, and at no other; whoever reads an offset reads the same;
//   - an acknowledged record is at the offset that was acknowledged, and all are there in the end;
//   - the records of an idempotent producer are in the order in which it sent them, without a gap;
//   - nothing is read that nobody sent there;
//   - at most one broker leads at an epoch, and one that does shows all that was acknowledged at that epoch or before;
//   - the high watermark of one process never goes back;
//   - a producer id is given once.
// A record is known by the number in its value, which is used once.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "kernel/broker/broker.h"

namespace chronik::sim::brokers {

// What clients knew of a partition at one moment. A request that is sent from then on has to show it.
struct Known {
  std::map<int32_t, Offset> acked_ends;        // by epoch: the end of the last record that was acknowledged at it
  std::map<uint64_t, Offset> high_watermarks;  // by boot of the process that told it
};

class History {
 public:
  using Violate = std::function<void(const std::string& what)>;

  explicit History(Violate violate) : violate_(std::move(violate)) {}

  void OnProducerId(ProducerId id);
  // The number of a record that `producer` sends next to the partition.
  uint64_t NewRecord(GroupId group, uint64_t producer);
  // Told by broker `by`. The numbers stand from `base` on.
  void OnAcked(GroupId group, const std::vector<uint64_t>& numbers, Offset base, NodeId by,
               const broker::LeaderInfo& leader);
  Known known(GroupId group) const;
  // `boot`: of the process that answered; `before`: when it was asked. Returns where to read on.
  Offset OnRead(GroupId group, NodeId at, uint64_t boot, Offset from, const Known& before,
                const broker::FetchOutcome& outcome);
  // The partition was read from its beginning to `end` after everything had settled.
  void CheckComplete(GroupId group, Offset end);

  uint64_t acked() const { return acked_records_; }
  uint64_t read() const { return read_records_; }

 private:
  struct Sent {
    GroupId group;
    uint64_t producer = 0;
    uint64_t sequence = 0;  // of the producer's records in this partition
  };
  struct Partition {
    std::map<Offset, uint64_t> log;  // numbers, as far as they were read
    std::map<uint64_t, Offset> place;
    std::map<uint64_t, Offset> acked;
    Known known;
    std::map<int32_t, NodeId> leaders;           // by epoch
    std::map<uint64_t, uint64_t> next_sequence;  // by producer
  };

  std::string Name(GroupId group, Offset offset) const;
  void OnLeader(GroupId group, NodeId by, const broker::LeaderInfo& leader);
  void OnRecord(GroupId group, Offset offset, ByteView value);

  const Violate violate_;
  uint64_t last_number_ = 0;
  std::map<uint64_t, Sent> sent_;
  std::map<GroupId, Partition> partitions_;
  std::set<ProducerId> producer_ids_;
  uint64_t acked_records_ = 0;
  uint64_t read_records_ = 0;
};

// A record's value: its number, and some bytes that follow from it.
std::vector<uint8_t> ValueOf(uint64_t number);

}  // namespace chronik::sim::brokers
