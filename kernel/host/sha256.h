// SPDX-License-Identifier: Apache-2.0
// SHA-256 (FIPS 180-4), for pins of plugin files: a few megabytes at a start, so plain code will do.
#pragma once

#include <string>
#include <string_view>

namespace chronik::host {

// 64 lower-case hexadecimal digits.
std::string Sha256(std::string_view bytes);

}  // namespace chronik::host
