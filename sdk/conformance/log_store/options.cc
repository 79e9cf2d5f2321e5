// SPDX-License-Identifier: Apache-2.0
// The command line of the suite.
#include "sdk/conformance/log_store/options.h"

#include <algorithm>
#include <string>
#include <string_view>

namespace chronik_conformance {
namespace {

std::vector<uint64_t> Numbers(std::string_view flag, std::string_view text) {
  std::vector<uint64_t> numbers;
  while (!text.empty()) {
    const size_t comma = std::min(text.find(','), text.size());
    numbers.push_back(NumberOf(flag, text.substr(0, comma)));
    text.remove_prefix(std::min(comma + 1, text.size()));
  }
  return numbers;
}

}  // namespace

SuiteOptions& Options() {
  static SuiteOptions options;
  return options;
}

void ParseOptions(int argc, char** argv) {
  SuiteOptions& options = Options();
  ParseKitFlags(
      argc, argv, &options,
      {{"--full-disk-mib", "N",
        [&](const std::string& value) { options.full_disk_mib = NumberOf("--full-disk-mib", value); }},
       {"--resume", nullptr, [&](const std::string& value) { options.resume = Numbers("--resume", value); }}});
}

}  // namespace chronik_conformance
