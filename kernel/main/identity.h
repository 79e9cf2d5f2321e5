// SPDX-License-Identifier: Apache-2.0
// Who a data directory belongs to: the file identity.json in it, written once.
#pragma once

#include <cstdint>
#include <filesystem>

#include "kernel/base/ids.h"
#include "kernel/base/result.h"

namespace chronik::main {

struct Identity {
  NodeId node;
  uint64_t incarnation = 0;  // drawn when the directory was made: a node that lost its disk is not who it was
};

// Reads it, or makes it durably. kConfig if the directory is another node's, with both ids, the path, and what to do;
// kCorrupt, kNoSpace or kStorage if the file cannot be read or written.
Result<Identity> ReadOrMakeIdentity(const std::filesystem::path& data_dir, NodeId node, uint64_t fresh_incarnation);

}  // namespace chronik::main
