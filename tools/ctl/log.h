// SPDX-License-Identifier: Apache-2.0
// `chronikctl log`: looks into the logs of a broker that does not run.
#pragma once

#include <cstdint>
#include <string>

#include "tools/ctl/command.h"

namespace chronik::ctl {

// A topic's partition, or a group by its id; neither: all groups (of verify).
struct LogSelector {
  std::string topic;
  int32_t partition = -1;
  uint64_t group = 0;
};

struct DumpOptions {
  LogSelector log;
  uint64_t from = 1;   // index
  uint64_t count = 0;  // 0: to the end
  bool records = false;
};

// Text: a line for each entry; JSON: an object a line.
int LogDump(const Globals& globals, const DumpOptions& options);
int LogVerify(const Globals& globals, const LogSelector& selector);

}  // namespace chronik::ctl
