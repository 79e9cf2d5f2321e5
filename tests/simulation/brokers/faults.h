// SPDX-License-Identifier: Apache-2.0
// What goes wrong in a run of whole brokers, of the kinds that faults.h of the folder above names, and what its
// operator does: leaderships are moved, brokers are decommissioned and come back. Heal ends all.
#pragma once

#include <array>
#include <optional>

#include "tests/simulation/brokers/caller.h"
#include "tests/simulation/faults.h"

namespace chronik::sim::brokers {

class Faults {
 public:
  // `may_lose_disk`: every partition has enough replicas for that.
  Faults(Cluster& cluster, uint64_t enabled, bool may_lose_disk)
      : c_(cluster), s_(cluster.scheduler()), operator_(cluster), enabled_(enabled), may_lose_disk_(may_lose_disk) {}

  // Injects from now on, one fault per `period` on average.
  void Start(Duration period);
  void Heal();
  // The operator goes on with what was begun. Now and then.
  void Operate();
  const std::array<uint64_t, kFaults>& counts() const { return counts_; }

 private:
  void Next();
  bool Inject(Fault fault);
  bool InjectProcess(Fault fault);
  bool InjectNetwork(Fault fault);
  bool InjectDisk(Fault fault);
  bool Transfer();
  bool Decommission();
  void Ask(size_t slot, bool leave);
  void Partition();
  void Isolate(size_t slot);
  void Later(Duration most, Task task);
  size_t AnySlot() { return s_.random().Below(c_.size()); }
  size_t OtherSlot(size_t slot) { return (slot + 1 + s_.random().Below(c_.size() - 1)) % c_.size(); }

  Cluster& c_;
  Scheduler& s_;
  Caller operator_;
  const uint64_t enabled_;
  const bool may_lose_disk_;
  Duration period_{0};
  bool active_ = false;
  std::optional<size_t> leaving_;  // the broker that is being decommissioned
  bool asked_ = false;
  std::array<uint64_t, LinkNetwork::kSlotsMax> renewed_{};  // the life that was retired, and one
  std::array<uint64_t, kFaults> counts_{};
};

}  // namespace chronik::sim::brokers
