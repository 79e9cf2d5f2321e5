// SPDX-License-Identifier: Apache-2.0
// The list of a cluster's nodes, as a table of a file and as the text of CHRONIK_CLUSTER_PEERS:
//   nodes = [{ id = 1, addr = "a:9092", rack = "r1" }, { id = 2, addr = "b:9092", rpc_addr = "b:19000" }]
//   1@a:9092;rack=r1,2@b:9092;rpc_addr=b:19000
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "kernel/config/document.h"
#include "kernel/config/option.h"

namespace chronik::config {

inline constexpr size_t kPeersMax = 1000;
inline constexpr uint16_t kRpcPortDistance = 10000;  // rpc_addr, where it is not given: the Kafka port + this

// A problem within a value that spans lines.
struct NodeProblem {
  int line;
  std::string what;
};

Result<std::vector<Peer>> ParsePeers(std::string_view text);
std::vector<Peer> PeersOfNode(const Node& node, std::vector<NodeProblem>* problems);
std::string FormatPeers(const std::vector<Peer>& peers);  // the file's form, on one line
std::string FormatNodes(const std::vector<Peer>& peers);  // where nodes reach each other: "1@host:port,2@host:port"

}  // namespace chronik::config
