// SPDX-License-Identifier: Apache-2.0
// The envelope of a replica's checkpoint in the log store: where in the log the state machine's state stands, and the
// configurations that its group had up to there. The same bytes are the snapshot that followers pull.
#pragma once

#include <vector>

#include "kernel/base/bytes.h"
#include "kernel/base/ids.h"
#include "kernel/base/result.h"
#include "kernel/raft/configuration.h"
#include "kernel/raft/types.h"

namespace chronik::replica {

struct Checkpoint {
  raft::EntryId applied;  // the last entry that is in `state`
  Offset next_offset;     // base offset of the entry after it
  // Pulled from a peer: the state may be ahead of this replica's log, whose missing entries follow from the leader.
  bool pulled = false;
  // What held at the beginning of the log, then each that a committed entry up to `applied` brought.
  std::vector<raft::ConfigurationAt> configurations;
  Bytes state;  // StateMachine::EncodeCheckpoint
};

// checkpoint := magic:u32le version:u32le index:u64le term:u64le next_offset:i64le pulled:u32le configurations:u32le
//               state_size:u32le crc32c:u32le (index:u64le size:u32le configuration)* state
// crc32c covers all but itself. Configurations are those of EncodeConfiguration.
Bytes EncodeCheckpoint(const Checkpoint& checkpoint);
Result<Checkpoint> DecodeCheckpoint(const Bytes& bytes);

}  // namespace chronik::replica
