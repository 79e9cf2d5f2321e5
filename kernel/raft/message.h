// SPDX-License-Identifier: Apache-2.0
// What the replicas of one group say to each other. Bodies of appended entries travel beside the message, in the
// driver's frame; group, cluster and incarnation ids are the frame's business and are checked before a message gets
// here.
#pragma once

#include <cstdint>
#include <variant>
#include <vector>

#include "kernel/raft/configuration.h"
#include "kernel/raft/types.h"

namespace chronik::raft {

// Asks for a vote; `pre` asks only whether the vote would be given, and changes nothing at the receiver (thesis 9.6).
struct VoteRequest {
  bool pre = false;
  bool transfer = false;  // the leader asked for this election: leader stickiness does not apply
  EntryId last;           // of the candidate's log
};

struct VoteResponse {
  bool pre = false;
  bool granted = false;
};

// The leader's core remembers the metas of its newest entries only. For older ones it sends `read_through` >
// previous.index instead of entries: its driver reads (previous.index, read_through] from the log, as much as
// max_append_bytes allows but at least one, and fills in `entries` and `previous_next_offset` (=
// entries[0].base_offset) before it sends the message. It drops the message if the log does not have them or the term
// has changed since; the core tries again.
//
// Bodies never enter the core, with one exception: the receiver's driver decodes the body of each kConfiguration entry
// (DecodeConfiguration) into `configurations` before it steps the message, and drops the message if it cannot. The
// sender's core leaves them empty, as the bodies travel anyway.
struct AppendRequest {
  EntryId previous;
  Offset previous_next_offset;     // checked by the receiver: offsets can never drift; -1: unknown, no entries
  std::vector<EntryMeta> entries;  // may be empty (probe)
  LogIndex commit;                 // sampled no later than the entries were
  LogIndex read_through;           // from the leader's core to its driver, never on the wire; 0 = nothing to fill in
  std::vector<Configuration> configurations = {};  // of its kConfiguration entries, in order
};

struct AppendResponse {
  bool rejected = false;
  LogIndex match;           // accepted: durable up to here and equal to the leader's
  EntryId conflict_hint;    // rejected: the largest entry of ours that may match; skips whole terms
  LogIndex rejected_index;  // rejected: request.previous.index, to recognise stale answers
};

struct HeartbeatRequest {
  LogIndex commit;        // min(leader's commit, receiver's match)
  uint64_t read_context;  // read barrier; 0 = none
};

struct HeartbeatResponse {
  uint64_t read_context = 0;
};

struct TimeoutNow {};  // the receiver starts an election at once

// The receiver's log ends below the sender's first entry: it must pull a snapshot up to `last`. An offer; the receiver
// pulls (snapshot_pull.h) at its own pace.
struct InstallSnapshot {
  EntryId last;
  Offset next_offset;
  Configuration configuration;  // that held at `last`, or the first committed one behind it that the sender knows
};

struct Message {
  ReplicaId from;
  ReplicaId to;
  Term term;
  std::variant<VoteRequest, VoteResponse, AppendRequest, AppendResponse, HeartbeatRequest, HeartbeatResponse,
               TimeoutNow, InstallSnapshot>
      body;
};

}  // namespace chronik::raft
