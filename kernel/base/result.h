// SPDX-License-Identifier: Apache-2.0
// Errors as values. Inside the kernel a function that can fail returns Result<T> or Status; exceptions stop at the
// edges of the libraries that throw them.
#pragma once

#include <optional>
#include <ostream>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include "kernel/base/invariant.h"

namespace chronik {

// What went wrong, in the kernel's own terms. kernel/api/errors.cc maps each to a Kafka error code in one switch
// without default, so that a new value does not compile until somebody decided what a client should do.
enum class ErrorCode {
  kInvalidArgument,    // the caller's request makes no sense; the text says why
  kInvalidRecord,      // a record batch breaks a rule of its content (KIP-467)
  kCorruptMessage,     // a record batch fails its CRC or is cut short
  kUnsupportedFormat,  // record batch of magic 0 or 1
  kUnsupportedCompression,
  kRecordTooLarge,
  kInvalidTimestamp,
  kUnknownTopic,
  kUnknownTopicId,
  kInconsistentTopicId,
  kUnknownPartition,
  kTopicExists,
  kInvalidTopicName,
  kInvalidPartitionCount,
  kInvalidReplicationFactor,
  kInvalidReplicaAssignment,
  kInvalidConfig,
  kPolicyViolation,
  kNotLeader,           // surely not appended
  kLeaderNotAvailable,  // an election is under way
  kNotController,
  kFencedLeaderEpoch,
  kUnknownLeaderEpoch,
  kOffsetOutOfRange,
  kOffsetNotAvailable,  // the high watermark is not known yet after an election
  kNotEnoughReplicas,
  kNotEnoughReplicasAfterAppend,
  kTimedOut,  // the outcome is unknown
  kOutOfOrderSequence,
  kDuplicateSequence,
  kInvalidProducerEpoch,
  kUnknownProducer,
  kInvalidTransaction,
  kCoordinatorNotAvailable,
  kThrottled,
  kUnsupportedVersion,
  kUnauthorized,
  kNoReassignmentInProgress,
  kPreferredLeaderNotAvailable,
  kEligibleLeadersNotAvailable,
  kElectionNotNeeded,
  kReplacedBroker,  // another data directory has its place in the cluster
  kNotFound,
  kCorrupt,  // stored bytes fail their checksum
  kStorage,  // disk error; this replica no longer works
  kNoSpace,
  kOverloaded,  // a bound of memory or queue was reached; try again
  kShuttingDown,
  kConfig,  // configuration refused; the text names the key
  kPlugin,  // a plugin was refused or broke its contract
  kInternal,
};

std::string_view ErrorCodeName(ErrorCode code);
// The code of that name, as another node wrote it; kInternal if this release has none.
ErrorCode ErrorCodeNamed(std::string_view name);

struct [[nodiscard]] Error {
  ErrorCode code;
  std::string message;
};

inline std::ostream& operator<<(std::ostream& out, const Error& error) {
  return out << ErrorCodeName(error.code) << ": " << error.message;
}

// A value or an Error. Reading the wrong side stops the process.
template <class T>
class [[nodiscard]] Result {
 public:
  Result(T result) : state_(std::in_place_index<0>, std::move(result)) {}
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}

  bool ok() const { return state_.index() == 0; }
  explicit operator bool() const { return ok(); }
  const T& value() const& {
    CHRONIK_CHECK(ok()) << error().message;
    return std::get<0>(state_);
  }
  T& value() & {
    CHRONIK_CHECK(ok()) << error().message;
    return std::get<0>(state_);
  }
  T&& value() && {
    CHRONIK_CHECK(ok()) << error().message;
    return std::get<0>(std::move(state_));
  }
  const T& operator*() const& { return value(); }
  T& operator*() & { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  const T* operator->() const { return &value(); }
  T* operator->() { return &value(); }
  const Error& error() const {
    CHRONIK_CHECK(state_.index() == 1) << "error() of a Result that holds a value";
    return std::get<1>(state_);
  }

 private:
  std::variant<T, Error> state_;
};

// Success, or an Error.
template <>
class [[nodiscard]] Result<void> {
 public:
  Result() = default;
  Result(Error error) : error_(std::move(error)) {}

  bool ok() const { return !error_.has_value(); }
  explicit operator bool() const { return ok(); }
  const Error& error() const {
    CHRONIK_CHECK(error_.has_value()) << "error() of a Result that holds no error";
    return *error_;
  }

 private:
  std::optional<Error> error_;
};

using Status = Result<void>;

// Leaves the function with the error of `expr` if it has one.
#define CHRONIK_RETURN_IF_ERROR(expr)                                                         \
  do {                                                                                        \
    if (auto chronik_status_ = (expr); !chronik_status_.ok()) return chronik_status_.error(); \
  } while (false)

}  // namespace chronik
