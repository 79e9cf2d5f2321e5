// SPDX-License-Identifier: Apache-2.0
#include "kernel/records/batch.h"

#include <limits>
#include <string>

#include "kernel/base/crc32c.h"

namespace chronik::records {

std::string_view CodecName(Codec codec) {
  switch (codec) {
    case Codec::kNone: return "none";
    case Codec::kGzip: return "gzip";
    case Codec::kSnappy: return "snappy";
    case Codec::kLz4: return "lz4";
    case Codec::kZstd: return "zstd";
  }
  return "unknown";
}

int32_t AdvanceSequence(int32_t sequence, int32_t steps) {
  constexpr int64_t kModulus = int64_t{std::numeric_limits<int32_t>::max()} + 1;
  return static_cast<int32_t>((int64_t{sequence} + steps) % kModulus);
}

Result<BatchView> BatchView::Parse(ByteView bytes) {
  // The magic byte stands at the same place in every format, so an old client is told what is wrong, not "corrupt".
  if (bytes.size() > kMagicAt) {
    const auto magic = static_cast<int8_t>(bytes[kMagicAt]);
    if (magic != kMagicV2) {
      return Error{ErrorCode::kUnsupportedFormat,
                   "record batch of magic " + std::to_string(magic) + "; only magic 2 is supported"};
    }
  }
  if (bytes.size() < kBatchHeaderBytes) {
    return Error{ErrorCode::kCorruptMessage, "record batch of " + std::to_string(bytes.size()) + " bytes is cut short"};
  }
  const auto length = LoadBig<int32_t>(bytes.data() + kBatchLengthAt);
  if (length < static_cast<int32_t>(kBatchHeaderBytes - kBatchLengthOverhead)) {
    return Error{ErrorCode::kCorruptMessage, "impossible record batch length " + std::to_string(length)};
  }
  const size_t size = static_cast<size_t>(length) + kBatchLengthOverhead;
  if (size > bytes.size()) {
    return Error{ErrorCode::kCorruptMessage,
                 "record batch of " + std::to_string(size) + " bytes is cut short at " + std::to_string(bytes.size())};
  }
  return BatchView(bytes.first(size));
}

uint32_t BatchView::ComputeCrc() const { return Crc32c(bytes_.subspan(kAttributesAt)); }

}  // namespace chronik::records
