// SPDX-License-Identifier: Apache-2.0
#include "tools/ctl/output.h"

#include <json/writer.h>

#include <algorithm>
#include <iostream>

namespace chronik::ctl {
namespace {

std::string Written(const Json::Value& value, const char* indentation) {
  Json::StreamWriterBuilder builder;
  builder["indentation"] = indentation;
  builder["emitUTF8"] = true;
  return Json::writeString(builder, value);
}

}  // namespace

void PrintJson(const Json::Value& value) { std::cout << Written(value, "  ") << "\n"; }

void PrintJsonLine(const Json::Value& value) { std::cout << Written(value, "") << "\n"; }

void Table::Print() const {
  std::vector<size_t> widths(rows_.front().size());
  for (const auto& row : rows_) {
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  for (const auto& row : rows_) {
    std::string line;
    for (size_t i = 0; i < row.size(); ++i) {
      line += row[i];
      if (i + 1 < row.size()) line.append(widths[i] - row[i].size() + 2, ' ');
    }
    std::cout << line << "\n";
  }
}

std::string Text(const Json::Value& value) {
  if (value.isNull()) return "-";
  if (!value.isArray()) return value.asString();
  std::string out;
  for (const Json::Value& element : value) out += (out.empty() ? "" : ",") + element.asString();
  return out.empty() ? "-" : out;
}

}  // namespace chronik::ctl
