// SPDX-License-Identifier: Apache-2.0
// Child processes of the suite: itself again with --child, reporting over a pipe, to be killed, traced or confined.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace chronik_conformance {

// One line of progress, written with one write. `group` counts from 0.
struct Report {
  enum Kind : uint32_t { kSubmitted = 1, kCompleted = 2, kVerdict = 3 };
  uint32_t kind;
  uint32_t group;
  uint64_t position;  // kVerdict: a Verdict
};

enum class Verdict : uint64_t { kPassed = 1, kNotReached = 2, kStartRefused = 3, kNotPermitted = 4, kFailed = 5 };

// In the child.
void Send(Report::Kind kind, uint32_t group, uint64_t position);

// The flags of a child that plays `part` on a store at `data_dir`.
std::vector<std::string> ChildFlags(const std::string& part, const std::string& data_dir,
                                    const std::vector<uint64_t>& resume);

// The children's parts; each is what main runs and returns the exit status.
int RunAppender();     // appends histories until it is killed
int RunSyncFailure();  // the same until an operation fails; then checks that the instance stays poisoned
int RunFullDisk();     // mounts a small file system and fills it

// How many groups an appender writes, three on each of two lanes (or all on one).
inline constexpr uint32_t kAppenderGroups = 6;
inline uint64_t AppenderGroupId(uint32_t group) { return 11 + group; }
inline uint32_t AppenderLane(uint32_t group, uint32_t max_lanes) { return max_lanes < 2 ? 0 : group % 2; }

}  // namespace chronik_conformance
