// SPDX-License-Identifier: Apache-2.0
// Many runs: seeds spread over processes, so that a failed invariant of the kernel (which aborts) is one more finding,
// and what is found is made smaller.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <string>

#include "tests/simulation/run.h"

namespace chronik::sim {

struct CampaignResult {
  uint64_t seeds = 0;
  uint64_t hash = 0;  // of all runs' hashes, whatever their order
  Duration simulated{0};
  uint64_t events = 0;
  uint64_t acked = 0;
  uint64_t read = 0;
  std::array<uint64_t, kFaults> faults{};
  bool failed = false;
  uint64_t failed_seed = 0;
  std::string violation;
};

// Seeds [first, last], `options` but for the seed, in `jobs` processes, until a run fails or the time is over.
CampaignResult RunCampaign(const RunOptions& options, uint64_t first, uint64_t last, unsigned jobs,
                           std::chrono::seconds wall_time);

// A run that fails like this one with fewer kinds of faults and no longer than it takes.
RunOptions Minimise(RunOptions options);

// Runs it in a process of its own; the violation, or the text of a failed check, or empty.
std::string RunApart(const RunOptions& options);

}  // namespace chronik::sim
