// SPDX-License-Identifier: Apache-2.0
// The JSON of the admin endpoint: its answers, and what it is asked.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "kernel/admin/health.h"
#include "kernel/base/result.h"
#include "kernel/broker/admin.h"

namespace chronik::admin {

struct PluginFacts {
  struct Interface {
    std::string id;       // "chronik.log_store/1"
    uint32_t table_size;  // its minor version
  };
  std::string kind;
  std::string path;
  std::string id;
  std::string version;
  std::string vendor;
  std::vector<Interface> interfaces;
};

// What does not change while the process runs.
struct ProgramFacts {
  std::string version;
  std::vector<PluginFacts> plugins;
};

std::string RenderCluster(const broker::ClusterReport& report);
// {"<verdict>": whether there are no reasons, "counts": by kind, "reasons": the first 1,000}
std::string RenderReasons(const char* verdict, const std::vector<Reason>& reasons);
std::string RenderPartitions(const std::vector<broker::PartitionReport>& reports);
std::string RenderLeaving(bool leaving);
std::string RenderLeader(const broker::LeaderInfo& leader);
std::string RenderPlugins(const ProgramFacts& facts);
std::string RenderVersion(const ProgramFacts& facts);

struct TransferRequest {
  NodeId to;
  std::chrono::milliseconds timeout{10000};
};
Result<TransferRequest> ParseTransfer(std::string_view body);

}  // namespace chronik::admin
