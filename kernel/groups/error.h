// SPDX-License-Identifier: Apache-2.0
// The errors that a group coordinator answers with. The numbers are Kafka's: kernel/api sends them as they are.
#pragma once

#include <cstdint>
#include <ostream>

namespace chronik::groups {

enum class GroupError : int16_t {
  kNone = 0,
  kUnknownTopicOrPartition = 3,
  kMessageTooLarge = 10,  // a group whose state would not fit one record
  kOffsetMetadataTooLarge = 12,
  kCoordinatorLoadInProgress = 14,
  kCoordinatorNotAvailable = 15,
  kNotCoordinator = 16,
  kIllegalGeneration = 22,
  kInconsistentGroupProtocol = 23,
  kInvalidGroupId = 24,
  kUnknownMemberId = 25,
  kInvalidSessionTimeout = 26,
  kRebalanceInProgress = 27,
  kInvalidCommitOffsetSize = 28,
  kUnsupportedVersion = 35,
  kInvalidRequest = 42,
  kInvalidProducerEpoch = 47,
  kNonEmptyGroup = 68,
  kGroupIdNotFound = 69,
  kMemberIdRequired = 79,
  kGroupMaxSizeReached = 81,
  kFencedInstanceId = 82,
  kGroupSubscribedToTopic = 86,
  kUnstableOffsetCommit = 88,
  kFencedMemberEpoch = 110,
  kUnreleasedInstanceId = 111,
  kUnsupportedAssignor = 112,
  kStaleMemberEpoch = 113,
  kInvalidRegularExpression = 128,
};

inline std::ostream& operator<<(std::ostream& out, GroupError error) {
  return out << "group error " << static_cast<int16_t>(error);
}

}  // namespace chronik::groups
