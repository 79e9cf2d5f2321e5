// SPDX-License-Identifier: Apache-2.0
#include "kernel/base/result.h"

namespace chronik {

std::string_view ErrorCodeName(ErrorCode code) {
  switch (code) {
#define CHRONIK_NAME(name, text) \
  case ErrorCode::name: return text
    CHRONIK_NAME(kInvalidArgument, "invalid argument");
    CHRONIK_NAME(kInvalidRecord, "invalid record");
    CHRONIK_NAME(kCorruptMessage, "corrupt message");
    CHRONIK_NAME(kUnsupportedFormat, "unsupported message format");
    CHRONIK_NAME(kUnsupportedCompression, "unsupported compression");
    CHRONIK_NAME(kRecordTooLarge, "record too large");
    CHRONIK_NAME(kInvalidTimestamp, "invalid timestamp");
    CHRONIK_NAME(kUnknownTopic, "unknown topic");
    CHRONIK_NAME(kUnknownTopicId, "unknown topic id");
    CHRONIK_NAME(kInconsistentTopicId, "inconsistent topic id");
    CHRONIK_NAME(kUnknownPartition, "unknown partition");
    CHRONIK_NAME(kTopicExists, "topic exists");
    CHRONIK_NAME(kInvalidTopicName, "invalid topic name");
    CHRONIK_NAME(kInvalidPartitionCount, "invalid partition count");
    CHRONIK_NAME(kInvalidReplicationFactor, "invalid replication factor");
    CHRONIK_NAME(kInvalidReplicaAssignment, "invalid replica assignment");
    CHRONIK_NAME(kInvalidConfig, "invalid config");
    CHRONIK_NAME(kPolicyViolation, "policy violation");
    CHRONIK_NAME(kNotLeader, "not leader");
    CHRONIK_NAME(kLeaderNotAvailable, "leader not available");
    CHRONIK_NAME(kNotController, "not controller");
    CHRONIK_NAME(kFencedLeaderEpoch, "fenced leader epoch");
    CHRONIK_NAME(kUnknownLeaderEpoch, "unknown leader epoch");
    CHRONIK_NAME(kOffsetOutOfRange, "offset out of range");
    CHRONIK_NAME(kOffsetNotAvailable, "offset not available");
    CHRONIK_NAME(kNotEnoughReplicas, "not enough replicas");
    CHRONIK_NAME(kNotEnoughReplicasAfterAppend, "not enough replicas after append");
    CHRONIK_NAME(kTimedOut, "timed out");
    CHRONIK_NAME(kOutOfOrderSequence, "out of order sequence");
    CHRONIK_NAME(kDuplicateSequence, "duplicate sequence");
    CHRONIK_NAME(kInvalidProducerEpoch, "invalid producer epoch");
    CHRONIK_NAME(kUnknownProducer, "unknown producer");
    CHRONIK_NAME(kInvalidTransaction, "invalid transaction state");
    CHRONIK_NAME(kCoordinatorNotAvailable, "coordinator not available");
    CHRONIK_NAME(kThrottled, "throttled");
    CHRONIK_NAME(kUnsupportedVersion, "unsupported version");
    CHRONIK_NAME(kUnauthorized, "unauthorized");
    CHRONIK_NAME(kNoReassignmentInProgress, "no reassignment in progress");
    CHRONIK_NAME(kPreferredLeaderNotAvailable, "preferred leader not available");
    CHRONIK_NAME(kEligibleLeadersNotAvailable, "eligible leaders not available");
    CHRONIK_NAME(kElectionNotNeeded, "election not needed");
    CHRONIK_NAME(kReplacedBroker, "replaced broker");
    CHRONIK_NAME(kNotFound, "not found");
    CHRONIK_NAME(kCorrupt, "corrupt data");
    CHRONIK_NAME(kStorage, "storage error");
    CHRONIK_NAME(kNoSpace, "no space");
    CHRONIK_NAME(kOverloaded, "overloaded");
    CHRONIK_NAME(kShuttingDown, "shutting down");
    CHRONIK_NAME(kConfig, "configuration");
    CHRONIK_NAME(kPlugin, "plugin");
    CHRONIK_NAME(kInternal, "internal error");
#undef CHRONIK_NAME
  }
  CHRONIK_CHECK(false) << "error code " << static_cast<int>(code);
}

ErrorCode ErrorCodeNamed(std::string_view name) {
  for (int code = 0; code < static_cast<int>(ErrorCode::kInternal); ++code) {
    if (ErrorCodeName(static_cast<ErrorCode>(code)) == name) return static_cast<ErrorCode>(code);
  }
  return ErrorCode::kInternal;
}

}  // namespace chronik
