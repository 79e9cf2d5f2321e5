// SPDX-License-Identifier: Apache-2.0
// How the suite's children are told what to do, and what they report.
#include "sdk/conformance/log_store/process.h"

#include "sdk/conformance/common/kit_child.h"
#include "sdk/conformance/log_store/options.h"

namespace chronik_conformance {

std::vector<std::string> ChildFlags(const std::string& part, const std::string& data_dir,
                                    const std::vector<uint64_t>& resume) {
  std::vector<std::string> flags = FlagsForChild(Options());
  flags.insert(flags.end(),
               {"--child", part, "--data-dir", data_dir, "--full-disk-mib", std::to_string(Options().full_disk_mib)});
  std::string positions;
  for (const uint64_t position : resume) positions += (positions.empty() ? "" : ",") + std::to_string(position);
  if (!positions.empty()) flags.insert(flags.end(), {"--resume", positions});
  return flags;
}

void Send(Report::Kind kind, uint32_t group, uint64_t position) {
  const Report report{kind, group, position};
  SendToParent(&report, sizeof report);
}

}  // namespace chronik_conformance
