// SPDX-License-Identifier: Apache-2.0
// How answers are printed: JSON as it is, or tables with aligned columns.
#pragma once

#include <json/value.h>

#include <string>
#include <vector>

namespace chronik::ctl {

void PrintJson(const Json::Value& value);      // indented
void PrintJsonLine(const Json::Value& value);  // on one line

class Table {
 public:
  explicit Table(std::vector<std::string> header) { rows_.push_back(std::move(header)); }
  void Add(std::vector<std::string> row) { rows_.push_back(std::move(row)); }
  void Print() const;

 private:
  std::vector<std::vector<std::string>> rows_;
};

// "1,2,3" of an array; "-" of null or an empty one; else its text.
std::string Text(const Json::Value& value);

}  // namespace chronik::ctl
