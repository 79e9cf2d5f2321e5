// SPDX-License-Identifier: Apache-2.0
// CHRONIK_MUTANT(name): a known bug that can be switched on, written where the rule stands that it breaks. It is the
// constant false in every build but that of tests/simulation/mutation_test, which proves that the simulator sees the
// bug; that program says which mutant is on. Only in .cc files, and in headers that none but the listed sources
// include: tests/simulation/CMakeLists.txt has the list.
#pragma once

#ifdef CHRONIK_MUTATIONS

#include <string_view>

namespace chronik {
bool MutantIsOn(std::string_view name);
}  // namespace chronik

#define CHRONIK_MUTANT(name) ::chronik::MutantIsOn(#name)

#else

#define CHRONIK_MUTANT(name) false

#endif
