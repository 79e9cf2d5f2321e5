// SPDX-License-Identifier: Apache-2.0
// The configuration for people: --explain, --print-config and docs/configuration.md, all from the same registry.
#pragma once

#include <string>
#include <string_view>

#include "kernel/base/result.h"
#include "kernel/config/config.h"
#include "kernel/config/schema.h"

namespace chronik::config {

// All there is to know about a key ("broker.listen") or the keys of a section ("broker"); an unknown name is an error
// that holds the nearest one.
Result<std::string> Explain(const Config& config, std::string_view name);

// Every key with its value and, as a comment, its origin. A TOML file that gives the same configuration; secrets are
// "***".
std::string PrintConfig(const Config& config);

// docs/configuration.md: the kernel's keys and those of each plugin in the schema.
std::string GenerateManual(const Schema& schema);

}  // namespace chronik::config
