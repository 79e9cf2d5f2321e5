// SPDX-License-Identifier: Apache-2.0
#include "kernel/config/nearest.h"

#include <algorithm>
#include <limits>

namespace chronik::config {
namespace {

constexpr size_t kNameLengthMax = 128;  // longer ones resemble nothing; bounds the quadratic work
constexpr size_t kListedNamesMax = 12;

char Lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

}  // namespace

size_t EditDistance(std::string_view a, std::string_view b) {
  // Optimal string alignment: rows i-2, i-1 and i of the usual table.
  std::vector<size_t> before_last(b.size() + 1), last(b.size() + 1), row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) last[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t replace = Lower(a[i - 1]) == Lower(b[j - 1]) ? 0 : 1;
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, last[j - 1] + replace});
      const bool swapped = i > 1 && j > 1 && Lower(a[i - 1]) == Lower(b[j - 2]) && Lower(a[i - 2]) == Lower(b[j - 1]);
      if (swapped) row[j] = std::min(row[j], before_last[j - 2] + 1);
    }
    before_last.swap(last);
    last.swap(row);
  }
  return last[b.size()];
}

std::string NearestName(std::string_view name, const std::vector<std::string>& candidates) {
  if (name.size() > kNameLengthMax) return "";
  const std::string* nearest = nullptr;
  size_t least = std::numeric_limits<size_t>::max();
  for (const std::string& candidate : candidates) {
    const size_t distance = EditDistance(name, candidate);
    if (distance < least) {
      least = distance;
      nearest = &candidate;
    }
  }
  // A third of the letters may be wrong, three in any case unless that would be nearly all of them.
  const size_t tolerated = std::max(name.size() / 3, std::min<size_t>(3, name.size() / 2));
  return nearest != nullptr && least <= tolerated ? *nearest : "";
}

std::string Suggestion(std::string_view name, const std::vector<std::string>& candidates) {
  if (std::find(candidates.begin(), candidates.end(), name) != candidates.end()) return "";
  const std::string nearest = NearestName(name, candidates);
  if (!nearest.empty()) return "; did you mean '" + nearest + "'?";
  if (candidates.empty()) return "";
  std::string list;
  for (size_t i = 0; i < std::min(candidates.size(), kListedNamesMax); ++i)
    list += (i == 0 ? "" : ", ") + candidates[i];
  return "; known: " + list + (candidates.size() > kListedNamesMax ? ", ..." : "");
}

}  // namespace chronik::config
