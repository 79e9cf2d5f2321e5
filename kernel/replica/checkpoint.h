// SPDX-License-Identifier: Apache-2.0
// The envelope of a replica's checkpoint in the log store: where in the log the state machine's state stands.
#pragma once

#include "kernel/base/bytes.h"
#include "kernel/base/ids.h"
#include "kernel/base/result.h"
#include "kernel/raft/types.h"

namespace chronik::replica {

struct Checkpoint {
  raft::EntryId applied;  // the last entry that is in `state`
  Offset next_offset;     // base offset of the entry after it
  Bytes state;            // StateMachine::EncodeCheckpoint
};

// checkpoint := magic:u32le version:u32le index:u64le term:u64le next_offset:i64le state_size:u32le crc32c:u32le state
// crc32c covers what is before it and state.
Bytes EncodeCheckpoint(const Checkpoint& checkpoint);
Result<Checkpoint> DecodeCheckpoint(const Bytes& bytes);

}  // namespace chronik::replica
