// SPDX-License-Identifier: Apache-2.0
// What the Raft core sees of entries, terms and peers. Entry bodies never enter the core: it knows where an entry
// stands, how large it is and how many Kafka offsets it spans; its driver keeps the bytes.
#pragma once

#include <cstdint>

#include "kernel/base/ids.h"

namespace chronik::raft {

// What an entry holds. Stored on disk and sent to peers: values never change.
enum class EntryKind : uint32_t {
  kNoop = 1,           // a new leader's first entry; commits what earlier terms left behind
  kConfiguration = 2,  // voters and learners: configuration.h
  kData = 3,           // one Kafka record batch; offset_count = the offsets it spans
  kCommand = 4,        // one command of a state machine above (metadata)
  kLogStart = 5,       // a new log start offset: retention and DeleteRecords are replicated decisions
};

struct EntryId {
  LogIndex index;
  Term term;
  friend auto operator<=>(const EntryId&, const EntryId&) = default;
};

// Invariant along a log: index and term as Raft demands, and base_offset == previous.base_offset +
// previous.offset_count.
struct EntryMeta {
  LogIndex index;
  Term term;
  Offset base_offset;
  uint32_t offset_count = 0;  // 0 for all but kData
  uint32_t bytes = 0;         // payload
  EntryKind kind = EntryKind::kNoop;
  friend bool operator==(const EntryMeta&, const EntryMeta&) = default;

  EntryId id() const { return {index, term}; }
  Offset next_offset() const { return base_offset + offset_count; }
};

// One row of the term table, which doubles as Kafka's leader-epoch cache.
struct TermStart {
  Term term;
  LogIndex first_index;
  Offset first_offset;
  friend bool operator==(const TermStart&, const TermStart&) = default;
};

// Durable before any message that depends on it leaves. commit is a hint that may lag behind.
struct HardState {
  Term term;
  ReplicaId vote;
  LogIndex commit;
  friend bool operator==(const HardState&, const HardState&) = default;
};

enum class Role : uint8_t { kFollower, kPreCandidate, kCandidate, kLeader };

struct SoftState {
  Role role = Role::kFollower;
  ReplicaId leader;  // 0: unknown
  Term term;
  friend bool operator==(const SoftState&, const SoftState&) = default;
};

}  // namespace chronik::raft
