// SPDX-License-Identifier: Apache-2.0
#include "kernel/replica/checkpoint.h"

#include "kernel/base/crc32c.h"
#include "kernel/base/endian.h"

namespace chronik::replica {
namespace {

constexpr uint32_t kMagic = 0x504b4843;  // "CHKP"
constexpr uint32_t kVersion = 1;
constexpr size_t kCrcAt = 36;
constexpr size_t kHeaderBytes = 40;

}  // namespace

Bytes EncodeCheckpoint(const Checkpoint& checkpoint) {
  uint8_t* out = nullptr;
  Bytes bytes = Bytes::Allocate(kHeaderBytes + checkpoint.state.size(), &out);
  StoreLittle(out, kMagic);
  StoreLittle(out + 4, kVersion);
  StoreLittle(out + 8, checkpoint.applied.index.value);
  StoreLittle(out + 16, checkpoint.applied.term.value);
  StoreLittle(out + 24, checkpoint.next_offset.value);
  StoreLittle(out + 32, static_cast<uint32_t>(checkpoint.state.size()));
  StoreLittle(out + kCrcAt, Crc32c(checkpoint.state, Crc32c({out, kCrcAt})));
  if (!checkpoint.state.empty()) std::memcpy(out + kHeaderBytes, checkpoint.state.data(), checkpoint.state.size());
  return bytes;
}

Result<Checkpoint> DecodeCheckpoint(const Bytes& bytes) {
  const uint8_t* in = bytes.data();
  if (bytes.size() < kHeaderBytes || LoadLittle<uint32_t>(in) != kMagic) {
    return Error{ErrorCode::kCorrupt, "not a checkpoint"};
  }
  if (const auto version = LoadLittle<uint32_t>(in + 4); version != kVersion) {
    return Error{ErrorCode::kUnsupportedVersion, "checkpoint version " + std::to_string(version) +
                                                     " was written by a newer chronik; this one reads version 1"};
  }
  if (LoadLittle<uint32_t>(in + 32) != bytes.size() - kHeaderBytes)
    return Error{ErrorCode::kCorrupt, "checkpoint cut short"};
  Bytes state = bytes.Slice(kHeaderBytes, bytes.size() - kHeaderBytes);
  if (Crc32c(state, Crc32c({in, kCrcAt})) != LoadLittle<uint32_t>(in + kCrcAt)) {
    return Error{ErrorCode::kCorrupt, "checkpoint fails its checksum"};
  }
  return Checkpoint{{LogIndex(LoadLittle<uint64_t>(in + 8)), Term(LoadLittle<uint64_t>(in + 16))},
                    Offset(LoadLittle<int64_t>(in + 24)),
                    std::move(state)};
}

}  // namespace chronik::replica
