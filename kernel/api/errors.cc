// SPDX-License-Identifier: Apache-2.0
#include "kernel/api/errors.h"

namespace chronik::api {

// No default: a new ErrorCode does not compile until somebody decided what a client should do.
protocol::KafkaError ToKafkaError(ErrorCode code) {
  using enum protocol::KafkaError;
  switch (code) {
    case ErrorCode::kInvalidArgument: return kInvalidRequest;
    case ErrorCode::kInvalidRecord: return kInvalidRecord;
    case ErrorCode::kCorruptMessage: return kCorruptMessage;
    case ErrorCode::kUnsupportedFormat: return kUnsupportedForMessageFormat;
    case ErrorCode::kUnsupportedCompression: return kUnsupportedCompressionType;
    case ErrorCode::kRecordTooLarge: return kMessageTooLarge;
    case ErrorCode::kInvalidTimestamp: return kInvalidTimestamp;
    case ErrorCode::kUnknownTopic: return kUnknownTopicOrPartition;
    case ErrorCode::kUnknownTopicId: return kUnknownTopicId;
    case ErrorCode::kInconsistentTopicId: return kInconsistentTopicId;
    case ErrorCode::kUnknownPartition: return kUnknownTopicOrPartition;
    case ErrorCode::kTopicExists: return kTopicAlreadyExists;
    case ErrorCode::kInvalidTopicName: return kInvalidTopicException;
    case ErrorCode::kInvalidPartitionCount: return kInvalidPartitions;
    case ErrorCode::kInvalidReplicationFactor: return kInvalidReplicationFactor;
    case ErrorCode::kInvalidReplicaAssignment: return kInvalidReplicaAssignment;
    case ErrorCode::kInvalidConfig: return kInvalidConfig;
    case ErrorCode::kPolicyViolation: return kPolicyViolation;
    case ErrorCode::kNotLeader: return kNotLeaderOrFollower;
    case ErrorCode::kLeaderNotAvailable: return kLeaderNotAvailable;
    case ErrorCode::kNotController: return kNotController;
    case ErrorCode::kFencedLeaderEpoch: return kFencedLeaderEpoch;
    case ErrorCode::kUnknownLeaderEpoch: return kUnknownLeaderEpoch;
    case ErrorCode::kOffsetOutOfRange: return kOffsetOutOfRange;
    case ErrorCode::kOffsetNotAvailable: return kOffsetNotAvailable;
    case ErrorCode::kNotEnoughReplicas: return kNotEnoughReplicas;
    case ErrorCode::kNotEnoughReplicasAfterAppend: return kNotEnoughReplicasAfterAppend;
    case ErrorCode::kTimedOut: return kRequestTimedOut;
    case ErrorCode::kOutOfOrderSequence: return kOutOfOrderSequenceNumber;
    case ErrorCode::kDuplicateSequence: return kDuplicateSequenceNumber;
    case ErrorCode::kInvalidProducerEpoch: return kInvalidProducerEpoch;
    case ErrorCode::kUnknownProducer: return kUnknownProducerId;
    case ErrorCode::kInvalidTransaction: return kInvalidTxnState;
    case ErrorCode::kCoordinatorNotAvailable: return kCoordinatorNotAvailable;
    case ErrorCode::kThrottled: return kThrottlingQuotaExceeded;
    case ErrorCode::kUnsupportedVersion: return kUnsupportedVersion;
    case ErrorCode::kNoReassignmentInProgress: return kNoReassignmentInProgress;
    case ErrorCode::kPreferredLeaderNotAvailable: return kPreferredLeaderNotAvailable;
    case ErrorCode::kEligibleLeadersNotAvailable: return kEligibleLeadersNotAvailable;
    case ErrorCode::kElectionNotNeeded: return kElectionNotNeeded;
    case ErrorCode::kReplacedBroker: return kDuplicateBrokerRegistration;
    case ErrorCode::kUnauthorized: return kClusterAuthorizationFailed;
    case ErrorCode::kNotFound: return kResourceNotFound;
    // Retriable with a metadata refresh: another replica may have it.
    case ErrorCode::kCorrupt:
    case ErrorCode::kStorage:
    case ErrorCode::kNoSpace: return kKafkaStorageError;
    // Surely not done; the client tries again.
    case ErrorCode::kOverloaded: return kRequestTimedOut;
    case ErrorCode::kShuttingDown: return kNotLeaderOrFollower;
    // A defect of ours is retriable, too: -1 would reach the application as a fatal error.
    case ErrorCode::kConfig:
    case ErrorCode::kPlugin:
    case ErrorCode::kInternal: return kKafkaStorageError;
  }
  CHRONIK_CHECK(false) << "error code " << static_cast<int>(code);
  return kKafkaStorageError;
}

}  // namespace chronik::api
