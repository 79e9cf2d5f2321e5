// SPDX-License-Identifier: Apache-2.0
// Goal: no bytes from a client crash the checks, make them allocate beyond the cap, or pass with a content that cannot
// be walked. Method: validate as is; then repair length, magic and CRC, so that mutations get behind those checks, and
// validate, walk, stamp and feed the decoders again.
#include <cstdint>
#include <vector>

#include "kernel/base/crc32c.h"
#include "kernel/base/invariant.h"
#include "kernel/records/assign.h"
#include "kernel/records/compression.h"
#include "kernel/records/producer_state.h"
#include "kernel/records/record.h"
#include "kernel/records/validate.h"

namespace chronik::records {
namespace {

constexpr size_t kCap = 1 << 20;

void Walk(BatchView batch, bool must_hold) {
  Result<RecordIterator> records = RecordIterator::Open(batch, kCap);
  CHRONIK_CHECK(records.ok() || !must_hold) << records.error();
  if (!records) return;
  int32_t count = 0;
  while (true) {
    Result<bool> next = records->Next();
    CHRONIK_CHECK(next.ok() || !must_hold) << next.error();
    if (!next || !*next) break;
    CHRONIK_CHECK(records->record().Headers().size() == static_cast<size_t>(records->record().header_count)) << count;
    ++count;
  }
  CHRONIK_CHECK(!must_hold || count == batch.record_count()) << count;
}

void Validate(std::vector<uint8_t> bytes) {
  ValidationLimits limits;
  limits.deep = true;
  limits.max_decompressed_bytes = kCap;
  int32_t bad_record = -1;
  const Result<BatchInfo> info = ValidateForProduce(bytes, limits, &bad_record);
  const Result<BatchView> batch = BatchView::Parse(bytes);
  if (!batch) {
    CHRONIK_CHECK(!info.ok()) << "accepted without framing";
    return;
  }
  Walk(*batch, info.ok());
  if (!info) return;
  AssignOffsets(bytes, Offset(42), 7, WallTime(std::chrono::milliseconds(5)));
  const Result<BatchView> stamped = BatchView::Parse(bytes);
  CHRONIK_CHECK(stamped.ok() && stamped->crc_matches() && stamped->base_offset() == Offset(42)) << "stamping broke it";
}

}  // namespace
}  // namespace chronik::records

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace chronik::records;
  const chronik::ByteView input(data, size);
  std::vector<uint8_t> bytes(input.begin(), input.end());
  Validate(bytes);
  if (size >= kBatchHeaderBytes) {
    chronik::StoreBig<int32_t>(bytes.data() + kBatchLengthAt, static_cast<int32_t>(size - kBatchLengthOverhead));
    bytes[kMagicAt] = kMagicV2;
    chronik::StoreBig<uint32_t>(bytes.data() + kCrcAt,
                                chronik::Crc32c(chronik::ByteView(bytes).subspan(kAttributesAt)));
    Validate(bytes);
  }
  if (size > 0) (void)Decompress(static_cast<Codec>(data[0] % 5), input.subspan(1), kCap);
  (void)ProducerStateTable::Decode(input);
  return 0;
}
