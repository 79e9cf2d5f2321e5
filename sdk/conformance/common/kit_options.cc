// SPDX-License-Identifier: Apache-2.0
#include "sdk/conformance/common/kit_options.h"

#include <errno.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include <gtest/gtest.h>

namespace chronik_conformance {
namespace {

std::string usage;

[[noreturn]] void Refuse(const std::string& why) {
  std::fprintf(stderr, "%s\n%s\n", why.c_str(), usage.c_str());
  std::exit(2);
}

std::string UsageOf(const std::vector<KitFlag>& flags) {
  std::string out = "usage: " + std::string(program_invocation_short_name) + " --plugin PATH [--option KEY=VALUE]...";
  for (const KitFlag& flag : flags) {
    if (flag.value != nullptr) out += std::string(" [") + flag.flag + " " + flag.value + "]";
  }
  return out + " [--gtest_filter=...]";
}

}  // namespace

uint64_t NumberOf(std::string_view flag, std::string_view text) {
  uint64_t number = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (code != std::errc() || end != text.data() + text.size()) {
    Refuse(std::string(flag) + " wants a number, not '" + std::string(text) + "'");
  }
  return number;
}

void ParseKitFlags(int argc, char** argv, KitOptions* out, const std::vector<KitFlag>& more) {
  std::vector<KitFlag> flags{
      {"--seed", "N", [out](const std::string& value) { out->seed = NumberOf("--seed", value); }},
      {"--crash-rounds", "N",
       [out](const std::string& value) { out->crash_rounds = NumberOf("--crash-rounds", value); }},
      {"--child", nullptr, [out](const std::string& value) { out->child = value; }},
      {"--data-dir", nullptr, [out](const std::string& value) { out->data_dir = value; }}};
  flags.insert(flags.end(), more.begin(), more.end());
  usage = UsageOf(flags);
  flags.push_back(
      {"--plugin", nullptr, [out](const std::string& value) { out->plugin = std::filesystem::absolute(value); }});
  flags.push_back({"--option", nullptr, [out](const std::string& value) {
                     const size_t equals = value.find('=');
                     if (equals == std::string::npos) Refuse("--option wants KEY=VALUE");
                     out->plugin_options[value.substr(0, equals)] = value.substr(equals + 1);
                   }});
  for (int i = 1; i < argc; ++i) {
    const std::string name = argv[i];
    const auto flag = std::find_if(flags.begin(), flags.end(), [&](const KitFlag& f) { return f.flag == name; });
    if (flag == flags.end()) Refuse("unknown flag " + name);
    if (++i == argc) Refuse(name + " wants a value");
    flag->set(argv[i]);
  }
  if (out->plugin.empty()) Refuse("--plugin is required");
}

void ReportBreach(const KitOptions& options, const std::string& rule) {
  if (!options.child.empty()) {
    std::fprintf(stderr, "child %s: %s\n", options.child.c_str(), rule.c_str());
    std::_Exit(3);
  }
  ADD_FAILURE() << rule;
}

std::vector<std::string> FlagsForChild(const KitOptions& options) {
  std::vector<std::string> out{"--plugin", options.plugin, "--seed", std::to_string(options.seed)};
  for (const auto& [key, value] : options.plugin_options) out.insert(out.end(), {"--option", key + "=" + value});
  return out;
}

}  // namespace chronik_conformance
