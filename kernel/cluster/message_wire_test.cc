// SPDX-License-Identifier: Apache-2.0
// Goal: every message arrives as it was sent, the bytes of version 1 never change, and a frame that was cut, bent or
// holds a damaged batch is refused as a whole. Method: round trips, golden bytes, every truncation, every flipped bit.
#include <gtest/gtest.h>

#include <string>

#include "kernel/cluster/message_wire.h"
#include "kernel/records/builder.h"

namespace chronik::cluster {
namespace {

using replica::PeerMessage;
using replica::RaftMessage;

constexpr ReplicaId kFrom(NodeId(2), 0);
constexpr ReplicaId kTo(NodeId(3), 1);

log::Entry DataEntry(uint64_t index, int64_t base_offset, const std::string& value, uint64_t term) {
  records::BatchBuilder builder;
  builder.Add(WallTime(std::chrono::milliseconds(1'700'000'000'000)), std::nullopt, AsBytes(value));
  log::Entry entry;
  entry.body = builder.Build(Offset(base_offset), static_cast<int32_t>(term));
  entry.max_timestamp = 1'700'000'000'000;
  entry.meta = {LogIndex(index),       Term(term), Offset(base_offset), 1, static_cast<uint32_t>(entry.body.size()),
                raft::EntryKind::kData};
  return entry;
}

PeerMessage Raft(uint64_t term, decltype(raft::Message::body) body, std::vector<log::Entry> entries = {}) {
  return {kFrom, kTo, RaftMessage{{kFrom, kTo, Term(term), std::move(body)}, std::move(entries)}};
}

PeerMessage Append(std::vector<log::Entry> entries) {
  raft::AppendRequest request;
  request.previous = {LogIndex(9), Term(4)};
  request.previous_next_offset = Offset(100);
  request.commit = LogIndex(8);
  return Raft(5, std::move(request), std::move(entries));
}

Bytes FrameOf(const std::vector<PeerMessage>& messages, GroupId group = GroupId(300)) {
  MessageFrame frame;
  for (const PeerMessage& message : messages) frame.Add(group, message);
  return frame.Take().Flatten();
}

template <class T>
const T& BodyOf(const GroupMessage& message) {
  return std::get<T>(std::get<RaftMessage>(message.message.body).message.body);
}

std::string Hex(ByteView bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string out;
  for (const uint8_t byte : bytes) {
    out += kDigits[byte >> 4];
    out += kDigits[byte & 15];
  }
  return out;
}

TEST(MessageWire, TheBytesOfVersionOneNeverChange) {
  EXPECT_EQ(Hex(FrameOf({Raft(5, raft::VoteRequest{true, false, {LogIndex(9), Term(4)}})})),
            "01010001"
            "01ac0205"
            "010904");
  EXPECT_EQ(Hex(FrameOf({Raft(5, raft::VoteResponse{false, true})})),
            "01010001"
            "02ac0205"
            "02");
  EXPECT_EQ(Hex(FrameOf({Append({})})),
            "01010001"
            "03ac0205"
            "0904"
            "65"
            "08"
            "00");
  EXPECT_EQ(Hex(FrameOf({Raft(5, raft::AppendResponse{false, LogIndex(200), {}, {}})})),
            "01010001"
            "04ac0205"
            "00c801");
  EXPECT_EQ(Hex(FrameOf({Raft(5, raft::AppendResponse{true, {}, {LogIndex(7), Term(3)}, LogIndex(9)})})),
            "01010001"
            "04ac0205"
            "0100"
            "070309");
  EXPECT_EQ(Hex(FrameOf({Raft(5, raft::HeartbeatRequest{LogIndex(8), 1})})),
            "01010001"
            "05ac0205"
            "0801");
  EXPECT_EQ(Hex(FrameOf({Raft(5, raft::HeartbeatResponse{1})})),
            "01010001"
            "06ac0205"
            "01");
  EXPECT_EQ(Hex(FrameOf({Raft(5, raft::TimeoutNow{})})),
            "01010001"
            "07ac0205");
  EXPECT_EQ(Hex(FrameOf({{kFrom, kTo, raft::FetchSnapshot{kTo, {LogIndex(9), Term(4)}, 4096, 1 << 20}}})),
            "01010001"
            "09ac02"
            "0904"
            "8020"
            "00001000");
}

TEST(MessageWire, EntriesArriveWithTheirBodiesAndShareTheFrame) {
  const log::Entry noop{{LogIndex(10), Term(5), Offset(100), 0, 0, raft::EntryKind::kNoop}, -1, Bytes()};
  const log::Entry small = DataEntry(11, 100, "small", 5);
  const log::Entry large = DataEntry(12, 101, std::string(5000, 'x'), 5);
  const Bytes frame = FrameOf({Append({noop, small, large})});
  const auto decoded = DecodeMessages(frame, kFrom.node(), kTo.node());
  ASSERT_TRUE(decoded.ok()) << decoded.error();
  ASSERT_EQ(decoded->size(), 1u);
  EXPECT_EQ((*decoded)[0].group, GroupId(300));
  EXPECT_EQ((*decoded)[0].message.from, kFrom);
  EXPECT_EQ((*decoded)[0].message.to, kTo);
  const auto& raft = std::get<RaftMessage>((*decoded)[0].message.body);
  EXPECT_EQ(raft.message.term, Term(5));
  const auto& request = std::get<raft::AppendRequest>(raft.message.body);
  EXPECT_EQ(request.previous, (raft::EntryId{LogIndex(9), Term(4)}));
  EXPECT_EQ(request.previous_next_offset, Offset(100));
  EXPECT_EQ(request.commit, LogIndex(8));
  ASSERT_EQ(raft.entries.size(), 3u);
  const log::Entry* const sent[] = {&noop, &small, &large};
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(raft.entries[i].meta, sent[i]->meta) << i;
    EXPECT_EQ(raft.entries[i].max_timestamp, sent[i]->max_timestamp) << i;
    EXPECT_EQ(raft.entries[i].body, sent[i]->body) << i;
  }
  EXPECT_GE(raft.entries[2].body.data(), frame.data());
  EXPECT_LE(raft.entries[2].body.data() + 5000, frame.data() + frame.size());
}

TEST(MessageWire, ALargeBodyIsNotCopiedByTheSender) {
  const log::Entry large = DataEntry(10, 100, std::string(5000, 'x'), 5);
  MessageFrame frame;
  frame.Add(GroupId(1), Append({large}));
  bool shared = false;
  const ByteChain sent = frame.Take();
  for (const Bytes& part : sent.parts()) shared |= part.data() == large.body.data();
  EXPECT_TRUE(shared);
  EXPECT_TRUE(frame.empty());
}

TEST(MessageWire, AThousandHeartbeatsAreOneFrameOfTenBytesEach) {
  MessageFrame frame;
  for (uint64_t group = 1; group <= 1000; ++group)
    frame.Add(GroupId(group), Raft(7, raft::HeartbeatRequest{LogIndex(1'000'000), 0}));
  EXPECT_LE(frame.bytes(), 10'000u);
  const auto decoded = DecodeMessages(frame.Take().Flatten(), kFrom.node(), kTo.node());
  ASSERT_TRUE(decoded.ok()) << decoded.error();
  ASSERT_EQ(decoded->size(), 1000u);
  EXPECT_EQ(decoded->back().group, GroupId(1000));
  EXPECT_EQ(BodyOf<raft::HeartbeatRequest>(decoded->back()).commit, LogIndex(1'000'000));
}

TEST(MessageWire, SnapshotsOfferFetchAndChunk) {
  raft::Configuration configuration{{ReplicaId(1), ReplicaId(2)}, {ReplicaId(3)}};
  replica::SnapshotChunk chunk{{{LogIndex(9), Term(4)}, 100, 4, 104, false}, Bytes::Copy("tail")};
  const Bytes frame = FrameOf({Raft(5, raft::InstallSnapshot{{LogIndex(9), Term(4)}, Offset(77), configuration}),
                               {kFrom, kTo, raft::FetchSnapshot{kTo, {LogIndex(9), Term(4)}, 100, 4}},
                               {kFrom, kTo, chunk}});
  const auto decoded = DecodeMessages(frame, kFrom.node(), kTo.node());
  ASSERT_TRUE(decoded.ok()) << decoded.error();
  ASSERT_EQ(decoded->size(), 3u);
  const auto& install = BodyOf<raft::InstallSnapshot>((*decoded)[0]);
  EXPECT_EQ(install.next_offset, Offset(77));
  EXPECT_EQ(install.configuration, configuration);
  EXPECT_EQ(std::get<raft::FetchSnapshot>((*decoded)[1].message.body),
            (raft::FetchSnapshot{kTo, {LogIndex(9), Term(4)}, 100, 4}));
  const auto& arrived = std::get<replica::SnapshotChunk>((*decoded)[2].message.body);
  EXPECT_EQ(arrived.bytes.text(), "tail");
  EXPECT_EQ(arrived.chunk.total, 104u);
}

TEST(MessageWire, ACutFrameIsRefusedUnlessItEndsBetweenTwoMessages) {
  const PeerMessage first = Append({DataEntry(10, 100, "a", 5)});
  const size_t boundary = FrameOf({first}).size();
  const Bytes frame = FrameOf({first, Append({DataEntry(10, 100, std::string(600, 'b'), 5)})});
  for (size_t size = 0; size < frame.size(); ++size) {
    const bool whole = size == boundary || size == 4;
    EXPECT_EQ(DecodeMessages(frame.Slice(0, size), kFrom.node(), kTo.node()).ok(), whole) << size;
  }
}

// The checksum of a batch covers all of its fields but those that the header repeats.
TEST(MessageWire, NoFlippedBitOfABatchGetsThrough) {
  const log::Entry entry = DataEntry(10, 100, "value", 5);
  const Bytes frame = FrameOf({Append({entry})});
  const size_t body = frame.size() - entry.body.size();
  for (size_t bit = body * 8; bit < frame.size() * 8; ++bit) {
    Bytes bent = Bytes::Copy(frame.view());
    bent.unsafe_mutable_data()[bit / 8] ^= static_cast<uint8_t>(1u << (bit % 8));
    EXPECT_FALSE(DecodeMessages(bent, kFrom.node(), kTo.node()).ok()) << "bit " << bit - body * 8 << " of the batch";
  }
}

TEST(MessageWire, AbsurdCountsAndSizesAllocateNothing) {
  for (const char* hex : {"01010001"
                          "03010509"
                          "04"
                          "00"
                          "00"
                          "ffffffffffffffffff01",  // entries
                          "01010001"
                          "0301050904000001"
                          "03"
                          "00"
                          "01"
                          "ffffffffffffffff7f"
                          "00",  // bytes of an entry
                          "01010001"
                          "0801050904"
                          "00"
                          "ffffffffffffffff7f",  // a configuration
                          "01010001"
                          "0a0100"
                          "0904"
                          "00"
                          "00"
                          "ffffffffffffffff7f"}) {  // a chunk
    std::vector<uint8_t> bytes;
    for (const char* at = hex; *at != 0; at += 2)
      bytes.push_back(static_cast<uint8_t>(std::stoul(std::string(at, 2), nullptr, 16)));
    EXPECT_FALSE(DecodeMessages(Bytes::Copy(ByteView(bytes)), kFrom.node(), kTo.node()).ok()) << hex;
  }
}

TEST(MessageWire, SaysOfWhichLifeOfItsNodeAReplicaIs) {
  const ReplicaId from(NodeId(2), 7);
  const ReplicaId to(NodeId(3), UINT32_MAX);
  const auto decoded = DecodeMessages(FrameOf({{from, to, RaftMessage{{from, to, Term(1), raft::TimeoutNow{}}, {}}}}),
                                      NodeId(2), NodeId(3));
  ASSERT_TRUE(decoded.ok()) << decoded.error();
  EXPECT_EQ((*decoded)[0].message.from, from);
  EXPECT_EQ((*decoded)[0].message.to, to);
  const std::vector<uint8_t> beyond{1, 1, 0, 0x80, 0x80, 0x80, 0x80, 0x10};
  EXPECT_FALSE(DecodeMessages(Bytes::Copy(ByteView(beyond)), NodeId(2), NodeId(3)).ok());
}

TEST(MessageWire, ATermThatNoEpochCouldFollowIsRefused) {
  EXPECT_TRUE(DecodeMessages(FrameOf({Raft(1u << 30, raft::TimeoutNow{})}), kFrom.node(), kTo.node()).ok());
  EXPECT_FALSE(DecodeMessages(FrameOf({Raft(INT32_MAX, raft::TimeoutNow{})}), kFrom.node(), kTo.node()).ok());
  EXPECT_FALSE(DecodeMessages(FrameOf({Raft(uint64_t{1} << 40, raft::TimeoutNow{})}), kFrom.node(), kTo.node()).ok());
}

TEST(MessageWire, AnotherVersionOrTypeIsNamedAsSuch) {
  const auto code = [](std::vector<uint8_t> bytes) {
    const auto decoded = DecodeMessages(Bytes::Copy(ByteView(bytes)), kFrom.node(), kTo.node());
    return decoded.ok() ? std::optional<ErrorCode>() : decoded.error().code;
  };
  EXPECT_EQ(code({2, 1}), ErrorCode::kUnsupportedVersion);
  EXPECT_EQ(code({1, 2}), ErrorCode::kUnsupportedVersion);
  EXPECT_EQ(code({1, 1, 0, 0, 99, 1, 1}), ErrorCode::kUnsupportedVersion);
}

}  // namespace
}  // namespace chronik::cluster
