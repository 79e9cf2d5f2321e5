// SPDX-License-Identifier: Apache-2.0
// The command line of the suite. Give the plugin short timeouts: a test waits until a silent peer is noticed, at most
// --notice-limit-ms. --toxiproxy: the tests Faults.* go through the Toxiproxy whose HTTP interface is there.
// --refused: these options instead make a node whose certificate proves nothing to the others.
#include "sdk/conformance/transport/options.h"

#include <algorithm>
#include <string_view>

namespace chronik_conformance {
namespace {

// NAME:KEY=VALUE,KEY=VALUE...
RefusedNode ParseRefused(std::string_view text) {
  const size_t colon = text.find(':');
  RefusedNode node{.name = std::string(text.substr(0, colon)), .options = {}};
  text.remove_prefix(colon == std::string_view::npos ? text.size() : colon + 1);
  while (!text.empty()) {
    const std::string_view option = text.substr(0, text.find(','));
    const size_t equals = option.find('=');
    if (equals != std::string_view::npos)
      node.options[std::string(option.substr(0, equals))] = option.substr(equals + 1);
    text.remove_prefix(std::min(text.size(), option.size() + 1));
  }
  return node;
}

}  // namespace

SuiteOptions& Options() {
  static SuiteOptions options;
  return options;
}

void ParseOptions(int argc, char** argv) {
  SuiteOptions& options = Options();
  const auto set_notice_limit = [&](const std::string& value) {
    options.notice_limit = std::chrono::milliseconds(NumberOf("--notice-limit-ms", value));
  };
  const auto add_refused = [&](const std::string& value) { options.refused.push_back(ParseRefused(value)); };
  ParseKitFlags(argc, argv, &options,
                {{"--notice-limit-ms", "N", set_notice_limit},
                 {"--toxiproxy", "HOST:PORT", [&](const std::string& value) { options.toxiproxy = value; }},
                 {"--refused", "NAME:KEY=VALUE,KEY=VALUE...", add_refused}});
}

}  // namespace chronik_conformance
