// SPDX-License-Identifier: Apache-2.0
// The kit's child process: itself again with --child, which puts objects and reports each step over a pipe until it is
// killed.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace chronik_conformance {

// Written with one write. Object n has the key ChildKey(prefix, n) and, in its v-th version, ChildContents(n, v).
struct Report {
  enum Kind : uint32_t { kBegun = 1, kCommitAsked = 2, kCommitted = 3 };
  uint32_t kind;
  uint32_t version;
  uint64_t object;
};

// The flags of a child that puts objects below `key_prefix` into the sink at `data_dir`.
std::vector<std::string> WriterFlags(const std::string& data_dir, const std::string& key_prefix, uint64_t seed);

// In the child: does not return.
int RunWriter(const std::string& key_prefix);

// Few objects, so that many are replaced.
inline constexpr uint64_t kChildObjects = 5;
std::string ChildKey(const std::string& prefix, uint64_t object);
std::string ChildContents(uint64_t object, uint32_t version);

}  // namespace chronik_conformance
