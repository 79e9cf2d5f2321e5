// SPDX-License-Identifier: Apache-2.0
// Goal: records are, byte for byte, those of Kafka. Method: golden bytes written down from Kafka's schemas, every
// version that may stand in a log; damage; round trips.
#include "kernel/groups/record.h"

#include <gtest/gtest.h>

#include <map>
#include <string>

namespace chronik::groups {
namespace {

std::string FromHex(std::string_view hex) {
  std::string bytes;
  std::string digits;
  for (const char c : hex) {
    if (c == ' ') continue;
    digits.push_back(c);
    if (digits.size() < 2) continue;
    bytes.push_back(static_cast<char>(std::stoi(digits, nullptr, 16)));
    digits.clear();
  }
  return bytes;
}

Result<std::optional<Record>> Decode(const std::string& key, const std::optional<std::string>& value) {
  return DecodeRecord(AsBytes(key), value ? std::optional<ByteView>(AsBytes(*value)) : std::nullopt);
}

// The record encodes to exactly these bytes and they decode to it.
void ExpectGolden(const Record& record, std::string_view key, std::optional<std::string_view> value) {
  const EncodedRecord encoded = EncodeRecord(record);
  EXPECT_EQ(encoded.key, FromHex(key));
  EXPECT_EQ(encoded.value.has_value(), value.has_value());
  if (value) {
    EXPECT_EQ(encoded.value, FromHex(*value));
  }
  const auto decoded = Decode(encoded.key, encoded.value);
  ASSERT_TRUE(decoded.ok()) << decoded.error();
  EXPECT_TRUE(**decoded == record);
}

WallTime At(int64_t ms) { return WallTime(Milliseconds(ms)); }

TopicId TopicOfBytes(uint8_t byte) {
  TopicId id;
  id.bytes.fill(byte);
  return id;
}

TEST(GoldenRecord, CommittedOffset) {
  ExpectGolden(OffsetRecord{{"g", "t", 5}, CommittedOffset{7, 2, "m", At(1000), std::nullopt}},
               "0001 0001 67 0001 74 00000005", "0003 0000000000000007 00000002 0001 6d 00000000000003e8");
}

TEST(GoldenRecord, CommittedOffsetWithItsOwnExpiryIsVersion1AndHasNoEpoch) {
  ExpectGolden(OffsetRecord{{"g", "t", 5}, CommittedOffset{7, -1, "", At(1000), At(2000)}},
               "0001 0001 67 0001 74 00000005", "0001 0000000000000007 0000 00000000000003e8 00000000000007d0");
}

TEST(GoldenRecord, OffsetTombstone) {
  ExpectGolden(OffsetRecord{{"g", "t", -1}, std::nullopt}, "0001 0001 67 0001 74 ffffffff", std::nullopt);
}

TEST(GoldenRecord, ClassicGroup) {
  ClassicGroupValue value{"consumer", 3, "range", "m1", At(1000), {}};
  value.members.push_back({"m1", "i", "c", "/h", Milliseconds(300), Milliseconds(100), "sub", "as"});
  ExpectGolden(ClassicGroupRecord{"g", value}, "0002 0001 67",
               "0003 0008 636f6e73756d6572 00000003 0005 72616e6765 0002 6d31 00000000000003e8 00000001"
               "0002 6d31 0001 69 0001 63 0002 2f68 0000012c 00000064 00000003 737562 00000002 6173");
}

TEST(GoldenRecord, EmptyClassicGroupHasNullProtocolAndLeader) {
  ExpectGolden(ClassicGroupRecord{"g", ClassicGroupValue{"consumer", 3, std::nullopt, std::nullopt, At(1000), {}}},
               "0002 0001 67", "0003 0008 636f6e73756d6572 00000003 ffff ffff 00000000000003e8 00000000");
}

TEST(GoldenRecord, ConsumerGroupRecords) {
  ExpectGolden(ConsumerGroupRecord{"g", ConsumerGroupValue{9, 0}}, "0003 0001 67", "0000 00000009 00");
  ExpectGolden(ConsumerGroupRecord{"g", ConsumerGroupValue{9, 258}}, "0003 0001 67",
               "0000 00000009 01 00 08 0000000000000102");
  ExpectGolden(PartitionMetadataRecord{"g", std::vector<TopicMetadataValue>{{TopicOfBytes(1), "t", 2, {{0, {"r"}}}}}},
               "0004 0001 67", "0000 02 01010101010101010101010101010101 02 74 00000002 02 00000000 02 02 72 00 00 00");
  ExpectGolden(
      ConsumerMemberRecord{
          "g", "m", ConsumerMemberValue{std::nullopt, "r", "c", "/h", {"t"}, "a.*", Milliseconds(300), "uniform"}},
      "0005 0001 67 0001 6d", "0000 00 02 72 02 63 03 2f68 02 02 74 04 612e2a 0000012c 08 756e69666f726d 00");
  ExpectGolden(TargetEpochRecord{"g", 4}, "0006 0001 67", "0000 00000004 00");
  ExpectGolden(TargetMemberRecord{"g", "m", std::vector<TopicPartitions>{{TopicOfBytes(2), {0, 1}}}},
               "0007 0001 67 0001 6d", "0000 02 02020202020202020202020202020202 03 00000000 00000001 00 00");
  ExpectGolden(
      CurrentAssignmentRecord{
          "g", "m",
          CurrentAssignmentValue{
              5, 4, MemberState::kUnrevokedPartitions, {{TopicOfBytes(2), {0}}}, {{TopicOfBytes(2), {1}}}}},
      "0008 0001 67 0001 6d",
      "0000 00000005 00000004 01 02 02020202020202020202020202020202 02 00000000 00"
      "02 02020202020202020202020202020202 02 00000001 00 00");
  ExpectGolden(PatternRecord{"g", "a.*", PatternValue{{"ab"}, 7, At(1000)}}, "0010 0001 67 0003 612e2a",
               "0000 02 03 6162 0000000000000007 00000000000003e8 00");
  ExpectGolden(ConsumerMemberRecord{"g", "m", std::nullopt}, "0005 0001 67 0001 6d", std::nullopt);
}

TEST(OlderRecord, OffsetsOfVersions0And2And4) {
  const std::string key = FromHex("0001 0001 67 0001 74 00000005");
  const OffsetRecord without_epoch{{"g", "t", 5}, CommittedOffset{7, -1, "m", At(1000), std::nullopt}};
  for (const char* value :
       {"0000 0000000000000007 0001 6d 00000000000003e8", "0002 0000000000000007 0001 6d 00000000000003e8",
        "0001 0000000000000007 0001 6d 00000000000003e8 ffffffffffffffff"}) {
    const auto decoded = Decode(key, FromHex(value));
    ASSERT_TRUE(decoded.ok()) << decoded.error();
    EXPECT_TRUE(**decoded == Record(without_epoch)) << value;
  }
  // Version 4 is flexible; a topic id (tag 0) and a tag of the future are skipped.
  const auto flexible = Decode(key, FromHex("0004 0000000000000007 00000002 02 6d 00000000000003e8"
                                            "02 00 10 00000000000000000000000000000001 09 01 ff"));
  ASSERT_TRUE(flexible.ok()) << flexible.error();
  EXPECT_TRUE(**flexible == Record(OffsetRecord{{"g", "t", 5}, CommittedOffset{7, 2, "m", At(1000), std::nullopt}}));
}

TEST(OlderRecord, KeysOfVersion0AreOffsetsToo) {
  const auto decoded = Decode(FromHex("0000 0001 67 0001 74 00000005"), std::nullopt);
  ASSERT_TRUE(decoded.ok()) << decoded.error();
  EXPECT_TRUE(**decoded == Record(OffsetRecord{{"g", "t", 5}, std::nullopt}));
}

TEST(OlderRecord, ClassicGroupsOfVersions0To2And4) {
  const std::string key = FromHex("0002 0001 67");
  const std::string head = "0001 63 00000003 0001 72 0002 6d31 ";
  const std::string tail = "00000064 00000001 73 00000001 61";
  const std::string rebalance = "0000012c ";
  const std::map<int, std::string> values = {
      {0, "0000 " + head + "00000001 0002 6d31 0001 63 0002 2f68 " + tail},
      {1, "0001 " + head + "00000001 0002 6d31 0001 63 0002 2f68 " + rebalance + tail},
      {2, "0002 " + head + "00000000000003e8 00000001 0002 6d31 0001 63 0002 2f68 " + rebalance + tail},
      {4,
       "0004 02 63 00000003 02 72 03 6d31 00000000000003e8 02 03 6d31 00 02 63 03 2f68 0000012c 00000064 "
       "02 73 02 61 00 00"}};
  for (const auto& [version, value] : values) {
    const auto decoded = Decode(key, FromHex(value));
    ASSERT_TRUE(decoded.ok()) << decoded.error();
    ClassicGroupValue expected{"c", 3, "r", "m1", At(1000), {}};
    if (version < 2) expected.state_time.reset();
    expected.members.push_back(
        {"m1", std::nullopt, "c", "/h", Milliseconds(version == 0 ? 100 : 300), Milliseconds(100), "s", "a"});
    EXPECT_TRUE(**decoded == Record(ClassicGroupRecord{"g", expected})) << version;
  }
}

TEST(NewerRecord, AnUnknownKindIsSkipped) {
  const auto decoded = Decode(FromHex("0011 0001 67"), FromHex("0000 00"));
  ASSERT_TRUE(decoded.ok()) << decoded.error();
  EXPECT_FALSE(decoded->has_value());
}

TEST(NewerRecord, AnUnknownVersionOfAKnownKindIsRefused) {
  EXPECT_EQ(Decode(FromHex("0001 0001 67 0001 74 00000005"), FromHex("0005 00")).error().code,
            ErrorCode::kUnsupportedVersion);
  EXPECT_EQ(Decode(FromHex("0002 0001 67"), FromHex("0005 00")).error().code, ErrorCode::kUnsupportedVersion);
  EXPECT_EQ(Decode(FromHex("0003 0001 67"), FromHex("0001 00000001 00")).error().code, ErrorCode::kUnsupportedVersion);
}

TEST(NewerRecord, AnUnknownMemberStateIsKept) {
  const auto decoded = Decode(FromHex("0008 0001 67 0001 6d"), FromHex("0000 00000005 00000004 07 01 01 00"));
  ASSERT_TRUE(decoded.ok()) << decoded.error();
  EXPECT_EQ(std::get<CurrentAssignmentRecord>(**decoded).value->state, MemberState::kUnknown);
}

TEST(DamagedRecord, EveryCutIsRefused) {
  ClassicGroupValue value{"consumer", 3, "range", "m1", At(1000), {}};
  value.members.push_back({"m1", "i", "c", "/h", Milliseconds(300), Milliseconds(100), "sub", "as"});
  const std::vector<Record> records = {
      ClassicGroupRecord{"g", value}, OffsetRecord{{"g", "t", 5}, CommittedOffset{7, 2, "m", At(1000), std::nullopt}},
      CurrentAssignmentRecord{"g", "m",
                              CurrentAssignmentValue{5, 4, MemberState::kStable, {{TopicOfBytes(2), {0}}}, {}}}};
  for (const Record& record : records) {
    const EncodedRecord whole = EncodeRecord(record);
    for (size_t size = 0; size < whole.key.size(); ++size) {
      const auto decoded = Decode(whole.key.substr(0, size), whole.value);
      EXPECT_TRUE(!decoded.ok()) << "key of " << size;
    }
    for (size_t size = 0; size < whole.value->size(); ++size) {
      const auto decoded = Decode(whole.key, whole.value->substr(0, size));
      ASSERT_FALSE(decoded.ok()) << "value of " << size;
      EXPECT_EQ(decoded.error().code, ErrorCode::kCorrupt);
    }
  }
}

TEST(DamagedRecord, AHugeCountAllocatesNothing) {
  const auto decoded = Decode(FromHex("0002 0001 67"), FromHex("0000 0001 63 00000003 0001 72 0002 6d31 7fffffff"));
  ASSERT_FALSE(decoded.ok());
  EXPECT_EQ(decoded.error().code, ErrorCode::kCorrupt);
}

}  // namespace
}  // namespace chronik::groups
