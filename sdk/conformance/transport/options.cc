// SPDX-License-Identifier: Apache-2.0
// The command line of the suite. Give the plugin short timeouts: a test waits until a silent peer is noticed, at most
// --notice-limit-ms. --toxiproxy: the tests Faults.* go through the Toxiproxy whose HTTP interface is there.
#include "sdk/conformance/transport/options.h"

namespace chronik_conformance {

SuiteOptions& Options() {
  static SuiteOptions options;
  return options;
}

void ParseOptions(int argc, char** argv) {
  SuiteOptions& options = Options();
  const auto set_notice_limit = [&](const std::string& value) {
    options.notice_limit = std::chrono::milliseconds(NumberOf("--notice-limit-ms", value));
  };
  ParseKitFlags(argc, argv, &options,
                {{"--notice-limit-ms", "N", set_notice_limit},
                 {"--toxiproxy", "HOST:PORT", [&](const std::string& value) { options.toxiproxy = value; }}});
}

}  // namespace chronik_conformance
