// SPDX-License-Identifier: Apache-2.0
// The records of `__consumer_offsets`, in Kafka's own formats: what a coordinator must not forget. The first int16 of a
// key says what kind of record it is; the first int16 of a value is that value's version; no value deletes the key.
//
//   key 0, 1  a committed offset               value 0-4, written as 3 (1 if it carries an expiry of its own)
//   key 2     a classic group                  value 0-4, written as 3
//   key 3-8   a consumer group (KIP-848)       value 0
//   key 16    a resolved regular expression    value 0
//
// Kafka's rule for what is newer than this release: a record of an unknown kind is skipped, it belongs to a feature
// that is not here (KIP-915); an unknown version of a known kind is refused, as what it says cannot be known. Unknown
// tagged fields are skipped.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "kernel/base/bytes.h"
#include "kernel/base/clock.h"
#include "kernel/base/ids.h"
#include "kernel/base/result.h"

namespace chronik::groups {

using Milliseconds = std::chrono::milliseconds;

struct OffsetKey {
  std::string group;
  std::string topic;
  int32_t partition = 0;
  friend auto operator<=>(const OffsetKey&, const OffsetKey&) = default;
};

struct CommittedOffset {
  int64_t offset = -1;
  int32_t leader_epoch = -1;
  std::string metadata;
  WallTime commit_time;
  std::optional<WallTime> expire_time;  // only of clients that asked for a retention of their own (OffsetCommit 2-4)
  friend bool operator==(const CommittedOffset&, const CommittedOffset&) = default;
};

struct OffsetRecord {
  OffsetKey key;
  std::optional<CommittedOffset> value;
  friend bool operator==(const OffsetRecord&, const OffsetRecord&) = default;
};

struct ClassicMemberValue {
  std::string id;
  std::optional<std::string> instance;
  std::string client_id;
  std::string client_host;
  Milliseconds rebalance_timeout{-1};
  Milliseconds session_timeout{0};
  std::string subscription;  // the metadata that it sent for the group's protocol; opaque
  std::string assignment;    // opaque
  friend bool operator==(const ClassicMemberValue&, const ClassicMemberValue&) = default;
};

struct ClassicGroupValue {
  std::string protocol_type;
  int32_t generation = 0;
  std::optional<std::string> protocol;
  std::optional<std::string> leader;
  std::optional<WallTime> state_time;  // since when the group is in its state
  std::vector<ClassicMemberValue> members;
  friend bool operator==(const ClassicGroupValue&, const ClassicGroupValue&) = default;
};

struct ClassicGroupRecord {
  std::string group;
  std::optional<ClassicGroupValue> value;
  friend bool operator==(const ClassicGroupRecord&, const ClassicGroupRecord&) = default;
};

struct TopicPartitions {
  TopicId topic;
  std::vector<int32_t> partitions;
  friend bool operator==(const TopicPartitions&, const TopicPartitions&) = default;
};

struct ConsumerGroupValue {
  int32_t epoch = 0;
  int64_t metadata_hash = 0;  // of the topics that its members are subscribed to
  friend bool operator==(const ConsumerGroupValue&, const ConsumerGroupValue&) = default;
};
struct ConsumerGroupRecord {
  std::string group;
  std::optional<ConsumerGroupValue> value;
  friend bool operator==(const ConsumerGroupRecord&, const ConsumerGroupRecord&) = default;
};

// Written by Kafka before 4.1, which replaced it by ConsumerGroupValue::metadata_hash.
struct PartitionRacks {
  int32_t partition = 0;
  std::vector<std::string> racks;
  friend bool operator==(const PartitionRacks&, const PartitionRacks&) = default;
};
struct TopicMetadataValue {
  TopicId id;
  std::string name;
  int32_t partitions = 0;
  std::vector<PartitionRacks> racks;
  friend bool operator==(const TopicMetadataValue&, const TopicMetadataValue&) = default;
};
struct PartitionMetadataRecord {
  std::string group;
  std::optional<std::vector<TopicMetadataValue>> value;
  friend bool operator==(const PartitionMetadataRecord&, const PartitionMetadataRecord&) = default;
};

struct ConsumerMemberValue {
  std::optional<std::string> instance;
  std::optional<std::string> rack;
  std::string client_id;
  std::string client_host;
  std::vector<std::string> topics;
  std::optional<std::string> topic_pattern;
  Milliseconds rebalance_timeout{-1};
  std::optional<std::string> assignor;
  friend bool operator==(const ConsumerMemberValue&, const ConsumerMemberValue&) = default;
};
struct ConsumerMemberRecord {
  std::string group;
  std::string member;
  std::optional<ConsumerMemberValue> value;
  friend bool operator==(const ConsumerMemberRecord&, const ConsumerMemberRecord&) = default;
};

struct TargetEpochRecord {
  std::string group;
  std::optional<int32_t> value;
  friend bool operator==(const TargetEpochRecord&, const TargetEpochRecord&) = default;
};

struct TargetMemberRecord {
  std::string group;
  std::string member;
  std::optional<std::vector<TopicPartitions>> value;
  friend bool operator==(const TargetMemberRecord&, const TargetMemberRecord&) = default;
};

// Where a member is on its way to its target assignment. The numbers are Kafka's; another one is read as kUnknown, and
// the member reconciles from there.
enum class MemberState : int8_t { kStable = 0, kUnrevokedPartitions = 1, kUnreleasedPartitions = 2, kUnknown = 127 };

struct CurrentAssignmentValue {
  int32_t epoch = 0;
  int32_t previous_epoch = 0;
  MemberState state = MemberState::kStable;
  std::vector<TopicPartitions> assigned;
  std::vector<TopicPartitions> pending_revocation;
  friend bool operator==(const CurrentAssignmentValue&, const CurrentAssignmentValue&) = default;
};
struct CurrentAssignmentRecord {
  std::string group;
  std::string member;
  std::optional<CurrentAssignmentValue> value;
  friend bool operator==(const CurrentAssignmentRecord&, const CurrentAssignmentRecord&) = default;
};

struct PatternValue {
  std::vector<std::string> topics;  // the names it stands for
  int64_t version = 0;              // of the metadata that it was resolved against
  WallTime time;
  friend bool operator==(const PatternValue&, const PatternValue&) = default;
};
struct PatternRecord {
  std::string group;
  std::string pattern;
  std::optional<PatternValue> value;
  friend bool operator==(const PatternRecord&, const PatternRecord&) = default;
};

using Record =
    std::variant<OffsetRecord, ClassicGroupRecord, ConsumerGroupRecord, PartitionMetadataRecord, ConsumerMemberRecord,
                 TargetEpochRecord, TargetMemberRecord, CurrentAssignmentRecord, PatternRecord>;

// As it stands in a record batch.
struct EncodedRecord {
  std::string key;
  std::optional<std::string> value;  // nullopt: a tombstone
  friend bool operator==(const EncodedRecord&, const EncodedRecord&) = default;
};

// Names that go into keys and into values of classic groups are at most this long (the format has an int16).
inline constexpr size_t kMaxNameBytes = 32767;

EncodedRecord EncodeRecord(const Record& record);

// nullopt: a kind that this release does not know, to be skipped. kUnsupportedVersion: a newer version of a known kind.
// kCorrupt: malformed or cut short. A coordinator that meets either of these must not serve the partition.
Result<std::optional<Record>> DecodeRecord(ByteView key, std::optional<ByteView> value);

}  // namespace chronik::groups
