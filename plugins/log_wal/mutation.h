// SPDX-License-Identifier: Apache-2.0
// CHRONIK_MUTANT(name), as in kernel/base/mutation.h, which a plugin does not see: a known bug that can be switched on
// in tests/simulation/mutation_test, and the constant false everywhere else.
#pragma once

#ifdef CHRONIK_MUTATIONS

#include <string_view>

namespace chronik_log_wal {
bool MutantIsOn(std::string_view name);
}  // namespace chronik_log_wal

#define CHRONIK_MUTANT(name) ::chronik_log_wal::MutantIsOn(#name)

#else

#define CHRONIK_MUTANT(name) false

#endif
