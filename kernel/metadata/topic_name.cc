// SPDX-License-Identifier: Apache-2.0
#include "kernel/metadata/topic_name.h"

#include <algorithm>

namespace chronik::metadata {
namespace {

// By hand: <cctype> depends on the locale.
bool IsAllowed(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';
}

Error Invalid(std::string why) { return Error{ErrorCode::kInvalidTopicName, std::move(why)}; }

}  // namespace

Status ValidateTopicName(std::string_view name) {
  if (name.empty()) return Invalid("a topic name must not be empty");
  if (name == "." || name == "..") return Invalid("a topic name must not be \".\" or \"..\"");
  if (name.size() > kMaxTopicNameBytes) {
    return Invalid("a topic name has at most " + std::to_string(kMaxTopicNameBytes) + " characters, this one has " +
                   std::to_string(name.size()));
  }
  if (!std::all_of(name.begin(), name.end(), IsAllowed)) {
    return Invalid("a topic name has no characters but ASCII letters, digits, '.', '_' and '-'");
  }
  return {};
}

std::string TopicCollisionKey(std::string_view name) {
  std::string key(name);
  std::replace(key.begin(), key.end(), '.', '_');
  return key;
}

bool IsInternalTopic(std::string_view name) {
  return name == "__consumer_offsets" || name == "__transaction_state" || name == "__share_group_state";
}

}  // namespace chronik::metadata
