// SPDX-License-Identifier: Apache-2.0
// What the leader writes into a validated batch before it is appended.
#pragma once

#include <cstdint>
#include <optional>

#include "kernel/base/bytes.h"
#include "kernel/base/clock.h"
#include "kernel/base/ids.h"

namespace chronik::records {

// `batch` is one whole, validated batch. Sets base offset and partition leader epoch, which lie outside the CRC. With
// `log_append_time` also the timestamp-type bit and the max timestamp, and then recomputes the CRC.
void AssignOffsets(MutableByteView batch, Offset base_offset, int32_t leader_epoch,
                   std::optional<WallTime> log_append_time = std::nullopt);

// Corrects the max timestamp and the CRC of a batch whose header disagreed with its records (BatchInfo::max_timestamp).
void SetMaxTimestamp(MutableByteView batch, WallTime max_timestamp);

}  // namespace chronik::records
