// SPDX-License-Identifier: Apache-2.0
// The command line of the suite.
#include "sdk/conformance/transport/options.h"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string_view>

namespace chronik_conformance {
namespace {

[[noreturn]] void Usage(const std::string& why) {
  std::fprintf(
      stderr,
      "%s\nusage: chronik-transport-conformance --plugin PATH [--option KEY=VALUE]... [--seed N]\n"
      "         [--notice-limit-ms N] [--toxiproxy HOST:PORT] [--gtest_filter=...]\n"
      "         [--refused NAME:KEY=VALUE,KEY=VALUE...]...\n"
      "Give the plugin short timeouts: a test waits until a silent peer is noticed, at most --notice-limit-ms.\n"
      "--toxiproxy: the tests Faults.* go through the Toxiproxy whose HTTP interface is there.\n"
      "--refused: these options instead make a node whose certificate proves nothing to the others.\n",
      why.c_str());
  std::exit(2);
}

uint64_t Number(std::string_view flag, std::string_view text) {
  uint64_t number = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (code != std::errc() || end != text.data() + text.size()) {
    Usage(std::string(flag) + " wants a number, not '" + std::string(text) + "'");
  }
  return number;
}

void AddOption(std::map<std::string, std::string>& options, std::string_view text) {
  const size_t equals = text.find('=');
  if (equals == std::string_view::npos) Usage("an option is KEY=VALUE, not '" + std::string(text) + "'");
  options[std::string(text.substr(0, equals))] = text.substr(equals + 1);
}

RefusedNode ParseRefused(std::string_view text) {
  const size_t colon = text.find(':');
  if (colon == std::string_view::npos) Usage("--refused wants NAME:KEY=VALUE,...");
  RefusedNode node{.name = std::string(text.substr(0, colon)), .options = {}};
  for (text.remove_prefix(colon + 1); !text.empty();) {
    const std::string_view option = text.substr(0, text.find(','));
    AddOption(node.options, option);
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
  for (int i = 1; i < argc; ++i) {
    const std::string_view flag = argv[i];
    if (i + 1 == argc) Usage(std::string(flag) + ": unknown, or its value is missing");
    const std::string value = argv[++i];
    if (flag == "--plugin") {
      options.plugin = std::filesystem::absolute(value);
    } else if (flag == "--option") {
      AddOption(options.plugin_options, value);
    } else if (flag == "--refused") {
      options.refused.push_back(ParseRefused(value));
    } else if (flag == "--toxiproxy") {
      options.toxiproxy = value;
    } else if (flag == "--seed") {
      options.seed = Number(flag, value);
    } else if (flag == "--notice-limit-ms") {
      options.notice_limit = std::chrono::milliseconds(Number(flag, value));
    } else {
      Usage("unknown flag " + std::string(flag));
    }
  }
  if (options.plugin.empty()) Usage("--plugin is required");
}

}  // namespace chronik_conformance
