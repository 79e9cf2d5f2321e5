// SPDX-License-Identifier: Apache-2.0
// chronik-plugin-check: holds any plugin to interfaces/ABI.md: its file, its descriptor, and each interface that it
// offers.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <fstream>
#include <map>
#include <stdexcept>
#include <string>

#include <json/json.h>

#include "sdk/conformance/check/descriptor.h"
#include "sdk/conformance/check/elf_file.h"
#include "sdk/conformance/check/kits.h"
#include "sdk/conformance/check/report.h"

namespace {

using namespace chronik_check;

constexpr const char* kUsage =
    "usage: chronik-plugin-check PLUGIN.so [--config FILE.json] [--level quick|full|soak] [--json FILE]\n"
    "                            [--timeout SECONDS]\n"
    "  --config  the plugin's options as one JSON object: {\"max_inflight_bytes\": \"4MiB\"}\n"
    "  --level   quick: seconds, no crashes or random histories; full (the default): the whole kit of each interface;\n"
    "            soak: twenty times with other seeds and many crashes\n"
    "  --timeout what one run of a kit may take; 180 for quick, otherwise 1800\n"
    "  --json    writes the report there as well\n"
    "exit code: 0 every rule that was looked at is kept; 1 a rule is broken; 2 the check could not be made or "
    "completed\n";

struct Arguments {
  std::string plugin;
  std::string config;
  std::string level = "full";
  std::string json;
  std::string timeout;
  std::string describe;  // the part of the child process
};

[[noreturn]] void Usage(const std::string& why) {
  std::fprintf(stderr, "chronik-plugin-check: %s\n%s", why.c_str(), kUsage);
  std::exit(2);
}

Arguments Parse(int argc, char** argv) {
  Arguments out;
  const std::map<std::string, std::string*> flags{{"--config", &out.config},
                                                  {"--level", &out.level},
                                                  {"--json", &out.json},
                                                  {"--timeout", &out.timeout},
                                                  {"--describe", &out.describe}};
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    if (argument == "--help") {
      std::fputs(kUsage, stdout);
      std::exit(0);
    }
    if (!argument.starts_with("-")) {
      if (!out.plugin.empty()) Usage("one plugin at a time, not " + argument + " too");
      out.plugin = std::filesystem::absolute(argument);
      continue;
    }
    const auto flag = flags.find(argument);
    if (flag == flags.end()) Usage("unknown flag " + argument);
    if (++i == argc) Usage(argument + " wants a value");
    *flag->second = argv[i];
  }
  if (out.plugin.empty()) Usage("which plugin?");
  return out;
}

Level ParseLevel(const std::string& text) {
  if (text == "quick") return Level::kQuick;
  if (text == "full") return Level::kFull;
  if (text == "soak") return Level::kSoak;
  Usage("--level is quick, full or soak, not " + text);
}

std::chrono::seconds Limit(const Arguments& arguments, Level level) {
  if (arguments.timeout.empty()) return std::chrono::seconds(level == Level::kQuick ? 180 : 1800);
  const int seconds = std::atoi(arguments.timeout.c_str());
  if (seconds <= 0) Usage("--timeout wants a number of seconds, not " + arguments.timeout);
  return std::chrono::seconds(seconds);
}

std::map<std::string, std::string> ReadOptions(const std::string& path) {
  std::map<std::string, std::string> out;
  if (path.empty()) return out;
  std::ifstream in(path);
  Json::Value parsed;
  std::string errors;
  if (!in) throw std::runtime_error(path + " cannot be read");
  if (!Json::parseFromStream(Json::CharReaderBuilder(), in, &parsed, &errors))
    throw std::runtime_error(path + ": " + errors);
  if (!parsed.isObject()) throw std::runtime_error(path + " is not one JSON object of options");
  for (const std::string& key : parsed.getMemberNames()) {
    if (!parsed[key].isConvertibleTo(Json::stringValue))
      throw std::runtime_error(path + ": " + key + " is no plain value");
    out[key] = parsed[key].asString();
  }
  return out;
}

int Check(const Arguments& arguments) {
  const Level level = ParseLevel(arguments.level);
  const std::map<std::string, std::string> options = ReadOptions(arguments.config);
  Findings findings = CheckElf(arguments.plugin);
  const auto add = [&](const Findings& more) { findings.insert(findings.end(), more.begin(), more.end()); };
  if (ExitCode(findings) == 0) {
    const Description description = Describe(arguments.plugin, arguments.config);
    add(description.findings);
    const std::string directory = std::filesystem::canonical("/proc/self/exe").parent_path();
    // A kit would only stumble over a broken descriptor, and say less.
    if (ExitCode(findings) == 0) {
      const KitRun run{directory, arguments.plugin, options, level, Limit(arguments, level)};
      for (const std::string& id : description.interfaces) add(RunKit(run, id));
    }
  }
  std::fputs(ToText(arguments.plugin, findings).c_str(), stdout);
  if (!arguments.json.empty()) {
    std::ofstream out(arguments.json);
    out << ToJson(arguments.plugin, arguments.level, findings);
    if (!out.flush()) throw std::runtime_error(arguments.json + " cannot be written");
  }
  return ExitCode(findings);
}

}  // namespace

int main(int argc, char** argv) {
  const Arguments arguments = Parse(argc, argv);
  try {
    if (!arguments.describe.empty()) {
      return DescribeInChild(arguments.plugin, ReadOptions(arguments.config), arguments.describe);
    }
    return Check(arguments);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "chronik-plugin-check: %s\n", e.what());
    return 2;
  }
}
