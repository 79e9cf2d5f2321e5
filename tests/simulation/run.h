// SPDX-License-Identifier: Apache-2.0
// One run of the simulator: a cluster, clients that write and read, faults for a while; then everything heals, and the
// cluster must come back and agree. A seed and the options decide everything.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "tests/simulation/faults.h"

namespace chronik::sim {

struct RunOptions {
  uint64_t seed = 1;
  bool brokers = false;                          // whole brokers (brokers/run.h), not replicas of some groups
  size_t nodes = 0;                              // 0: by the seed 1, 3 or 5
  size_t groups = 2;                             // Raft groups
  Duration safety = std::chrono::seconds(15);    // with faults
  Duration liveness = std::chrono::seconds(60);  // within which a healed cluster has to work
  Duration fault_period = std::chrono::milliseconds(250);
  uint64_t faults = ~uint64_t{0};  // bits of Fault
  size_t trace_lines = 0;          // kept for a report
};

struct RunResult {
  std::string violation;  // empty: none
  uint64_t hash = 0;      // of the trace: the same for the same options in every build
  size_t nodes = 0;
  Duration simulated{0};
  uint64_t events = 0;
  uint64_t acked = 0;
  uint64_t read = 0;
  std::array<uint64_t, kFaults> faults{};
  std::vector<std::string> lines;
};

RunResult Run(const RunOptions& options);

}  // namespace chronik::sim
