// SPDX-License-Identifier: Apache-2.0
// Reading configuration values as Kafka's tools write them: surrounding blanks do not count, booleans in any case.
#pragma once

#include <optional>
#include <string_view>

#include "kernel/base/result.h"
#include "kernel/metadata/topic_config.h"

namespace chronik::metadata {

std::string_view TrimConfigValue(std::string_view value);
std::optional<int64_t> ParseConfigInteger(std::string_view value);

// Whether `value` is one that `key` can have: type, range and allowed values. kInvalidConfig with the reason.
Status CheckConfigValue(const ConfigKey& key, std::string_view value);
// Whether two valid values of `key` mean the same.
bool SameConfigValue(const ConfigKey& key, std::string_view a, std::string_view b);

}  // namespace chronik::metadata
