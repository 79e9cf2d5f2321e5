// SPDX-License-Identifier: Apache-2.0
// `chronikctl cluster` and `chronikctl partitions`: what the admin endpoint says. Each returns the exit code.
#pragma once

#include <cstdint>
#include <string>

#include "tools/ctl/command.h"

namespace chronik::ctl {

int ClusterStatus(const Globals& globals);
int ClusterHealth(const Globals& globals);
int ClusterMembers(const Globals& globals);
int SafeToStop(const Globals& globals);

int PartitionsList(const Globals& globals, const std::string& topic);

struct TransferOptions {
  std::string topic;
  int32_t partition = 0;
  uint64_t to = 0;
};
int PartitionsTransfer(const Globals& globals, const TransferOptions& options);

}  // namespace chronik::ctl
