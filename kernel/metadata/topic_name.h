// SPDX-License-Identifier: Apache-2.0
// Which names a topic may have.
#pragma once

#include <string>
#include <string_view>

#include "kernel/base/result.h"

namespace chronik::metadata {

inline constexpr size_t kMaxTopicNameBytes = 249;  // KAFKA-4893: leaves room for "-<partition>" in a file name

// 1 to 249 of [a-zA-Z0-9._-], but neither "." nor "..". kInvalidTopicName, with the reason, otherwise.
Status ValidateTopicName(std::string_view name);

// Two topics with one collision key cannot both exist: metric names turn '.' into '_'.
std::string TopicCollisionKey(std::string_view name);

// Kept by the brokers themselves; clients may not create or delete them.
bool IsInternalTopic(std::string_view name);

}  // namespace chronik::metadata
