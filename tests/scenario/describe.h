// SPDX-License-Identifier: Apache-2.0
// What the Raft core says, as the lines that stand in scenario files.
#pragma once

#include <string>

#include "kernel/raft/raft.h"

namespace chronik::raft {

std::string Describe(EntryId id);  // index/term
std::string Describe(const EntryMeta& entry);
std::string Describe(const Configuration& configuration);
std::string Describe(const Persist& persist);
std::string Describe(const Message& message);
std::string Describe(Role role);
std::string Describe(ReplicaId node);  // or that it is unknown

}  // namespace chronik::raft
