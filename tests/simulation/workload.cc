// SPDX-License-Identifier: Apache-2.0
#include "tests/simulation/workload.h"

#include <algorithm>

#include "kernel/base/crc32c.h"
#include "kernel/base/endian.h"
#include "kernel/base/invariant.h"

namespace chronik::sim {
namespace {

// Of Kafka's record batch, version 2: base offset, length of what follows it, leader epoch; then what stays as it was
// given: magic, checksum, attributes, the last record's offset ...
constexpr size_t kLengthAt = 8;
constexpr size_t kLengthEnd = 12;
constexpr size_t kKeptFrom = 16;
constexpr size_t kMagicAt = 16;
constexpr size_t kCrcAt = 17;
constexpr size_t kCheckedFrom = 21;
constexpr size_t kLastOffsetDeltaAt = 23;
constexpr size_t kRecordCountAt = 57;
constexpr size_t kSizeMin = 80;

}  // namespace

Bytes MakeBatch(uint64_t number, size_t size, uint32_t offsets) {
  CHRONIK_CHECK(size >= kSizeMin) << "a batch of " << size << " bytes";
  uint8_t* out = nullptr;
  Bytes batch = Bytes::Allocate(size, &out);
  std::fill_n(out, size, static_cast<uint8_t>(number));
  StoreBig<int32_t>(out + kLengthAt, static_cast<int32_t>(size - kLengthEnd));
  StoreBig<int8_t>(out + kMagicAt, 2);
  StoreBig<int32_t>(out + kLastOffsetDeltaAt, static_cast<int32_t>(offsets) - 1);
  StoreBig<int32_t>(out + kRecordCountAt, static_cast<int32_t>(offsets));
  StoreLittle(out + size - 8, number);
  StoreBig<uint32_t>(out + kCrcAt, Crc32c({out + kCheckedFrom, size - kCheckedFrom}));
  return batch;
}

size_t BatchSize(ByteView bytes) {
  if (bytes.size() < kSizeMin) return 0;
  const auto length = LoadBig<int32_t>(bytes.data() + kLengthAt);
  return length <= 0 ? 0 : kLengthEnd + static_cast<size_t>(length);
}

uint64_t ProposedHash(ByteView batch) {
  const ByteView kept = batch.subspan(kKeptFrom);
  return (uint64_t{Crc32c(kept)} << 32) ^ kept.size();
}

uint64_t ProposedHash(const log::Entry& entry) {
  return entry.meta.kind == raft::EntryKind::kData ? ProposedHash(entry.body.view()) : 0;
}

}  // namespace chronik::sim
