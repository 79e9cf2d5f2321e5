// SPDX-License-Identifier: Apache-2.0
// What goes wrong in a run: now and then one fault, of a kind that is switched on, on a random node or link. Each ends
// by itself after a while; Heal ends all.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "tests/simulation/cluster.h"

namespace chronik::sim {

enum class Fault : uint8_t {
  kPowerLoss,  // of one node: un-synced writes are lost, in part, some torn within a sector
  kPowerLossOfAll,
  kProcessKill,  // kill -9: the page cache stays
  kPause,        // SIGSTOP: for up to two seconds nothing of a node runs
  kPartition,    // the nodes fall into two halves
  kOneWay,       // one direction of one link is cut
  kIsolation,    // one node hears nobody, or is heard by nobody
  kClog,         // one direction delivers nothing, then all at once
  kSlowLink,
  kLoss,  // of some messages
  kRepetition,
  kWallClockJump,
  kClockRate,  // one node's clock runs 20 % fast or slow
  kSyncError,  // EIO of fdatasync
  kWriteError,
  kReadError,
  kDiskStall,  // every operation of a disk waits
  kDiskSlow,
  kDiskFull,
  kBitFlip,  // of some bits at rest, in silence
  kMisdirectedWrite,
  kDiskLoss,
  kTransfer,    // of leadership, asked for by the operator
  kMembership,  // the operator wants other voters and learners for a while
  kTruncation,  // of the logs' beginnings, so that snapshots are needed
  kCount,
};
inline constexpr size_t kFaults = static_cast<size_t>(Fault::kCount);
std::string_view NameOf(Fault fault);
// kCount: there is none of that name.
Fault FaultOf(std::string_view name);

class Faults {
 public:
  Faults(Scheduler& scheduler, Cluster& cluster, uint64_t enabled) : s_(scheduler), c_(cluster), enabled_(enabled) {}

  // Injects from now on, one fault per `period` on average.
  void Start(Duration period);
  void Heal();
  const std::array<uint64_t, kFaults>& counts() const { return counts_; }

 private:
  void Next();
  bool Inject(Fault fault);
  bool InjectNetwork(Fault fault);
  bool InjectDisk(Fault fault);
  bool InjectDamage(Fault fault);
  bool InjectOperation(Fault fault);
  void Partition();
  void Isolate(size_t slot);
  void ChangeMembership();
  void Truncate();
  void Later(Duration most, Task task);
  size_t AnySlot() { return s_.random().Below(c_.size()); }
  size_t OtherSlot(size_t slot) { return (slot + 1 + s_.random().Below(c_.size() - 1)) % c_.size(); }

  Scheduler& s_;
  Cluster& c_;
  const uint64_t enabled_;
  Duration period_{0};
  bool active_ = false;
  std::array<uint64_t, kFaults> counts_{};
};

}  // namespace chronik::sim
