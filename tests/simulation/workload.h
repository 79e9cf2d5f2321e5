// SPDX-License-Identifier: Apache-2.0
// What the simulated clients write: record batches as far as the kernel looks into them, each with a number of its own.
#pragma once

#include <cstdint>

#include "kernel/base/bytes.h"
#include "kernel/log/entry.h"

namespace chronik::sim {

// A batch of `size` bytes (at least 80) over `offsets` offsets that no other number gives.
Bytes MakeBatch(uint64_t number, size_t size, uint32_t offsets);
// Of a batch's first bytes; 0: it is none.
size_t BatchSize(ByteView bytes);
// Of what the client gave, before offset and leader epoch were stamped into it.
uint64_t ProposedHash(const log::Entry& entry);
uint64_t ProposedHash(ByteView batch);

}  // namespace chronik::sim
