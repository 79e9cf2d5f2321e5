// SPDX-License-Identifier: Apache-2.0
// Snappy as Kafka clients write it: one raw block (librdkafka, Go clients), or blocks in the framing of the xerial
// snappy-java library: 8 bytes of magic, int32 version, int32 oldest compatible version, then per block an int32 length
// and the block; integers are big-endian.
#pragma once

#include <cstdint>
#include <vector>

#include "kernel/base/bytes.h"
#include "kernel/base/result.h"

namespace chronik::records {

// Errors as Decompress (compression.h).
Result<std::vector<uint8_t>> SnappyDecompress(ByteView compressed, size_t max_bytes);
std::vector<uint8_t> SnappyCompressRaw(ByteView plain);
std::vector<uint8_t> SnappyCompressXerial(ByteView plain);

}  // namespace chronik::records
