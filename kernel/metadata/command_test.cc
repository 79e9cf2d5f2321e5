// SPDX-License-Identifier: Apache-2.0
// Goal: commands survive the log unchanged, and no bytes crash the decoder. Method: round trips, a fixed encoding, a
// cut at and a flip of every byte.
#include <gtest/gtest.h>

#include "kernel/base/endian.h"
#include "kernel/metadata/command.h"
#include "kernel/metadata/test_images.h"

namespace chronik::metadata {
namespace {

std::vector<Command> OneOfEach() {
  return {
      RegisterBroker{NodeId(3), 77, 2, "host", 9092, "rack", "rpc"},
      CreateTopic{
          "t", MakeTopicId(1, 2), {{PartitionId(0), GroupId(7), {NodeId(1), NodeId(2)}}}, {{"a", "b"}}, "User:x"},
      DeleteTopic{MakeTopicId(3, 4)},
      AddPartitions{MakeTopicId(5, 6), OnBroker1(2, 1)},
      SetTopicConfigs{MakeTopicId(7, 8), {{"c", ""}, {"d", "e"}}, {"f", "g"}},
      AllocateProducerIds{NodeId(9), 1000},
      RegisterBroker{NodeId(3), 77, std::nullopt, "host", 9092, "rack", ""},
      ReassignPartitions{MakeTopicId(3, 4), {{PartitionId(2), {NodeId(1)}}, {PartitionId(4), {NodeId(7), NodeId(1)}}}},
      FinishReassignment{MakeTopicId(3, 4), {PartitionId(2), {NodeId(1), NodeId(2)}}},
      SetBrokerLeaving{NodeId(4), true},
      SetBrokerLeaving{NodeId(4), false},
      RetireBroker{NodeId(5)},
      SetClusterId{"cluster", {NodeId(1), NodeId(2)}}};
}

TEST(Command, RoundTrips) {
  for (const Command& command : OneOfEach()) {
    const Result<Command> again = DecodeCommand(EncodeCommand(command));
    ASSERT_TRUE(again.ok()) << again.error();
    EXPECT_EQ(*again, command);
  }
}

TEST(Command, TheEncodingNeverChanges) {
  const std::vector<uint8_t> expected{1,    0,    1, 0,                      // format, type
                                      3,    0,    0, 0, 0,   0,   0,   0,    // node
                                      77,   0,    0, 0, 0,   0,   0,   0,    // incarnation
                                      1,    2,    0, 0, 0,                   // generation, known
                                      4,    0,    0, 0, 'h', 'o', 's', 't',  // host
                                      0x84, 0x23,                            // port
                                      4,    0,    0, 0, 'r', 'a', 'c', 'k',  // rack
                                      3,    0,    0, 0, 'r', 'p', 'c'};      // rpc address
  EXPECT_TRUE(std::ranges::equal(EncodeCommand(OneOfEach().front()).view(), expected));
}

TEST(Command, EveryCutIsCorrupt) {
  for (const Command& command : OneOfEach()) {
    const Bytes bytes = EncodeCommand(command);
    for (size_t size = 0; size < bytes.size(); ++size) {
      EXPECT_EQ(DecodeCommand(bytes.view().first(size)).error().code, ErrorCode::kCorrupt)
          << command.index() << ' ' << size;
    }
    std::vector<uint8_t> longer(bytes.view().begin(), bytes.view().end());
    longer.push_back(0);
    EXPECT_EQ(DecodeCommand(longer).error().code, ErrorCode::kCorrupt) << command.index();
  }
}

TEST(Command, NewerFormatsAndUnknownCommandsAreUnsupported) {
  const Bytes bytes = EncodeCommand(OneOfEach().back());
  std::vector<uint8_t> newer(bytes.view().begin(), bytes.view().end());
  newer[0] = 2;
  EXPECT_EQ(DecodeCommand(newer).error().code, ErrorCode::kUnsupportedVersion);
  newer[0] = 1;
  newer[2] = 99;
  EXPECT_EQ(DecodeCommand(newer).error().code, ErrorCode::kUnsupportedVersion);
}

TEST(Command, DamagedBytesDecodeToSomethingThatEncodesAgainOrToAnError) {
  for (const Command& command : OneOfEach()) {
    const Bytes bytes = EncodeCommand(command);
    for (size_t at = 0; at < bytes.size(); ++at) {
      for (int value = 0; value < 256; value += 5) {
        std::vector<uint8_t> bad(bytes.view().begin(), bytes.view().end());
        bad[at] = static_cast<uint8_t>(value);
        const Result<Command> decoded = DecodeCommand(bad);
        if (decoded.ok()) {
          EXPECT_TRUE(std::ranges::equal(EncodeCommand(*decoded).view(), bad)) << "one command, two encodings";
        }
      }
    }
  }
}

TEST(Command, ACountThatTheBytesCannotHoldIsRefusedBeforeAnythingIsAllocated) {
  const Bytes bytes = EncodeCommand(AddPartitions{MakeTopicId(1), {}});
  std::vector<uint8_t> liar(bytes.view().begin(), bytes.view().end());
  StoreLittle<uint32_t>(liar.data() + liar.size() - 4, 0xffffffff);
  EXPECT_EQ(DecodeCommand(liar).error().code, ErrorCode::kCorrupt);
}

TEST(Command, ConfigsOutOfOrderAreRefused) {
  const Bytes bytes = EncodeCommand(SetTopicConfigs{MakeTopicId(1), {{"a", ""}, {"b", ""}}, {}});
  std::vector<uint8_t> swapped(bytes.view().begin(), bytes.view().end());
  const auto a = std::find(swapped.begin() + 20, swapped.end(), 'a');
  const auto b = std::find(swapped.begin() + 20, swapped.end(), 'b');
  ASSERT_NE(b, swapped.end());
  std::swap(*a, *b);
  EXPECT_EQ(DecodeCommand(swapped).error().code, ErrorCode::kCorrupt);
}

}  // namespace
}  // namespace chronik::metadata
