// SPDX-License-Identifier: Apache-2.0
// The clients of a run: they write to whoever serves as leader, sometimes to one that was deposed, read from anybody,
// and ask for barriers. What they see goes to the oracle.
#pragma once

#include "tests/simulation/cluster.h"

namespace chronik::sim {

class Clients {
 public:
  Clients(Scheduler& scheduler, Cluster& cluster) : s_(scheduler), c_(cluster) {}

  // From now on, until Stop.
  void Start();
  void Stop() { active_ = false; }
  // One write to each group that has a leader.
  void WriteOnce();
  uint64_t reads() const { return reads_; }

 private:
  void Next();
  void Write(GroupId group, Broker& leader);
  void Read(GroupId group, Broker& broker);
  void Barrier(GroupId group, Broker& broker);
  Broker* Any(GroupId group);

  Scheduler& s_;
  Cluster& c_;
  bool active_ = false;
  uint64_t next_number_ = 1;
  uint64_t reads_ = 0;
};

}  // namespace chronik::sim
