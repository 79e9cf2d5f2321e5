// SPDX-License-Identifier: Apache-2.0
// The four codecs of record batches, with a hard cap on what decompression may produce.
#pragma once

#include <cstdint>
#include <vector>

#include "kernel/base/bytes.h"
#include "kernel/base/result.h"
#include "kernel/records/batch.h"

namespace chronik::records {

// Decompresses a whole batch payload. gzip members, lz4 frames and zstd frames may follow one another; snappy may be
// raw or in xerial framing (what Java clients write). Memory grows with what is really produced and never beyond
// `max_bytes` plus the codec's own window. Errors: kRecordTooLarge if the output would exceed `max_bytes`;
// kInvalidRecord if the stream is malformed, cut short or followed by other bytes. kNone copies.
Result<std::vector<uint8_t>> Decompress(Codec codec, ByteView compressed, size_t max_bytes);

enum class SnappyFraming { kXerial, kRaw };

// For tools, tests and internal topics. kInternal if the library fails.
Result<std::vector<uint8_t>> Compress(Codec codec, ByteView plain, SnappyFraming snappy = SnappyFraming::kXerial);

}  // namespace chronik::records
