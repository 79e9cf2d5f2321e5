// SPDX-License-Identifier: Apache-2.0
#include "sdk/conformance/check/report.h"

#include <algorithm>
#include <sstream>

#include <json/json.h>

namespace chronik_check {
namespace {

const char* Word(Outcome outcome) {
  switch (outcome) {
    case Outcome::kKept: return "kept";
    case Outcome::kBroken: return "broken";
    case Outcome::kSkipped: return "skipped";
    case Outcome::kRemark: return "remark";
    case Outcome::kUnchecked: return "unchecked";
  }
  return "";
}

int64_t Count(const Findings& findings, Outcome outcome) {
  return std::count_if(findings.begin(), findings.end(), [&](const Finding& f) { return f.outcome == outcome; });
}

const char* Verdict(const Findings& findings) {
  const int code = ExitCode(findings);
  return code == 0 ? "kept" : code == 1 ? "broken" : "unchecked";
}

}  // namespace

int ExitCode(const Findings& findings) {
  return Count(findings, Outcome::kBroken) > 0 ? 1 : Count(findings, Outcome::kUnchecked) > 0 ? 2 : 0;
}

std::string ToText(const std::string& plugin, const Findings& findings) {
  std::ostringstream out;
  for (const Finding& finding : findings) {
    out << "  " << Word(finding.outcome) << std::string(10 - std::string(Word(finding.outcome)).size(), ' ')
        << finding.name;
    if (!finding.rules.empty()) out << "  [" << finding.rules << "]";
    out << "\n";
    std::istringstream lines(finding.text);
    for (std::string line; std::getline(lines, line);) out << "              " << line << "\n";
  }
  out << plugin << ": " << Verdict(findings) << " (" << Count(findings, Outcome::kKept) << " kept, "
      << Count(findings, Outcome::kBroken) << " broken, " << Count(findings, Outcome::kSkipped) << " skipped, "
      << Count(findings, Outcome::kUnchecked) << " unchecked)\n";
  return out.str();
}

std::string ToJson(const std::string& plugin, const std::string& level, const Findings& findings) {
  Json::Value out;
  out["plugin"] = plugin;
  out["level"] = level;
  out["verdict"] = Verdict(findings);
  out["checks"] = Json::arrayValue;
  for (const Finding& finding : findings) {
    Json::Value& check = out["checks"].append(Json::objectValue);
    check["name"] = finding.name;
    check["outcome"] = Word(finding.outcome);
    check["text"] = finding.text;
    check["rules"] = Json::arrayValue;
    std::istringstream rules(finding.rules);
    for (std::string rule; rules >> rule;) check["rules"].append(rule);
  }
  return Json::writeString(Json::StreamWriterBuilder(), out) + "\n";
}

}  // namespace chronik_check
