// SPDX-License-Identifier: Apache-2.0
// CRC-32C (Castagnoli), as Kafka's record batch v2 and our files use it; ISA-L does the work.
#pragma once

#include "kernel/base/bytes.h"

namespace chronik {

// CRC-32C of `bytes` appended to what `seed` is the CRC-32C of: Crc32c(b, Crc32c(a)) == Crc32c(a + b). "123456789" ->
// 0xe3069283.
uint32_t Crc32c(ByteView bytes, uint32_t seed = 0);

}  // namespace chronik
