// SPDX-License-Identifier: Apache-2.0
// What is wrong with a cluster, and what would be if one broker stopped: judged from reports alone, so that every case
// can be tested.
#pragma once

#include <string>
#include <vector>

#include "kernel/broker/admin.h"

namespace chronik::admin {

struct Reason {
  const char* kind;  // one of docs/admin-api.md
  std::string message;
  std::string topic = {};  // of a partition; else empty
  int32_t partition = -1;
  NodeId node = {};  // of a broker; else 0
};

// Empty: healthy, as far as the broker that reports can see.
std::vector<Reason> WhatIsWrong(const broker::ClusterReport& cluster,
                                const std::vector<broker::PartitionReport>& partitions);

// Empty: if the reporting broker stopped now, every partition would keep a majority and min.insync.replicas in-sync
// replicas, and the metadata its majority. What is not known counts as unsafe.
std::vector<Reason> WhyNotStop(const broker::ClusterReport& cluster,
                               const std::vector<broker::PartitionReport>& partitions);

}  // namespace chronik::admin
