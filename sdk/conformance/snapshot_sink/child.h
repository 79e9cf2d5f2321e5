// SPDX-License-Identifier: Apache-2.0
// The kit's child process: itself again with --child, which puts objects and reports each step over a pipe until it is
// killed.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <string>

namespace chronik_conformance {

// Written with one write. Object n has the key ChildKey(prefix, n) and, in its v-th version, ChildContents(n, v).
struct Report {
  enum Kind : uint32_t { kBegun = 1, kCommitAsked = 2, kCommitted = 3 };
  uint32_t kind;
  uint32_t version;
  uint64_t object;
};

class Child {
 public:
  Child(const std::string& data_dir, const std::string& key_prefix, uint64_t seed);
  ~Child();  // kills it if it still runs
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  // The next report; false at the end of the pipe or at the deadline.
  bool Next(Report* report, std::chrono::steady_clock::time_point deadline);
  void Kill();
  int Wait();  // the wait status

 private:
  pid_t pid_ = -1;
  int pipe_ = -1;
};

// In the child: does not return.
int RunWriter();

// Few objects, so that many are replaced.
inline constexpr uint64_t kChildObjects = 5;
std::string ChildKey(const std::string& prefix, uint64_t object);
std::string ChildContents(uint64_t object, uint32_t version);

}  // namespace chronik_conformance
