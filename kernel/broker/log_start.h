// SPDX-License-Identifier: Apache-2.0
// The body of a kLogStart entry: from which offset on a partition's records are there. DeleteRecords and retention are
// decided by the leader and carried out by every replica when the entry is committed.
#pragma once

#include "kernel/base/bytes.h"
#include "kernel/base/ids.h"
#include "kernel/base/result.h"

namespace chronik::broker {

// version:u8 = 1, offset:i64 little-endian.
Bytes EncodeLogStart(Offset offset);
// kCorrupt, kUnsupportedVersion.
Result<Offset> DecodeLogStart(ByteView body);

// What a partition's checkpoint holds: its log start offset before the state of its producers.
Bytes EncodePartitionState(Offset log_start, const Bytes& producers);
struct PartitionState {
  Offset log_start;
  ByteView producers;
};
Result<PartitionState> DecodePartitionState(ByteView state);

}  // namespace chronik::broker
