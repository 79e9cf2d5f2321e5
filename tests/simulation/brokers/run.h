// SPDX-License-Identifier: Apache-2.0
// One run of whole brokers: faults for a while, under clients; then everything heals, the cluster must come to rest,
// and the history must be whole.
#pragma once

#include "tests/simulation/run.h"

namespace chronik::sim::brokers {

RunResult Run(const RunOptions& options);

}  // namespace chronik::sim::brokers
