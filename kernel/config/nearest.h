// SPDX-License-Identifier: Apache-2.0
// The valid name that somebody most likely meant.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace chronik::config {

// Insertions, deletions, replacements and swaps of neighbours that turn one into the other; case does not count.
size_t EditDistance(std::string_view a, std::string_view b);

// The candidate with the least distance, the first of equals; "" if there is none near enough to be meant.
std::string NearestName(std::string_view name, const std::vector<std::string>& candidates);

// "; did you mean 'listen'?", or "; known: a, b, c" where nothing is near; "" without candidates, or if
// `name` is one of them: then something else is wrong with it.
std::string Suggestion(std::string_view name, const std::vector<std::string>& candidates);

}  // namespace chronik::config
