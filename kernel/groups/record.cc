// SPDX-License-Identifier: Apache-2.0
#include "kernel/groups/record.h"

#include <utility>

#include "kernel/groups/record_wire.h"

namespace chronik::groups {
namespace {

// The first int16 of a key. Stored: Kafka's numbers.
enum Kind : int16_t {
  kOffsetLegacy = 0,
  kOffset = 1,
  kClassicGroup = 2,
  kConsumerGroup = 3,
  kPartitionMetadata = 4,
  kConsumerMember = 5,
  kTargetEpoch = 6,
  kTargetMember = 7,
  kCurrentAssignment = 8,
  kPattern = 16,
};

constexpr int16_t kNewestOffsetValue = 4;
constexpr int16_t kNewestGroupValue = 4;
constexpr int16_t kFlexibleClassicValue = 4;  // of offsets and of groups

constexpr uint32_t kMetadataHashTag = 0;
constexpr uint32_t kHashBytes = sizeof(int64_t);

int64_t ToInt(WallTime time) { return time.time_since_epoch().count(); }
WallTime ToWallTime(int64_t ms) { return WallTime(Milliseconds(ms)); }

// ---- writing ----

std::string GroupKey(Kind kind, std::string_view group) {
  RecordWriter out(kind);
  out.PutString(group);
  return out.Take();
}

std::string PairKey(Kind kind, std::string_view group, std::string_view other) {
  RecordWriter out(kind);
  out.PutString(group);
  out.PutString(other);
  return out.Take();
}

void PutTopics(RecordWriter* out, const std::vector<TopicPartitions>& topics) {
  out->PutArray(topics, [&](const TopicPartitions& topic) {
    out->Put(topic.topic);
    out->PutArray(topic.partitions, [&](int32_t partition) { out->Put(partition); });
    out->PutNoTags();
  });
}

std::string Value(const CommittedOffset& v) {
  const bool expires = v.expire_time.has_value();
  RecordWriter out(expires ? 1 : 3);
  out.Put(v.offset);
  if (!expires) out.Put(v.leader_epoch);
  out.PutString(v.metadata);
  out.Put(ToInt(v.commit_time));
  if (expires) out.Put(ToInt(*v.expire_time));
  return out.Take();
}

std::string Value(const ClassicGroupValue& v) {
  RecordWriter out(3);
  out.PutString(v.protocol_type);
  out.Put(v.generation);
  out.PutNullableString(v.protocol);
  out.PutNullableString(v.leader);
  out.Put(v.state_time ? ToInt(*v.state_time) : int64_t{-1});
  out.PutArray(v.members, [&](const ClassicMemberValue& member) {
    out.PutString(member.id);
    out.PutNullableString(member.instance);
    out.PutString(member.client_id);
    out.PutString(member.client_host);
    out.Put(static_cast<int32_t>(member.rebalance_timeout.count()));
    out.Put(static_cast<int32_t>(member.session_timeout.count()));
    out.PutBytes(member.subscription);
    out.PutBytes(member.assignment);
  });
  return out.Take();
}

std::string Value(const ConsumerGroupValue& v) {
  RecordWriter out(0, true);
  out.Put(v.epoch);
  if (v.metadata_hash == 0) {
    out.PutNoTags();
  } else {
    out.PutVarint(1);
    out.PutTag(kMetadataHashTag, kHashBytes);
    out.Put(v.metadata_hash);
  }
  return out.Take();
}

std::string Value(const std::vector<TopicMetadataValue>& v) {
  RecordWriter out(0, true);
  out.PutArray(v, [&](const TopicMetadataValue& topic) {
    out.Put(topic.id);
    out.PutString(topic.name);
    out.Put(topic.partitions);
    out.PutArray(topic.racks, [&](const PartitionRacks& partition) {
      out.Put(partition.partition);
      out.PutArray(partition.racks, [&](const std::string& rack) { out.PutString(rack); });
      out.PutNoTags();
    });
    out.PutNoTags();
  });
  out.PutNoTags();
  return out.Take();
}

std::string Value(const ConsumerMemberValue& v) {
  RecordWriter out(0, true);
  out.PutNullableString(v.instance);
  out.PutNullableString(v.rack);
  out.PutString(v.client_id);
  out.PutString(v.client_host);
  out.PutArray(v.topics, [&](const std::string& topic) { out.PutString(topic); });
  out.PutNullableString(v.topic_pattern);
  out.Put(static_cast<int32_t>(v.rebalance_timeout.count()));
  out.PutNullableString(v.assignor);
  out.PutNoTags();
  return out.Take();
}

std::string Value(int32_t target_epoch) {
  RecordWriter out(0, true);
  out.Put(target_epoch);
  out.PutNoTags();
  return out.Take();
}

std::string Value(const std::vector<TopicPartitions>& target) {
  RecordWriter out(0, true);
  PutTopics(&out, target);
  out.PutNoTags();
  return out.Take();
}

std::string Value(const CurrentAssignmentValue& v) {
  RecordWriter out(0, true);
  out.Put(v.epoch);
  out.Put(v.previous_epoch);
  out.Put(static_cast<int8_t>(v.state));
  PutTopics(&out, v.assigned);
  PutTopics(&out, v.pending_revocation);
  out.PutNoTags();
  return out.Take();
}

std::string Value(const PatternValue& v) {
  RecordWriter out(0, true);
  out.PutArray(v.topics, [&](const std::string& topic) { out.PutString(topic); });
  out.Put(v.version);
  out.Put(ToInt(v.time));
  out.PutNoTags();
  return out.Take();
}

struct KeyWriter {
  std::string operator()(const OffsetRecord& r) const {
    RecordWriter out(kOffset);
    out.PutString(r.key.group);
    out.PutString(r.key.topic);
    out.Put(r.key.partition);
    return out.Take();
  }
  std::string operator()(const ClassicGroupRecord& r) const { return GroupKey(kClassicGroup, r.group); }
  std::string operator()(const ConsumerGroupRecord& r) const { return GroupKey(kConsumerGroup, r.group); }
  std::string operator()(const PartitionMetadataRecord& r) const { return GroupKey(kPartitionMetadata, r.group); }
  std::string operator()(const ConsumerMemberRecord& r) const { return PairKey(kConsumerMember, r.group, r.member); }
  std::string operator()(const TargetEpochRecord& r) const { return GroupKey(kTargetEpoch, r.group); }
  std::string operator()(const TargetMemberRecord& r) const { return PairKey(kTargetMember, r.group, r.member); }
  std::string operator()(const CurrentAssignmentRecord& r) const {
    return PairKey(kCurrentAssignment, r.group, r.member);
  }
  std::string operator()(const PatternRecord& r) const { return PairKey(kPattern, r.group, r.pattern); }
};

// ---- reading ----

std::vector<TopicPartitions> TakeTopics(RecordReader& in) {
  return in.TakeArray<TopicPartitions>([&] {
    TopicPartitions topic;
    topic.topic = in.TakeTopicId();
    topic.partitions = in.TakeArray<int32_t>([&] { return in.Take<int32_t>(); });
    in.SkipTags();
    return topic;
  });
}

std::vector<std::string> TakeStrings(RecordReader& in) {
  return in.TakeArray<std::string>([&] { return in.TakeString(); });
}

void Take(RecordReader& in, int16_t version, CommittedOffset& v) {
  v.offset = in.Take<int64_t>();
  if (version >= 3) v.leader_epoch = in.Take<int32_t>();
  v.metadata = in.TakeString();
  v.commit_time = ToWallTime(in.Take<int64_t>());
  if (version == 1) {
    const auto expires = in.Take<int64_t>();
    if (expires != -1) v.expire_time = ToWallTime(expires);
  }
  in.SkipTags();
}

void Take(RecordReader& in, int16_t version, ClassicGroupValue& v) {
  v.protocol_type = in.TakeString();
  v.generation = in.Take<int32_t>();
  v.protocol = in.TakeNullableString();
  v.leader = in.TakeNullableString();
  if (version >= 2) {
    const auto time = in.Take<int64_t>();
    if (time != -1) v.state_time = ToWallTime(time);
  }
  v.members = in.TakeArray<ClassicMemberValue>([&] {
    ClassicMemberValue member;
    member.id = in.TakeString();
    if (version >= 3) member.instance = in.TakeNullableString();
    member.client_id = in.TakeString();
    member.client_host = in.TakeString();
    if (version >= 1) member.rebalance_timeout = Milliseconds(in.Take<int32_t>());
    member.session_timeout = Milliseconds(in.Take<int32_t>());
    if (version == 0) member.rebalance_timeout = member.session_timeout;
    member.subscription = in.TakeBytes();
    member.assignment = in.TakeBytes();
    in.SkipTags();
    return member;
  });
  in.SkipTags();
}

void Take(RecordReader& in, int16_t /*version*/, ConsumerGroupValue& v) {
  v.epoch = in.Take<int32_t>();
  in.TakeTags([&](uint32_t tag, RecordReader& value) {
    if (tag == kMetadataHashTag) v.metadata_hash = value.Take<int64_t>();
  });
}

void Take(RecordReader& in, int16_t /*version*/, std::vector<TopicMetadataValue>& v) {
  v = in.TakeArray<TopicMetadataValue>([&] {
    TopicMetadataValue topic;
    topic.id = in.TakeTopicId();
    topic.name = in.TakeString();
    topic.partitions = in.Take<int32_t>();
    topic.racks = in.TakeArray<PartitionRacks>([&] {
      PartitionRacks partition;
      partition.partition = in.Take<int32_t>();
      partition.racks = TakeStrings(in);
      in.SkipTags();
      return partition;
    });
    in.SkipTags();
    return topic;
  });
  in.SkipTags();
}

void Take(RecordReader& in, int16_t /*version*/, ConsumerMemberValue& v) {
  v.instance = in.TakeNullableString();
  v.rack = in.TakeNullableString();
  v.client_id = in.TakeString();
  v.client_host = in.TakeString();
  v.topics = TakeStrings(in);
  v.topic_pattern = in.TakeNullableString();
  v.rebalance_timeout = Milliseconds(in.Take<int32_t>());
  v.assignor = in.TakeNullableString();
  in.SkipTags();
}

void Take(RecordReader& in, int16_t /*version*/, int32_t& target_epoch) {
  target_epoch = in.Take<int32_t>();
  in.SkipTags();
}

void Take(RecordReader& in, int16_t /*version*/, std::vector<TopicPartitions>& v) {
  v = TakeTopics(in);
  in.SkipTags();
}

MemberState ToMemberState(int8_t number) {
  return number >= 0 && number <= 2 ? static_cast<MemberState>(number) : MemberState::kUnknown;
}

void Take(RecordReader& in, int16_t /*version*/, CurrentAssignmentValue& v) {
  v.epoch = in.Take<int32_t>();
  v.previous_epoch = in.Take<int32_t>();
  v.state = ToMemberState(in.Take<int8_t>());
  v.assigned = TakeTopics(in);
  v.pending_revocation = TakeTopics(in);
  in.SkipTags();
}

void Take(RecordReader& in, int16_t /*version*/, PatternValue& v) {
  v.topics = TakeStrings(in);
  v.version = in.Take<int64_t>();
  v.time = ToWallTime(in.Take<int64_t>());
  in.SkipTags();
}

// Takes `value`, of versions 0 to `newest`, into record.value, and gives the whole.
template <class R>
Result<std::optional<Record>> WithValue(const RecordReader& key, R record, std::optional<ByteView> value,
                                        int16_t newest, int16_t first_flexible) {
  if (!key.ok()) return Error{ErrorCode::kCorrupt, "a key of __consumer_offsets is cut short"};
  if (value) {
    RecordReader in(*value);
    const auto version = in.Take<int16_t>();
    if (in.ok() && (version < 0 || version > newest)) {
      return Error{ErrorCode::kUnsupportedVersion, "a value of __consumer_offsets has version " +
                                                       std::to_string(version) + "; this release knows 0 to " +
                                                       std::to_string(newest)};
    }
    in.set_flexible(version >= first_flexible);
    Take(in, version, record.value.emplace());
    if (!in.ok()) return Error{ErrorCode::kCorrupt, "a value of __consumer_offsets is malformed"};
  }
  return std::optional<Record>(std::move(record));
}

template <class R>
Result<std::optional<Record>> OfGroup(RecordReader& key, std::optional<ByteView> value) {
  R record;
  record.group = key.TakeString();
  return WithValue(key, std::move(record), value, 0, 0);
}

template <class R>
Result<std::optional<Record>> OfMember(RecordReader& key, std::optional<ByteView> value) {
  R record;
  record.group = key.TakeString();
  record.member = key.TakeString();
  return WithValue(key, std::move(record), value, 0, 0);
}

Result<std::optional<Record>> OfOffset(RecordReader& key, std::optional<ByteView> value) {
  OffsetRecord record;
  record.key.group = key.TakeString();
  record.key.topic = key.TakeString();
  record.key.partition = key.Take<int32_t>();
  return WithValue(key, std::move(record), value, kNewestOffsetValue, kFlexibleClassicValue);
}

Result<std::optional<Record>> OfClassicGroup(RecordReader& key, std::optional<ByteView> value) {
  ClassicGroupRecord record;
  record.group = key.TakeString();
  return WithValue(key, std::move(record), value, kNewestGroupValue, kFlexibleClassicValue);
}

Result<std::optional<Record>> OfPattern(RecordReader& key, std::optional<ByteView> value) {
  PatternRecord record;
  record.group = key.TakeString();
  record.pattern = key.TakeString();
  return WithValue(key, std::move(record), value, 0, 0);
}

}  // namespace

EncodedRecord EncodeRecord(const Record& record) {
  EncodedRecord encoded;
  encoded.key = std::visit(KeyWriter{}, record);
  encoded.value = std::visit(
      [](const auto& r) { return r.value ? std::optional<std::string>(Value(*r.value)) : std::nullopt; }, record);
  return encoded;
}

Result<std::optional<Record>> DecodeRecord(ByteView key, std::optional<ByteView> value) {
  RecordReader in(key);
  switch (in.Take<int16_t>()) {
    case kOffsetLegacy:
      if (!in.ok()) return Error{ErrorCode::kCorrupt, "a key of __consumer_offsets without a kind"};
      return OfOffset(in, value);
    case kOffset: return OfOffset(in, value);
    case kClassicGroup: return OfClassicGroup(in, value);
    case kConsumerGroup: return OfGroup<ConsumerGroupRecord>(in, value);
    case kPartitionMetadata: return OfGroup<PartitionMetadataRecord>(in, value);
    case kConsumerMember: return OfMember<ConsumerMemberRecord>(in, value);
    case kTargetEpoch: return OfGroup<TargetEpochRecord>(in, value);
    case kTargetMember: return OfMember<TargetMemberRecord>(in, value);
    case kCurrentAssignment: return OfMember<CurrentAssignmentRecord>(in, value);
    case kPattern: return OfPattern(in, value);
    default: return std::optional<Record>();
  }
}

}  // namespace chronik::groups
