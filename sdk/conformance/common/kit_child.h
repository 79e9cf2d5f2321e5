// SPDX-License-Identifier: Apache-2.0
// A child process of a kit: the kit itself again with --child, which reports over a pipe until it is killed.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <string>
#include <type_traits>
#include <vector>

namespace chronik_conformance {

// In the child: writes a report with one write; ends the process if the parent is gone.
void SendToParent(const void* report, size_t size);

class KitChild {
 public:
  // Runs this program with these flags, behind `wrapper` (for example strace and its arguments) if there is one.
  explicit KitChild(std::vector<std::string> flags, std::vector<std::string> wrapper = {});
  ~KitChild();  // kills it if it still runs
  KitChild(const KitChild&) = delete;
  KitChild& operator=(const KitChild&) = delete;

  // The next report; false at the end of the pipe or at the deadline.
  template <class Report>
  bool Next(Report* report, std::chrono::steady_clock::time_point deadline) {
    static_assert(std::is_trivially_copyable_v<Report>);
    return Receive(report, sizeof *report, deadline);
  }
  void Kill();
  int Wait();  // the wait status

 private:
  bool Receive(void* report, size_t size, std::chrono::steady_clock::time_point deadline);

  pid_t pid_ = -1;
  int pipe_ = -1;
};

}  // namespace chronik_conformance
