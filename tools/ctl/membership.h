// SPDX-License-Identifier: Apache-2.0
// `chronikctl cluster add`, `decommission` and `recommission`: who is in the cluster. Each returns the exit code.
#pragma once

#include <cstdint>
#include <string>

#include "tools/ctl/command.h"

namespace chronik::ctl {

struct Waiting {
  bool wait = false;
  int within_s = 600;
};

struct AddOptions {
  uint64_t node = 0;
  std::string address;      // "host:port" for clients
  std::string rpc_address;  // for other nodes; empty: the host of `address`, its port + 10000
  std::string rack;
  std::string out;  // empty: standard output
  Waiting waiting;
};
int ClusterAdd(const Globals& globals, const AddOptions& options);

struct LeaveOptions {
  uint64_t node = 0;
  Waiting waiting;
};
int ClusterDecommission(const Globals& globals, const LeaveOptions& options);
int ClusterRecommission(const Globals& globals, const LeaveOptions& options);

}  // namespace chronik::ctl
