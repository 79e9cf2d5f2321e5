// SPDX-License-Identifier: Apache-2.0
// Who a data directory belongs to, and which life of that node it is: the file identity.json in it.
#pragma once

#include <cstdint>
#include <filesystem>

#include "kernel/base/ids.h"
#include "kernel/base/result.h"
#include "kernel/broker/broker.h"

namespace chronik::main {

struct Identity {
  NodeId node;
  broker::Life life;
};

// Reads it, or makes it durably with `fresh_incarnation`. kConfig if the directory is another node's, with both ids,
// the path, and what to do; kCorrupt, kNoSpace or kStorage if the file cannot be read or written.
Result<Identity> ReadOrMakeIdentity(const std::filesystem::path& data_dir, NodeId node, uint64_t fresh_incarnation);
// Replaces it, durably and as a whole.
Status WriteIdentity(const std::filesystem::path& data_dir, const Identity& identity);

}  // namespace chronik::main
