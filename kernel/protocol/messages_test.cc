// SPDX-License-Identifier: Apache-2.0
// Goal: every message survives a round trip in every version, and no broken input can crash the decoder or make it
// take much memory. Method: random messages by fixed seeds; their bytes as they are, cut at every length, and damaged
// at every place, with all of operator new counted.
#include <gtest/gtest.h>

#include <cstdlib>
#include <new>

#include "kernel/protocol/generated/api_keys.h"
#include "kernel/protocol/generated/random_messages.h"
#include "kernel/protocol/reader.h"
#include "kernel/protocol/writer.h"

namespace {

size_t g_allocated_bytes = 0;  // since the program began; this program has one thread

}  // namespace

// Not inlined: g++ would see malloc and free instead of the pair that they are.
[[gnu::noinline]] void* operator new(size_t size) {
  g_allocated_bytes += size;
  if (void* memory = std::malloc(size)) return memory;
  throw std::bad_alloc();
}
[[gnu::noinline]] void operator delete(void* memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, size_t) noexcept { std::free(memory); }

namespace chronik::protocol {
namespace {

template <class Message>
Bytes Encoded(const Message& message, int16_t version) {
  Writer writer;
  message.Encode(writer, version);
  const size_t size = writer.size();
  Bytes bytes = std::move(writer).Finish().Flatten();
  EXPECT_EQ(bytes.size(), size);
  return bytes;
}

template <class Message>
Message Random(int16_t version, uint64_t seed) {
  RandomValues random(seed);
  Message message;
  FillRandom(message, version, random);
  return message;
}

// Calls check.operator()<Message>(version) for every message and version.
template <class Check>
void ForEachVersion(Check check) {
  const auto visit = [&]<class Message>(std::type_identity<Message>) {
    for (int16_t version = Message::kLowestVersion; version <= Message::kHighestVersion; ++version) {
      SCOPED_TRACE(std::string(Message::kName) + " version " + std::to_string(version));
      check.template operator()<Message>(version);
    }
  };
  ForEachRequest(visit);
  ForEachResponse(visit);
}

TEST(Messages, RoundTripInEveryVersion) {
  int compared = 0;
  ForEachVersion([&]<class Message>(int16_t version) {
    for (uint64_t seed = 0; seed < 50; ++seed) {
      const Message message = Random<Message>(version, seed);
      const Bytes bytes = Encoded(message, version);
      Reader reader(bytes);
      Message decoded;
      const Status status = decoded.Decode(reader, version);
      ASSERT_TRUE(status.ok()) << "seed " << seed << ": " << status.error().message;
      ASSERT_EQ(reader.remaining(), 0u) << "seed " << seed;
      ASSERT_TRUE(decoded == message) << "seed " << seed;
      ASSERT_EQ(Encoded(decoded, version), bytes) << "seed " << seed;
      ++compared;
    }
  });
  EXPECT_GT(compared, 2 * 80 * 50);
}

TEST(Messages, DecodeForgetsWhatTheStructHeldBefore) {
  ForEachVersion([]<class Message>(int16_t version) {
    Message message = Random<Message>(Message::kHighestVersion, 1);
    Reader reader(Encoded(Message(), version));
    ASSERT_TRUE(message.Decode(reader, version).ok());
    Reader again(Encoded(Message(), version));
    Message fresh;
    ASSERT_TRUE(fresh.Decode(again, version).ok());
    EXPECT_TRUE(message == fresh);
  });
}

TEST(Messages, FieldsThatAVersionLacksAreLeftOut) {
  ForEachVersion([]<class Message>(int16_t version) {
    // A message with fields of the newest version can be written in any.
    for (uint64_t seed = 0; seed < 5; ++seed) {
      Reader reader(Encoded(Random<Message>(Message::kHighestVersion, seed), version));
      Message decoded;
      ASSERT_TRUE(decoded.Decode(reader, version).ok()) << "seed " << seed;
      EXPECT_EQ(reader.remaining(), 0u) << "seed " << seed;
    }
  });
}

TEST(Messages, CutAtAnyByteIsAnError) {
  ForEachVersion([]<class Message>(int16_t version) {
    for (uint64_t seed = 0; seed < 3; ++seed) {
      const Bytes whole = Encoded(Random<Message>(version, seed), version);
      for (size_t size = 0; size < whole.size(); ++size) {
        Reader reader(Bytes::Copy(whole.view().first(size)));  // a block of its own, so that asan sees its end
        Message decoded;
        ASSERT_FALSE(decoded.Decode(reader, version).ok()) << "seed " << seed << ", " << size << " of " << whole.size();
      }
    }
  });
}

TEST(Messages, DamageAnywhereTakesNoMoreThanTheMemoryBudget) {
  // Huge counts and lengths of all encodings, laid over every place of a valid message.
  constexpr uint8_t kDamage[][5] = {{0x7f, 0xff, 0xff, 0xff, 0xff},
                                    {0xff, 0xff, 0xff, 0xff, 0x0f},
                                    {0xff, 0xff, 0x03, 0, 0},
                                    {0, 0, 0x7f, 0xff, 0},
                                    {0x80, 0, 0, 0, 0},
                                    {0, 0, 0, 0x40, 0x40}};
  ForEachVersion([&]<class Message>(int16_t version) {
    const Bytes whole = Encoded(Random<Message>(version, 4), version);
    // strings of 16 bytes and more are allocated with one byte for their end; an error's text is small
    const size_t allowed = DecodeMemoryBudget(whole.size()) * 17 / 16 + 4096;
    for (size_t place = 0; place < whole.size(); ++place) {
      for (const uint8_t(&damage)[5] : kDamage) {
        Bytes damaged = Bytes::Copy(whole);
        std::memcpy(damaged.unsafe_mutable_data() + place, damage, std::min<size_t>(5, whole.size() - place));
        Message decoded;
        const size_t before = g_allocated_bytes;
        Reader reader(damaged);
        const bool ok = decoded.Decode(reader, version).ok();
        ASSERT_LE(g_allocated_bytes - before, allowed) << "damage at " << place;
        if (!ok) continue;
        Reader again(Encoded(decoded, version));  // what is accepted has one meaning
        Message repeated;
        ASSERT_TRUE(repeated.Decode(again, version).ok() && repeated == decoded) << "damage at " << place;
      }
    }
  });
}

TEST(Messages, ArraysThatClaimToFillALargeFrameTakeLittleMemory) {
  // Each outer element is minimal and claims an inner array as large as the rest of the frame.
  Writer writer;
  writer.WriteInt<int32_t>(1 << 17);
  for (int i = 0; i < 1 << 17; ++i) {
    writer.WriteInt<int16_t>(0);
    writer.WriteInt<int32_t>(1 << 15);
  }
  const Bytes frame = std::move(writer).Finish().Flatten();
  const size_t before = g_allocated_bytes;
  Reader reader(frame);
  OffsetForLeaderEpochRequest request;
  EXPECT_FALSE(request.Decode(reader, 2).ok());
  EXPECT_LE(g_allocated_bytes - before, DecodeMemoryBudget(frame.size()) + 4096);

  const size_t before_huge = g_allocated_bytes;
  Reader huge(Bytes::Copy(std::string("\x7f\xff\xff\xff", 4) + std::string(1 << 20, '\0')));
  MetadataRequest metadata;
  EXPECT_FALSE(metadata.Decode(huge, 1).ok());
  EXPECT_LE(g_allocated_bytes - before_huge, (2u << 20) + 4096) << "the test's own two strings, and little else";
}

TEST(Messages, TheSmallestElementsInTheLargestNumberAreAccepted) {
  // 1 byte each on the wire, 32 in memory: the dearest honest request.
  DeleteTopicsRequest request;
  request.topic_names.resize(1 << 18);
  Reader reader(Encoded(request, 5));
  DeleteTopicsRequest decoded;
  EXPECT_TRUE(decoded.Decode(reader, 5).ok());
  EXPECT_TRUE(decoded == request);
}

TEST(Messages, VersionOutsideTheRangeIsRefused) {
  const auto visit = []<class Message>(std::type_identity<Message>) {
    for (int version : {Message::kLowestVersion - 1, Message::kHighestVersion + 1}) {
      Reader reader(Bytes::Copy(std::string(64, '\0')));
      Message message;
      const Status status = message.Decode(reader, static_cast<int16_t>(version));
      ASSERT_FALSE(status.ok()) << Message::kName;
      EXPECT_EQ(status.error().code, ErrorCode::kUnsupportedVersion);
    }
  };
  ForEachRequest(visit);
  ForEachResponse(visit);
}

TEST(Messages, TableOfApisAgreesWithTheCodecs) {
  size_t requests = 0;
  ForEachRequest([&]<class Message>(std::type_identity<Message>) {
    const auto entry = std::find_if(kApiCodecs.begin(), kApiCodecs.end(), [](const ApiCodec& codec) {
      return static_cast<int16_t>(codec.key) == Message::kApiKey;
    });
    ASSERT_NE(entry, kApiCodecs.end());
    EXPECT_EQ(std::string(entry->name) + "Request", Message::kName);
    EXPECT_EQ(entry->lowest_version, Message::kLowestVersion);
    EXPECT_EQ(entry->highest_version, Message::kHighestVersion);
    EXPECT_TRUE(Message::IsFlexible(entry->first_flexible_version));
    EXPECT_FALSE(Message::IsFlexible(static_cast<int16_t>(entry->first_flexible_version - 1)));
    ++requests;
  });
  EXPECT_EQ(requests, kApiCodecs.size());
}

}  // namespace
}  // namespace chronik::protocol
