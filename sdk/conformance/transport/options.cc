// SPDX-License-Identifier: Apache-2.0
// The command line of the suite.
#include "sdk/conformance/transport/options.h"

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
      "Give the plugin short timeouts: a test waits until a silent peer is noticed, at most --notice-limit-ms.\n"
      "--toxiproxy: the tests Faults.* go through the Toxiproxy whose HTTP interface is there.\n",
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
      const size_t equals = value.find('=');
      if (equals == std::string::npos) Usage("--option wants KEY=VALUE");
      options.plugin_options[value.substr(0, equals)] = value.substr(equals + 1);
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
