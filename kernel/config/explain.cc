// SPDX-License-Identifier: Apache-2.0
#include "kernel/config/explain.h"

#include <algorithm>

#include "kernel/config/nearest.h"

namespace chronik::config {
namespace {

constexpr size_t kCommentColumn = 48;

// A path in an origin may hold anything; a comment must stay on its line.
std::string OneLine(std::string text) {
  std::replace_if(
      text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }, '?');
  return text;
}

void AppendRow(std::string* out, std::string_view label, const std::string& text) {
  if (text.empty()) return;
  *out += "  " + std::string(label);
  out->append(std::max<size_t>(10, label.size() + 1) - label.size(), ' ');
  *out += text + '\n';
}

std::string ExplainEntry(const Entry& entry) {
  const OptionSpec& spec = entry.spec;
  std::string out = spec.name() + " = " + FormatValue(spec, entry.value) + '\n';
  AppendRow(&out, "from", OneLine(entry.origin.where));
  AppendRow(&out, "type", TypeText(spec));
  if (!spec.default_doc.empty()) {
    AppendRow(&out, "default", spec.default_doc);
  } else if (spec.default_text) {
    const Result<Value> standard = ParseValue(spec, *spec.default_text);
    AppendRow(&out, "default", standard.ok() ? FormatValue(spec, *standard) : "");
  } else {
    AppendRow(&out, "default", "none, the key is required");
  }
  AppendRow(&out, "range", spec.range);
  AppendRow(&out, "variable", spec.environment);
  AppendRow(&out, "flag", spec.flag.empty() ? "" : "--" + spec.flag);
  AppendRow(&out, "", spec.doc);
  if (!spec.effective) AppendRow(&out, "", "Has no effect in this version: only the default is accepted.");
  return out;
}

}  // namespace

Result<std::string> Explain(const Config& config, std::string_view name) {
  if (const Entry* entry = config.Find(name)) return ExplainEntry(*entry);
  std::string out;
  std::vector<std::string> names, same_key;
  for (const Entry& entry : config.entries()) {
    if (entry.spec.section == name) out += (out.empty() ? "" : "\n") + ExplainEntry(entry);
    if (entry.spec.key == name) same_key.push_back(entry.spec.name());
    names.push_back(entry.spec.name());
  }
  if (!out.empty()) return out;
  if (!same_key.empty()) {
    std::string list;
    for (const std::string& full : same_key) list += (list.empty() ? "'" : ", '") + full + "'";
    return Error{ErrorCode::kConfig, "unknown key '" + std::string(name) + "'; did you mean " + list + "?"};
  }
  for (const SectionDoc& section : KernelSections()) names.emplace_back(section.name);
  return Error{ErrorCode::kConfig, "unknown key '" + std::string(name) + "'" + Suggestion(name, names)};
}

std::string PrintConfig(const Config& config) {
  std::string out, section;
  for (const Entry& entry : config.entries()) {
    if (entry.spec.section != section) {
      section = entry.spec.section;
      out += (out.empty() ? "[" : "\n[") + section + "]\n";
    }
    std::string line = entry.spec.key + " = " + FormatValue(entry.spec, entry.value);
    line.append(line.size() < kCommentColumn ? kCommentColumn - line.size() : 1, ' ');
    out += line + "# " + OneLine(entry.origin.where) + '\n';
  }
  return out;
}

}  // namespace chronik::config
