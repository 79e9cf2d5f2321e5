// SPDX-License-Identifier: Apache-2.0
#include "sdk/conformance/check/kits.h"

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <regex>
#include <string_view>
#include <utility>
#include <vector>

#include <chronik/all.h>
#include <chronik/sdk/testing/fake_host.h>
#include <json/json.h>

#include "sdk/conformance/check/child_process.h"

namespace chronik_check {
namespace {

constexpr int kSoakRounds = 20;
constexpr int kCrashesMax = 5;  // then the rest of a kit is given up

struct Kit {
  std::string_view interface_id;
  std::string_view program;
  std::string_view title;
  std::string_view slow;  // suites that level quick leaves out
  bool has_crash_rounds;
  // What each suite holds a plugin to: said of a failure that names no rule itself.
  std::vector<std::pair<std::string_view, std::string_view>> rules;
};

Kit MetricsExporterKit() {
  return {CHR_METRICS_EXPORTER_1,
          "chronik-metrics-exporter-conformance",
          "metrics exporter",
          "Clients.ThatReadNothing*",
          false,
          {{"Address", "ME-5 ME-8"},
           {"Clients", "ME-11"},
           {"Create", "PLG-6 PLG-9"},
           {"Descriptor", "PLG-1 ME-8"},
           {"Flush", "ME-6"},
           {"Health", "ME-4 ME-9"},
           {"Instances", "PLG-6"},
           {"Lifecycle", "PLG-8 ME-12"},
           {"Scrape", "ME-2 ME-3 ME-9"}}};
}

const std::vector<Kit>& Kits() {
  static const std::vector<Kit> kits{
      {CHR_LOG_STORE_1,
       "chronik-log-store-conformance",
       "log store",
       "Crash.*:Model.*:Damage.*:SyncFailure.*:FullDisk.*:Concurrency.*",
       true,
       {{"Append", "LS-9 LS-11"},
        {"Concurrency", "LS-8 LS-17"},
        {"Contract", "PLG-1 PLG-6 GEN-5 GEN-6"},
        {"Crash", "LS-16"},
        {"Damage", "LS-28"},
        {"Durability", "LS-16"},
        {"FullDisk", "LS-22"},
        {"Groups", "LS-2 LS-3 LS-6"},
        {"Model", "LS-11 LS-23 LS-24"},
        {"Pressure", "LS-20 GEN-13"},
        {"Read", "LS-24 LS-26"},
        {"Refused", "LS-7"},
        {"Stop", "PLG-8"},
        {"SyncFailure", "LS-21 GEN-14"},
        {"Truncate", "LS-12 LS-13 LS-15"}}},
      {CHR_TRANSPORT_1,
       "chronik-transport-conformance",
       "transport",
       "Loss.*:Hostile.*:*Impostor*:*Faults*:Lifecycle.Fifty*",
       false,
       {{"Faults", "TR-1 TR-2 TR-4 TR-11 TR-15 PLG-8"},
        {"Frames", "TR-1 TR-2 TR-10"},
        {"Hostile", "TR-1 TR-14 TR-15"},
        {"Identity", "TR-13 TR-14"},
        {"Lifecycle", "PLG-6 PLG-8 PLG-9"},
        {"Loss", "TR-1 TR-4"},
        {"Peers", "TR-8 TR-9 TR-13 TR-15"},
        {"Pressure", "TR-11 TR-16"},
        {"Streams", "TR-17 TR-19 TR-21"}}},
      {CHR_SNAPSHOT_SINK_1,
       "chronik-snapshot-sink-conformance",
       "snapshot sink",
       "Crash.*:Model.*:Keys.Thousands*",
       true,
       {{"Contract", "PLG-1 PLG-6 GEN-5"},
        {"Crash", "SS-2"},
        {"Get", "SS-10 SS-11 SS-12"},
        {"Keys", "SS-1 SS-14 SS-15"},
        {"Model", "SS-2 SS-14"},
        {"Put", "SS-2 SS-8 SS-9"}}},
      {CHR_DISCOVERY_1,
       "chronik-discovery-conformance",
       "discovery",
       "",
       false,
       {{"Announce", "DI-8"},
        {"Descriptor", "PLG-1 DI-2"},
        {"Instances", "PLG-6"},
        {"Nodes", "DI-2"},
        {"Refresh", "DI-7"},
        {"Report", "DI-4 DI-5 DI-6"},
        {"Stop", "PLG-8"}}},
      MetricsExporterKit(),
  };
  return kits;
}

std::string RulesOf(const Kit& kit, const std::string& suite) {
  for (const auto& [name, rules] : kit.rules) {
    // "Loss/Cuts": the tests of Loss that are made with values.
    if (name == suite.substr(0, suite.find('/'))) return std::string(rules);
  }
  return {};
}

// The rules that a failure names: "LS-17: an operation completed twice".
std::string RulesIn(const std::string& text) {
  static const std::regex kRule("\\b(GEN|PLG|HOST|LS|TR|DI|SS|ME)-[0-9]+");
  std::string out;
  for (std::sregex_iterator it(text.begin(), text.end(), kRule), end; it != end; ++it) {
    if (out.find(it->str()) == std::string::npos) out += (out.empty() ? "" : " ") + it->str();
  }
  return out;
}

// The test that a kit was in when it ended; "" before the first.
std::string LastTest(const std::string& output) {
  constexpr std::string_view kMark = "[ RUN      ] ";
  const size_t at = output.rfind(kMark);
  if (at == std::string::npos) return {};
  const size_t begin = at + kMark.size();
  return output.substr(begin, output.find('\n', begin) - begin);
}

std::string Tail(const std::string& output) {
  constexpr size_t kBytes = 2000;
  return output.size() > kBytes ? "..." + output.substr(output.size() - kBytes) : output;
}

// What a test printed when it skipped itself.
std::string SkipReason(const std::string& output, const std::string& test) {
  constexpr std::string_view kSkipped = ": Skipped\n";
  const size_t begin = output.find("[ RUN      ] " + test + "\n");
  const size_t end = output.find("[  SKIPPED ] " + test, begin);
  if (begin == std::string::npos || end == std::string::npos) return {};
  const size_t reason = output.find(kSkipped, begin);
  if (reason >= end) return {};
  return output.substr(reason + kSkipped.size(),
                       output.find('\n', reason + kSkipped.size()) - reason - kSkipped.size());
}

Finding OfTest(const Kit& kit, const Json::Value& test, const std::string& output) {
  const std::string suite = test["classname"].asString();
  Finding finding{std::string(kit.title) + ": " + suite + "." + test["name"].asString(), RulesOf(kit, suite)};
  for (const Json::Value& failure : test["failures"]) {
    finding.outcome = Outcome::kBroken;
    finding.text += (finding.text.empty() ? "" : "\n") + failure["failure"].asString();
  }
  if (const std::string named = RulesIn(finding.text); !named.empty()) finding.rules = named;
  if (test["result"].asString() == "SKIPPED") {
    finding.outcome = Outcome::kSkipped;
    finding.text = SkipReason(output, suite + "." + test["name"].asString());
  }
  return finding;
}

Findings OfReport(const Kit& kit, const Json::Value& report, const std::string& output) {
  Findings out;
  for (const Json::Value& suite : report["testsuites"]) {
    for (const Json::Value& test : suite["testsuite"]) {
      if (test["status"].asString() == "RUN") out.push_back(OfTest(kit, test, output));
    }
  }
  return out;
}

// The end of a kit in the middle of `test`. What the test had found until then names the rules.
Finding OfCrash(const Kit& kit, const std::string& test, const Ended& ended) {
  const bool plugin_at_fault = !test.empty() || ended.signal != 0 || ended.timed_out;
  Finding finding{std::string(kit.title) + (test.empty() ? "" : ": " + test), "",
                  plugin_at_fault ? Outcome::kBroken : Outcome::kUnchecked};
  const std::string printed = test.empty() ? ended.output : ended.output.substr(ended.output.rfind("[ RUN      ] "));
  finding.text = "the process " + ended.Describe() + "\n" + Tail(printed);
  finding.rules = RulesIn(printed);
  if (finding.rules.empty()) finding.rules = RulesOf(kit, test.substr(0, test.find('.')));
  return finding;
}

// One run of the whole kit, again without the test in which the plugin crashed: so the others are still looked at.
Findings RunOnce(const Kit& kit, std::vector<std::string> command, const KitRun& run) {
  const chronik::sdk::testing::TempDir scratch;
  const std::string report = scratch.path() + "/report.json";
  command.push_back("--gtest_output=json:" + report);
  command.push_back("--gtest_color=no");
  std::string without = run.level == Level::kQuick ? std::string(kit.slow) : "";
  Findings crashed;
  while (true) {
    std::filesystem::remove(report);
    std::vector<std::string> filtered = command;
    filtered.push_back("--gtest_filter=*" + (without.empty() ? "" : ":-" + without));
    const Ended ended = RunChild(filtered, run.limit);
    std::ifstream in(report);
    Json::Value parsed;
    std::string errors;
    if (in && Json::parseFromStream(Json::CharReaderBuilder(), in, &parsed, &errors) && ended.exit_code >= 0) {
      Findings out = OfReport(kit, parsed, ended.output);
      if (out.empty()) out.push_back({std::string(kit.title), "", Outcome::kUnchecked, "it ran no test at all"});
      out.insert(out.end(), crashed.begin(), crashed.end());
      return out;
    }
    const std::string test = LastTest(ended.output);
    crashed.push_back(OfCrash(kit, test, ended));
    if (test.empty() || ended.timed_out || crashed.size() >= kCrashesMax) {
      crashed.push_back({std::string(kit.title) + ": the other tests", "", Outcome::kUnchecked, "were given up"});
      return crashed;
    }
    without += (without.empty() ? "" : ":") + test;
  }
}

}  // namespace

Findings RunKit(const KitRun& run, const std::string& interface_id) {
  const Kit* kit = nullptr;
  for (const Kit& candidate : Kits()) {
    if (candidate.interface_id == interface_id) kit = &candidate;
  }
  if (kit == nullptr) {
    return {{interface_id, "", Outcome::kSkipped, "there is no kit for it; only file and descriptor were looked at"}};
  }
  const std::string program = run.directory + "/" + std::string(kit->program);
  if (::access(program.c_str(), X_OK) != 0) {
    return {{std::string(kit->title), "", Outcome::kUnchecked, program + " is not there; install the SDK completely"}};
  }
  std::vector<std::string> command{program, "--plugin", run.plugin};
  for (const auto& [key, value] : run.options) command.insert(command.end(), {"--option", key + "=" + value});
  if (run.level != Level::kSoak) return RunOnce(*kit, command, run);

  Findings out;
  for (int round = 1; round <= kSoakRounds; ++round) {
    std::vector<std::string> seeded = command;
    seeded.insert(seeded.end(), {"--seed", std::to_string(round)});
    if (kit->has_crash_rounds) seeded.insert(seeded.end(), {"--crash-rounds", "100"});
    for (Finding& finding : RunOnce(*kit, seeded, run)) {
      finding.name += " (seed " + std::to_string(round) + ")";
      out.push_back(std::move(finding));
    }
  }
  return out;
}

}  // namespace chronik_check
