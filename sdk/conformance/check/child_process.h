// SPDX-License-Identifier: Apache-2.0
// A program that may crash or hang, run to its end.
#pragma once

#include <chrono>
#include <string>
#include <vector>

namespace chronik_check {

struct Ended {
  int exit_code = -1;  // -1: it did not exit
  int signal = 0;      // that ended it
  bool timed_out = false;
  std::string output;  // both streams

  // "exited with 3", "was ended by signal 11 (Segmentation fault)", "did not end within 5 s"
  std::string Describe() const;
};

// Its children and theirs are killed with it when `limit` is over, and its temporary files removed. Throws
// std::system_error if it cannot be started.
Ended RunChild(const std::vector<std::string>& command, std::chrono::seconds limit);

}  // namespace chronik_check
