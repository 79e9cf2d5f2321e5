// SPDX-License-Identifier: Apache-2.0
// The bugs that the sources have built in behind CHRONIK_MUTANT (kernel/base/mutation.h), each of which the simulator
// has to find.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "tests/simulation/run.h"

namespace chronik::sim {

struct Mutant {
  std::string_view name;
  std::string_view pitfall;   // what it is in the literature and in other systems
  std::string_view scenario;  // in which it is looked for
  uint64_t seeds;             // within which it is found
};

std::span<const Mutant> Mutants();

// Switches a mutant on for this process and its children; "" none.
void SwitchOn(std::string_view name);

// A kind of trouble, more of it than a run has by itself.
struct Scenario {
  std::string_view name;
  size_t nodes;
  double per_second;  // faults
  std::string_view faults;
  bool brokers = false;  // whole ones
};
std::span<const Scenario> Scenarios();
RunOptions OptionsOf(std::string_view scenario);

}  // namespace chronik::sim
